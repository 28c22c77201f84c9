"""Russian: numbers, signs and abbreviations as words in the right case, where the text shows which; stress marks kept.

Stress is written with U+0301 behind the vowel (за́мок), or with a plus before it (з+амок), as TTS corpora do; both
become U+0301.
"""

import re
import unicodedata

from tacotrain.text import numbers
from tacotrain.text.characters import compatible
from tacotrain.text.symbols import STRESS

VOICE = "ru"

_VOWELS = "аеёиоуыэюя"
_SIGNS = {
    "%": "процентов",
    "$": "долларов",
    "€": "евро",
    "£": "фунтов",
    "₽": "рублей",
    "&": "и",
    "+": "плюс",
    "=": "равно",
    "@": "собака",
    "#": "номер",
    "°": "градусов",
    "×": "умножить на",
    "÷": "разделить на",
    "/": "дробь",
    "⁄": "дробь",
}
EXPANDED = frozenset("0123456789") | frozenset(_SIGNS)
"""Characters that `expand` replaces by words."""

# Only those that are no words themselves: "им.", "рис." and "тел." end sentences.
_ABBREVIATIONS = {
    r"т\. ?е": "то есть",
    r"т\. ?д": "так далее",
    r"т\. ?п": "тому подобное",
    r"т\. ?к": "так как",
    r"до н\. ?э": "до нашей эры",
    r"н\. ?э": "нашей эры",
    "др": "другие",
    "пр": "прочее",
    "ул": "улица",
    "пл": "площадь",
    "пер": "переулок",
    "просп": "проспект",
    "обл": "область",
    "стр": "страница",
    "гл": "глава",
    "см": "смотри",
    "напр": "например",
    "проф": "профессор",
    "акад": "академик",
}
_ABBREVIATION = re.compile(rf"(?<!\w)(?:{'|'.join(f'({pattern})' for pattern in _ABBREVIATIONS)})\.(?!\w)")
_EXPANSIONS = tuple(_ABBREVIATIONS.values())
_CITY = re.compile(r"(?<![\w-])г\. ?(?=[а-яё])")

# One, two to four, five and more; and the gender of the number before them.
_UNITS = {
    "%": ("процент", "процента", "процентов", "m"),
    "₽": ("рубль", "рубля", "рублей", "m"),
    "руб": ("рубль", "рубля", "рублей", "m"),
    "$": ("доллар", "доллара", "долларов", "m"),
    "€": ("евро", "евро", "евро", "m"),
    "£": ("фунт", "фунта", "фунтов", "m"),
    "коп": ("копейка", "копейки", "копеек", "f"),
    "тыс": ("тысяча", "тысячи", "тысяч", "f"),
    "млн": ("миллион", "миллиона", "миллионов", "m"),
    "млрд": ("миллиард", "миллиарда", "миллиардов", "m"),
    "км": ("километр", "километра", "километров", "m"),
    "см": ("сантиметр", "сантиметра", "сантиметров", "m"),
    "мм": ("миллиметр", "миллиметра", "миллиметров", "m"),
    "м": ("метр", "метра", "метров", "m"),
    "кг": ("килограмм", "килограмма", "килограммов", "m"),
    "мин": ("минута", "минуты", "минут", "f"),
    "сек": ("секунда", "секунды", "секунд", "f"),
    "°": ("градус", "градуса", "градусов", "m"),
}
_INTEGER = r"\d{1,3}(?: \d{3})+(?!\d)|\d+"
_MEASURE = re.compile(
    rf"(?<![\d.,])({_INTEGER})(?:[.,](\d+))? ?({'|'.join(sorted(map(re.escape, _UNITS), key=len, reverse=True))})(?!\w)\.?"
)
# Not behind a number: "100 ₽ 5 €" is no prefix.
_PREFIXED = re.compile(rf"(?<!\d)(?<!\d )([$€£₽]) ?((?:{_INTEGER})(?:[.,]\d+)?)")

