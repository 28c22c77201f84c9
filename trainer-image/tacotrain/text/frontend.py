"""The one door to text: normalize, encode, decode, and say what cannot be read.

frontend = Frontend.for_language("en")
frontend.normalize("Dr. Smith paid $5")      # 'doctor smith paid five dollars'
frontend.encode("Dr. Smith paid $5")         # [27, 38, …, 1]
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

from tacotrain.errors import ConfigError, DataError
from tacotrain.text import english, russian
from tacotrain.text.characters import UnknownCharacter, fold, unknown_characters
from tacotrain.text.symbols import SymbolTable, character_table, phoneme_table


class Language(Protocol):
    """What a language module offers."""

    VOICE: str
    """The espeak-ng voice."""
    EXPANDED: frozenset[str]
    """Characters that `expand` replaces by words: digits and signs."""

    def fold_cluster(self, cluster: str) -> str:
        """Fold one character with its marks."""

    def expand(self, text: str) -> str:
        """Write numbers, signs and abbreviations of a folded text as words."""


_LANGUAGES: dict[str, Language] = {"en": english, "ru": russian}


class UnknownCharacters(DataError):  # noqa: N818 - it is what they are
    """A text has characters that the voice cannot read; `characters` has them with their positions."""

    def __init__(self, text: str, characters: Sequence[UnknownCharacter]) -> None:
        listed = ", ".join(map(str, characters[:5])) + (", …" if len(characters) > 5 else "")
        super().__init__(f"cannot read {listed} in {text!r}; replace or spell out such characters")
        self.characters = tuple(characters)


@dataclass(frozen=True, slots=True)
class Frontend:
    """Turns text of one language into ids of one symbol table."""

    language: str
    phonemes: bool
    symbols: SymbolTable
    _characters: SymbolTable = field(repr=False)

    @classmethod
    def for_language(cls, code: str, *, phonemes: bool = False) -> Self:
        """Make the front-end of a language.

        Args:
            code: en or ru.
            phonemes: Encode what espeak-ng would say, in IPA, rather than letters.

        Raises:
            ConfigError: There is no front-end for the language.
        """
        if code not in _LANGUAGES:
            raise ConfigError(f"language: {code!r} has no front-end; there are {', '.join(_LANGUAGES)}")
        characters = character_table(code)
        return cls(code, phonemes, phoneme_table() if phonemes else characters, characters)

    def unknown(self, text: str) -> tuple[UnknownCharacter, ...]:
        """The characters that cannot be read, with their positions in the text as written."""
        language = _LANGUAGES[self.language]
        accepted = language.EXPANDED.union(self._characters.symbols)
        return unknown_characters(text, language.fold_cluster, accepted)

    def normalize(self, text: str) -> str:
        """Write the text as it is read: lower case, numbers and abbreviations as words.

        Unknown characters stay where they are. With phonemes this is still the text in letters.
        """
        language = _LANGUAGES[self.language]
        return " ".join(language.expand(fold(text, language.fold_cluster)).split())

    def read(self, texts: Iterable[str]) -> tuple[str, ...]:
        """Normalize texts and, with phonemes, pronounce them: what `encode` maps to ids, character by character.

        Raises:
            UnknownCharacters: A text has characters that cannot be read.
            InputMissing: Phonemes are wanted and espeak-ng is not installed.
        """
        texts = tuple(texts)
        for text in texts:
            if unknown := self.unknown(text):
                raise UnknownCharacters(text, unknown)
        normalized = tuple(map(self.normalize, texts))
        if not self.phonemes:
            return normalized
        from tacotrain.text.phonemes import pronounce  # noqa: PLC0415 - starts another program

        return pronounce(normalized, _LANGUAGES[self.language].VOICE, self.symbols)

    def encode(self, text: str) -> list[int]:
        """Ids of a text, closed by the end symbol.

        Raises:
            UnknownCharacters: The text has characters that cannot be read.
        """
        (read,) = self.read((text,))
        return self.symbols.encode(read)

    def decode(self, ids: Iterable[int]) -> str:
        """The text that ids stand for, as it is read."""
        return self.symbols.decode(ids)
