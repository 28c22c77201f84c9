"""English: numbers, signs and abbreviations as words."""

import re
import unicodedata

from tacotrain.text import numbers
from tacotrain.text.characters import compatible

VOICE = "en-us"

_MONEY = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"),
}
_SIGNS = {
    **{sign: names[1] for sign, names in _MONEY.items()},
    "&": "and",
    "%": "percent",
    "+": "plus",
    "=": "equals",
    "@": "at",
    "#": "number",
    "°": "degrees",
    "×": "times",
    "÷": "divided by",
    "/": "slash",
    "⁄": "over",
}
EXPANDED = frozenset("0123456789") | frozenset(_SIGNS)
"""Characters that `expand` replaces by words."""

_LETTERS = {"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ß": "ss", "ı": "i"}

# Only those that are no words themselves: "no." and "in." end sentences. "st." is decided by what follows it.
_ABBREVIATIONS = {
    "mr": "mister",
    "mrs": "missus",
    "dr": "doctor",
    "drs": "doctors",
    "prof": "professor",
    "jr": "junior",
    "sr": "senior",
    "co": "company",
    "corp": "corporation",
    "ltd": "limited",
    "inc": "incorporated",
    "maj": "major",
    "gen": "general",
    "rev": "reverend",
    "lt": "lieutenant",
    "hon": "honorable",
    "sgt": "sergeant",
    "capt": "captain",
    "col": "colonel",
    "esq": "esquire",
    "etc": "et cetera",
    "vs": "versus",
    "approx": "approximately",
    "dept": "department",
}
_ABBREVIATION = re.compile(rf"\b({'|'.join(_ABBREVIATIONS)})\.(?!\w)")
_SAINT = re.compile(r"\bst\.(?= ?[a-z])")
_STREET = re.compile(r"\bst\.")
_NUMERO = re.compile(r"\bno\. ?(?=\d)")

_INTEGER = r"\d{1,3}(?:,\d{3})+(?!\d)|\d+"
_FRACTION = re.compile(r"(?:\b(\d+) +)?\b(\d+)⁄(\d+)")
_AMOUNT = re.compile(rf"([$£€]) ?({_INTEGER})(?:\.(\d+))?(?: (thousand|million|billion|trillion)\b)?")
_TIME = re.compile(r"(?<![\d:])([01]?\d|2[0-3]):([0-5]\d)(?![\d:])")
_DECADE = re.compile(r"(?<!\d)(1[1-9]\d0|20\d0)'?s\b")
_ORDINAL = re.compile(rf"(?<![\d.,])({_INTEGER})(?:st|nd|rd|th)\b")
_YEAR = re.compile(r"(?<![\d.,])(1[1-9]\d\d|20[1-9]\d)(?!\d|[.,]\d)")
_NUMBER = re.compile(rf"({_INTEGER})(?:\.(\d+))?")
# A minus sign stands before a number and after nothing that it could join or subtract from.
_NEGATIVE = re.compile(r"(?<![^\s(\"'])-(?=\d)")
_LOOSE = re.compile(r" +(?=[,.;:!?)])")


def fold_cluster(cluster: str) -> str:
    """Fold one character: lower case, without accents (naïve, café), ligatures as two letters."""
    folded = compatible(cluster)
    if "⁄" in folded:  # ½ and its like: keep them apart from a whole number before them.
        return f" {folded} "
    plain = unicodedata.normalize("NFD", folded)
    return "".join(_LETTERS.get(c, c) for c in plain if not unicodedata.combining(c))


def expand(text: str) -> str:
    """Write numbers, signs and abbreviations of a folded text as words."""
    text = _LOOSE.sub("", text)
    text = _SAINT.sub("saint", text)
    text = _STREET.sub("street", text)
    text = _NUMERO.sub("number ", text)
    text = _ABBREVIATION.sub(lambda m: _ABBREVIATIONS[m[1]], text)
    text = _FRACTION.sub(lambda m: f" {_fraction(m[1], m[2], m[3])} ", text)
    text = _AMOUNT.sub(lambda m: f" {_amount(m[1], _plain(m[2]), m[3], m[4])} ", text)
    text = _TIME.sub(lambda m: f" {_time(m[1], m[2])} ", text)
    text = _DECADE.sub(lambda m: f" {_decade(m[1])} ", text)
    text = _ORDINAL.sub(lambda m: f" {numbers.ordinal(_plain(m[1]), 'en')} ", text)
    text = _NEGATIVE.sub(" minus ", text)
    text = _YEAR.sub(lambda m: f" {numbers.year(m[1])} ", text)
    text = _NUMBER.sub(lambda m: f" {_number(_plain(m[1]), m[2])} ", text)
    text = "".join(f" {_SIGNS[c]} " if c in _SIGNS else c for c in text)
    return _LOOSE.sub("", text)


def _plain(integer: str) -> str:
    return integer.replace(",", "")


def _number(whole: str, fraction: str | None) -> str:
    words = numbers.cardinal(whole, "en")
    return words if fraction is None else f"{words} point {numbers.spell(fraction, 'en')}"


def _amount(sign: str, whole: str, fraction: str | None, scale: str | None) -> str:
    one, many, cent, cents = _MONEY[sign]
    if scale is not None:
        return f"{_number(whole, fraction)} {scale} {many}"
    if fraction is not None and len(fraction) != 2:
        return f"{_number(whole, fraction)} {many}"
    units = f"{numbers.cardinal(whole, 'en')} {one if int(whole) == 1 else many}"
    if fraction is None or int(fraction) == 0:
        return units
    small = f"{numbers.cardinal(fraction.lstrip('0'), 'en')} {cent if int(fraction) == 1 else cents}"
    return small if int(whole) == 0 else f"{units} and {small}"


def _time(hours: str, minutes: str) -> str:
    hour = numbers.cardinal(hours if len(hours) == 1 else hours.removeprefix("0"), "en")
    if minutes == "00":
        return f"{hour} o'clock"
    minute = numbers.cardinal(minutes.removeprefix("0"), "en")
    return f"{hour} oh {minute}" if minutes.startswith("0") else f"{hour} {minute}"


def _decade(digits: str) -> str:
    words = numbers.year(digits)
    return f"{words[:-1]}ies" if words.endswith("y") else f"{words}s"


def _fraction(whole: str | None, upper: str, lower: str) -> str:
    many = int(upper) != 1
    match int(lower):
        case 2:
            part = "halves" if many else "half"
        case 4:
            part = "quarters" if many else "quarter"
        case 0 | 1:
            part = f"over {numbers.cardinal(lower, 'en')}"
        case _:
            part = numbers.ordinal(lower, "en") + ("s" if many else "")
    words = f"{numbers.cardinal(upper, 'en')} {part}"
    return words if whole is None else f"{numbers.cardinal(whole, 'en')} and {words}"
