"""Character by character: one spelling for what Unicode spells in many ways, with the position of what is unknown.

Text is taken apart into clusters, a character with the marks that follow it; each is folded on its own, so that the
place of a cluster in the source is known even though its folded form may be longer or shorter.
"""

import unicodedata
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

Fold = Callable[[str], str]

# Before NFKC, which would turn some of them into letters ("№" into "No") and leave others as they are.
_SIGNS = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′`´ʼ", "'"),
        **dict.fromkeys("“”„‟″«»‹›", '"'),
        **dict.fromkeys("‐‑‒–—―−", "-"),
        "…": "...",
        "№": "#",
        **dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060\ufeff", ""),
        **dict.fromkeys("\t\n\r\v\f\u0085\u2028\u2029", " "),
        **dict.fromkeys("[{", "("),
        **dict.fromkeys("]}", ")"),
        "¡": "",
        "¿": "",
        **dict.fromkeys("™®©", ""),
    }
)


@dataclass(frozen=True, slots=True)
class UnknownCharacter:
    """A character that no front-end rule covers."""

    character: str
    position: int
    """In the text as written, from 0."""

    def __str__(self) -> str:
        names = " + ".join(unicodedata.name(c, f"U+{ord(c):04X}") for c in self.character)
        return f"{self.character!r} ({names}) at position {self.position}"


def clusters(text: str) -> Iterator[tuple[int, str]]:
    """Split into characters, each with its combining marks, and the position of each."""
    start = 0
    for i in range(1, len(text) + 1):
        if i == len(text) or not unicodedata.combining(text[i]):
            if i > start:
                yield start, text[start:i]
            start = i


def compatible(cluster: str) -> str:
    """One spelling for quotes, dashes, spaces, full-width and other variants; in lower case, composed."""
    return unicodedata.normalize("NFKC", cluster.translate(_SIGNS)).lower()


def fold(text: str, rule: Fold) -> str:
    """Fold each cluster by the language's rule and squeeze spaces."""
    return " ".join("".join(rule(cluster) for _, cluster in clusters(text)).split())


def unknown_characters(text: str, rule: Fold, accepted: AbstractSet[str]) -> tuple[UnknownCharacter, ...]:
    """The clusters of a text whose folded form is not made of accepted characters."""
    return tuple(
        UnknownCharacter(cluster, position)
        for position, cluster in clusters(text)
        if not accepted >= set(rule(cluster))
    )
