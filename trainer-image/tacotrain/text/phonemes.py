"""Pronunciations by espeak-ng, in IPA."""

import unicodedata
from collections.abc import Sequence

from tacotrain.errors import DataError
from tacotrain.espeak.client import espeak
from tacotrain.text.symbols import SymbolTable


def pronounce(texts: Sequence[str], voice: str, symbols: SymbolTable) -> tuple[str, ...]:
    """Pronounce normalized texts, all in one run of espeak-ng.

    Clauses are joined by a comma, so that a voice learns to pause.

    Raises:
        DataError: espeak-ng wrote a character that is not in the symbol table.
        InputMissing: espeak-ng is not installed.
    """
    with espeak() as program:
        spoken = [
            unicodedata.normalize("NFD", ", ".join(clause.strip() for clause in clauses if clause.strip()))
            for clauses in program.phonemes(texts, voice)
        ]
    for text, ipa in zip(texts, spoken, strict=True):
        if missing := sorted({character for character in ipa if character not in symbols}):
            raise DataError(
                f"espeak-ng pronounces {text!r} as {ipa!r}, with {missing} that no symbol stands for"
            )
    return tuple(spoken)