_MONTHS = [
    "января",
    "февраля",
    "марта",
    "апреля",
    "мая",
    "июня",
    "июля",
    "августа",
    "сентября",
    "октября",
    "ноября",
    "декабря",
]
_DATE = re.compile(rf"(?<![\d.,])(\d{{1,2}}) ({'|'.join(_MONTHS)})(?!\w)")
_YEAR_NOUNS = {"год": "n", "года": "g", "году": "p", "годом": "i", "годе": "p"}
_YEAR = re.compile(rf"(?:(?<!\w)(\w+) )?(?<![\d.,])(\d{{4}}) ({'|'.join(_YEAR_NOUNS)})(?!\w)")
_YEAR_SHORT = re.compile(r"(?:(?<!\w)(\w+) )?(?<![\d.,])(\d{4}) ?г\.")
_YEAR_CASES = {
    **dict.fromkeys(("в", "о"), ("p", "году")),
    **dict.fromkeys(("к", "по"), ("d", "году")),
    "за": ("a", "год"),
    "": ("n", "год"),
}
_SUFFIXES: dict[str, dict[str, str | bool]] = {
    "й": {"case": "n", "gender": "m"},
    "ый": {"case": "n", "gender": "m"},
    "ий": {"case": "n", "gender": "m"},
    "я": {"case": "n", "gender": "f"},
    "ая": {"case": "n", "gender": "f"},
    "е": {"case": "n", "gender": "n"},
    "ое": {"case": "n", "gender": "n"},
    "го": {"case": "g", "gender": "m"},
    "ого": {"case": "g", "gender": "m"},
    "му": {"case": "d", "gender": "m"},
    "ому": {"case": "d", "gender": "m"},
    "м": {"case": "p", "gender": "m"},
    "ом": {"case": "p", "gender": "m"},
    "ым": {"case": "i", "gender": "m"},
    "ой": {"case": "g", "gender": "f"},
    "ую": {"case": "a", "gender": "f"},
    "ю": {"case": "a", "gender": "f"},
    "ые": {"case": "n", "plural": True},
    "х": {"case": "g", "plural": True},
    "ых": {"case": "g", "plural": True},
}
_ORDINAL = re.compile(rf"(?<![\d.,])(\d+)-({'|'.join(sorted(_SUFFIXES, key=len, reverse=True))})(?!\w)")
_FRACTION = re.compile(r"(?:(?<![\d.,])(\d+) +)?(?<![\d.,])(\d+)⁄(\d+)")
_TIME = re.compile(r"(?<![\d:])([01]?\d|2[0-3]):([0-5]\d)(?![\d:])")
_NUMBER = re.compile(rf"({_INTEGER})(?:[.,](\d+))?")
_NEGATIVE = re.compile(r"(?<![^\s(\"'])-(?=\d)")
_PLUS_STRESS = re.compile(rf"\+([{_VOWELS}]){STRESS}?")
_LOOSE = re.compile(r" +(?=[,.;:!?)])")
# Names of decimal places end at the millionth; longer fractions are read digit by digit.
_LONGEST_FRACTION = 6


def fold_cluster(cluster: str) -> str:
    """Fold one character: lower case; of its marks only those of й and ё and the stress have a meaning."""
    folded = compatible(cluster)
    if "⁄" in folded:
        return f" {folded} "
    # Decomposed, because Unicode composes г and к with a stress mark to letters of other languages.
    plain = unicodedata.normalize("NFD", folded)
    plain = re.sub(f"е({STRESS}?)\u0308", r"ё\1", plain)
    return re.sub(f"и({STRESS}?)\u0306", r"й\1", plain)


