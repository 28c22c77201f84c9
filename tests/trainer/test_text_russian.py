"""The Russian front-end: what is read, that nothing is lost, and what cannot be read."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tacotrain.text.frontend import Frontend, UnknownCharacters
from tacotrain.text.symbols import END, PADDING, character_table

RUSSIAN = Frontend.for_language("ru")
LETTERS = "абвгдеёжзийклмнопрстуфхцчшщъыьэюяАБВГДЕЁЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯ"
WRITTEN = st.text(LETTERS + '0123456789 .,;:!?"()-«»—…№%₽$€+\u0301½/', max_size=40)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Съешь ещё этих мягких булок", "съешь ещё этих мягких булок"),
        ("7, 12, 100, 1 234 567", "семь, двенадцать, сто, один миллион двести тридцать четыре тысячи пятьсот шестьдесят семь"),
        ("3,14 и 2.5", "три целых четырнадцать сотых и две целых пять десятых"),
        ("0,12345678", "ноль запятая один два три четыре пять шесть семь восемь"),
        ("-5, 007", "минус пять, ноль ноль семь"),
        ("1-й, 2-я, 3-е, 5-го, 90-х", "первый, вторая, третье, пятого, девяностых"),
        ("в 1999 году, к 2000 году", "в тысяча девятьсот девяносто девятом году, к двухтысячному году"),
        ("5 мая 1945 г.", "пятого мая тысяча девятьсот сорок пятого года"),
        ("в 2001 г. и 1 января", "в две тысячи первом году и первого января"),
        ("1 руб. 2 руб. 5 руб. 21 руб. 11 руб.", "один рубль два рубля пять рублей двадцать один рубль одиннадцать рублей"),
        ("$5, 100 ₽, 3 €", "пять долларов, сто рублей, три евро"),
        ("1% 2% 5% 2,5%", "один процент два процента пять процентов две целых пять десятых процента"),
        ("21 тыс. и 5 млн", "двадцать одна тысяча и пять миллионов"),
        ("5 км, 3 кг, 10 см", "пять километров, три килограмма, десять сантиметров"),
        ("10:30, 9:00, 10:05", "десять тридцать, девять ноль ноль, десять ноль пять"),
        ("½ и 2¾", "одна вторая и две целых три четвёртых"),
        ("т.е. и т. д., и др.", "то есть и так далее, и другие"),
        ("г. Москва, ул. Ленина", "город москва, улица ленина"),
        ("Дай им. Варёный рис.", "дай им. варёный рис."),
        ("№ 5: 2+2=4", "номер пять: два плюс два равно четыре"),
        ("«Да» — сказал он…", '"да" - сказал он...'),
        ("за́мок и з+амок, замо́к", "за́мок и за́мок, замо́к"),
        ("ЁЖ, Е\u0308ж, Е\u0301\u0308ж, И\u0306од", "ёж, ёж, ё́ж, йод"),
        ("г\u0301 к\u0301", "г\u0301 к\u0301"),
    ],
)  # fmt: skip
def test_it_reads(written: str, read: str) -> None:
    assert RUSSIAN.normalize(written) == read
    assert RUSSIAN.decode(RUSSIAN.encode(written)) == read


@settings(deadline=None)
@given(WRITTEN)
def test_every_readable_text_can_be_encoded_and_comes_back(text: str) -> None:
    assert RUSSIAN.unknown(text) == ()
    assert RUSSIAN.decode(RUSSIAN.encode(text)) == RUSSIAN.normalize(text)
    assert not re.search(r"\d|  |^ | $", RUSSIAN.normalize(text))


@settings(deadline=None)
@given(WRITTEN)
def test_reading_twice_changes_nothing(text: str) -> None:
    once = RUSSIAN.normalize(text)
    assert RUSSIAN.normalize(once) == once


@settings(deadline=None)
@given(st.text(LETTERS + ' .,;:!?"()-«»—…', max_size=60))
def test_no_letter_is_lost(text: str) -> None:
    rest = iter(RUSSIAN.normalize(text))
    assert all(letter in rest for letter in text.lower() if letter.isalpha()), "letters in order"


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("бвгджзклмнпрст"), st.sampled_from("аеёиоуыэюя"), st.booleans()), min_size=1
    )
)
def test_both_ways_to_write_stress_are_kept(syllables: list[tuple[str, str, bool]]) -> None:
    acute = "".join(c + v + ("\u0301" if stressed else "") for c, v, stressed in syllables)
    plus = "".join(c + ("+" if stressed else "") + v for c, v, stressed in syllables)
    assert RUSSIAN.normalize(acute) == RUSSIAN.normalize(plus) == acute


@settings(deadline=None)
@given(st.text(max_size=30))
def test_any_text_is_either_readable_or_its_unknown_characters_are_named(text: str) -> None:
    unknown = RUSSIAN.unknown(text)
    for one in unknown:
        assert text[one.position : one.position + len(one.character)] == one.character
    if unknown:
        with pytest.raises(UnknownCharacters):
            RUSSIAN.encode(text)
    else:
        assert RUSSIAN.decode(RUSSIAN.encode(text)) == RUSSIAN.normalize(text)


def test_a_latin_letter_that_looks_cyrillic_is_found() -> None:
    with pytest.raises(UnknownCharacters) as error:
        RUSSIAN.encode("мoст")
    assert str(error.value) == (
        "cannot read 'o' (LATIN SMALL LETTER O) at position 1 in 'мoст'; replace or spell out such characters"
    )


def test_ids_do_not_move() -> None:
    symbols = character_table("ru").symbols
    assert symbols == (PADDING, END, *" !\"'(),-.:;?абвгдеёжзийклмнопрстуфхцчшщъыьэюя\u0301")
