"""Numbers as words, by num2words, with its quirks smoothed."""

from typing import Any

_LONGEST = 15
"""Digits; longer numbers are read digit by digit, as people do."""


def cardinal(digits: str, language: str, **form: Any) -> str:
    """Words of a whole number; leading zeros and very long numbers are read digit by digit."""
    if len(digits) > _LONGEST or (len(digits) > 1 and digits.startswith("0")):
        return spell(digits, language)
    return _words(int(digits), language, **form)


def ordinal(digits: str, language: str, **form: Any) -> str:
    """Words of a whole number that says a place in an order; beyond the longest, the cardinal digits."""
    if len(digits) > _LONGEST:
        return spell(digits, language)
    return _words(int(digits), language, to="ordinal", **form)


def year(digits: str) -> str:
    """English words of a year: nineteen ninety nine."""
    return _words(int(digits), "en", to="year")


def decimal(whole: str, fraction: str, language: str) -> str:
    """Words of a decimal as num2words has them; in Russian with the name of the last place."""
    return _words(f"{int(whole)}.{fraction}", language)


def spell(digits: str, language: str) -> str:
    """Each digit as a word."""
    return " ".join(_words(int(digit), language) for digit in digits)


def _words(number: int | str, language: str, **form: Any) -> str:
    from num2words import num2words  # noqa: PLC0415 - loads fifty languages, and most texts have no numbers

    words: str = num2words(number, lang=language, **form)
    # "one thousand, two hundred and thirty-four": the marks are spelling, not pauses.
    return words.replace(",", "").replace("-", " ")