def expand(text: str) -> str:
    """Write numbers, signs and abbreviations of a folded text as words."""
    text = _LOOSE.sub("", text)
    text = _PLUS_STRESS.sub(rf"\1{STRESS}", text)
    text = _PREFIXED.sub(r"\2 \1", text)
    text = _MEASURE.sub(lambda m: f" {_measure(_plain(m[1]), m[2], m[3])} ", text)
    text = _YEAR.sub(_year, text)
    text = _YEAR_SHORT.sub(_year_short, text)
    text = _DATE.sub(lambda m: f" {numbers.ordinal(_digits(m[1]), 'ru', case='g', gender='n')} {m[2]} ", text)
    text = _ABBREVIATION.sub(lambda m: _EXPANSIONS[(m.lastindex or 1) - 1], text)
    text = _CITY.sub("город ", text)
    text = _ORDINAL.sub(lambda m: f" {numbers.ordinal(m[1], 'ru', **_SUFFIXES[m[2]])} ", text)
    text = _FRACTION.sub(lambda m: f" {_fraction(m[1], m[2], m[3])} ", text)
    text = _TIME.sub(lambda m: f" {_number(_digits(m[1]), None)} {_minutes(m[2])} ", text)
    text = _NEGATIVE.sub(" минус ", text)
    text = _NUMBER.sub(lambda m: f" {_number(_plain(m[1]), m[2])} ", text)
    text = "".join(f" {_SIGNS[c]} " if c in _SIGNS else c for c in text)
    return _LOOSE.sub("", text)


def _plain(integer: str) -> str:
    return integer.replace(" ", "")


def _digits(number: str) -> str:
    return number.lstrip("0") or "0"


def _number(whole: str, fraction: str | None, gender: str = "m") -> str:
    if fraction is None:
        return numbers.cardinal(whole, "ru", gender=gender)
    if len(fraction) > _LONGEST_FRACTION or len(whole) > _LONGEST_FRACTION or int(fraction) == 0:
        return f"{numbers.cardinal(whole, 'ru')} запятая {numbers.spell(fraction, 'ru')}"
    return numbers.decimal(whole, fraction, "ru")


def _measure(whole: str, fraction: str | None, unit: str) -> str:
    one, few, many, gender = _UNITS[unit]
    if fraction is not None:
        return f"{_number(whole, fraction)} {few}"  # две целых пять десятых процента
    last_two, last = int(whole) % 100, int(whole) % 10
    noun = many
    if last_two not in range(11, 15) and last in range(1, 5):
        noun = one if last == 1 else few
    return f"{_number(whole, None, gender)} {noun}"


def _year(match: "re.Match[str]") -> str:
    before, digits, noun = match.groups()
    case = "d" if noun == "году" and before in {"к", "по"} else _YEAR_NOUNS[noun]
    return f"{_before(before)}{_year_words(digits, case)} {noun} "


def _year_short(match: "re.Match[str]") -> str:
    before, digits = match.groups()
    # Most years follow a month or a noun: "5 мая 1999 г.", "перепись 1897 г.".
    case, noun = _YEAR_CASES.get(before or "", ("g", "года"))
    return f"{_before(before)}{_year_words(digits, case)} {noun} "


def _before(word: str | None) -> str:
    return f"{word} " if word else " "


def _year_words(digits: str, case: str) -> str:
    form = {"case": case, "gender": "m"} | ({"animate": False} if case == "a" else {})
    return numbers.ordinal(digits, "ru", **form)


def _minutes(digits: str) -> str:
    return "ноль ноль" if digits == "00" else numbers.cardinal(digits, "ru")


def _fraction(whole: str | None, upper: str, lower: str) -> str:
    single = int(upper) % 10 == 1 and int(upper) % 100 != 11
    form: dict[str, str | bool] = {"case": "n", "gender": "f"} if single else {"case": "g", "plural": True}
    words = f"{numbers.cardinal(upper, 'ru', gender='f')} {numbers.ordinal(lower, 'ru', **form)}"
    return words if whole is None else f"{numbers.cardinal(whole, 'ru', gender='f')} целых {words}"
