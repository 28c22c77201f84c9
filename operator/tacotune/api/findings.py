"""A finding: what is wrong with a manifest, where, and what to do about it."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

Loc = tuple[str | int, ...]
"""Keys and list positions from the top of the document (or of the spec) down."""

CROSS_FIELD: Final = "cross_field"
"""pydantic's error type of findings across fields; its context carries them as `findings`, and the `spec`."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    loc: Loc
    message: str
    hint: str = ""
    """What to do, where the message does not say so."""
    involves: tuple[Loc, ...] = ()
    """Other places the judgement rests on: it is not to be trusted while one of them is broken."""

    def below(self, *parents: str | int) -> "Finding":
        """The same finding, its places counted from further up."""
        involves = tuple((*parents, *loc) for loc in self.involves)
        return Finding((*parents, *self.loc), self.message, self.hint, involves)

    def __str__(self) -> str:
        """`searchSpace[2].when: …`."""
        return f"{dotted(self.loc)}: {self.message}" + (f" ({self.hint})" if self.hint else "")


def dotted(loc: Loc) -> str:
    """`("searchSpace", 2, "when")` as people write it: `searchSpace[2].when`."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that was probably meant, else an empty text. Case and underscores do not count."""
    folded = {_fold(name): name for name in known}
    found = difflib.get_close_matches(_fold(word), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean x?` or, when nothing is near, an empty text."""
    name = nearest(word, known)
    return f"did you mean {name}?" if name else ""


def _fold(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "")
