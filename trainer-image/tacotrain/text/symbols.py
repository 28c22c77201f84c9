"""The symbol tables: which characters a voice can read, and the id of each.

A table is stored in every prepared dataset and every checkpoint, so ids must not move: new symbols go to the end.
Each symbol but the two special ones is exactly one character; therefore the position of a character in the
normalized text is also its position in the sequence of ids.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

PADDING = "<pad>"
"""Id 0: fills the shorter texts of a batch."""
END = "<end>"
"""Id 1: closes each text, so that attention has a place to rest after the last letter."""

STRESS = "\N{COMBINING ACUTE ACCENT}"
"""Follows the stressed vowel in Russian texts."""

_PUNCTUATION = "!\"'(),-.:;?"
_ENGLISH = "abcdefghijklmnopqrstuvwxyz"
_RUSSIAN = "абвгдеёжзийклмнопрстуфхцчшщъыьэюя"
# What espeak-ng writes in IPA mode for English and Russian, decomposed, and the rest of the IPA so that odd words do
# not fail. It leaves ^ for a few Russian clusters that have no IPA in its tables.
_IPA_VOWELS = "aeiouyɑɐɒæɔəɘɚɛɜɝɞɪɨɵøœɶʊʉʌɯɤʏɫᵻᵊ"
_IPA_CONSONANTS = "bcdfghjklmnpqrstvwxzðŋθʃʒɡɢɓɖɗʄɠɟʝɕʑɣχʁħʕɦʔɹɻɺɾɽʀʋɰɥʍɬɮʎʟɭɱɲɳɴɸβʂʐʈʙʘǀǁǂǃʜʢʡɧⱱ"
_IPA_MARKS = "ˈˌːˑʲʰʷˠˤ˞ʼ^\u0303\u0306\u0308\u030a\u031a\u031d\u031e\u0325\u0327\u0329\u032a\u032f\u0361"

_CHARACTERS = {"en": _ENGLISH, "ru": _RUSSIAN + STRESS}
LANGUAGES = tuple(_CHARACTERS)
"""Codes of the languages that have a front-end."""


@dataclass(frozen=True, slots=True)
class SymbolTable:
    """Symbols in the order of their ids."""

    symbols: tuple[str, ...]
    ids: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.symbols[:2] != (PADDING, END):
            raise ValueError(
                f"a symbol table starts with {PADDING} and {END}, this one with {self.symbols[:2]}"
            )
        if long := [symbol for symbol in self.symbols[2:] if len(symbol) != 1]:
            raise ValueError(f"symbols are single characters, these are not: {long}")
        object.__setattr__(self, "ids", {symbol: i for i, symbol in enumerate(self.symbols)})
        if len(self.ids) != len(self.symbols):
            raise ValueError("a symbol table names each symbol once")

    def __len__(self) -> int:
        return len(self.symbols)

    def __contains__(self, character: str) -> bool:
        return character in self.ids

    def encode(self, text: str) -> list[int]:
        """Map each character to its id and close with the end symbol; a KeyError names a character without one."""
        return [*(self.ids[character] for character in text), self.ids[END]]

    def decode(self, ids: Iterable[int]) -> str:
        """Map ids back to text; padding and end symbols leave no trace."""
        return "".join(self.symbols[i] for i in ids if i > 1)


def character_table(language: str) -> SymbolTable:
    """The letters of a language in lower case, punctuation and the space."""
    return _table(" " + _PUNCTUATION + _CHARACTERS[language])


def phoneme_table() -> SymbolTable:
    """One table of IPA characters for all languages."""
    return _table(" " + _PUNCTUATION + _IPA_VOWELS + _IPA_CONSONANTS + _IPA_MARKS)


def _table(characters: Sequence[str]) -> SymbolTable:
    return SymbolTable((PADDING, END, *dict.fromkeys(characters)))
