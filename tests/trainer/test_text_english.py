"""The English front-end: what is read, that nothing is lost, and what cannot be read."""

import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tacotrain.errors import ConfigError, DataError
from tacotrain.text.characters import UnknownCharacter
from tacotrain.text.frontend import Frontend, UnknownCharacters
from tacotrain.text.symbols import END, PADDING, SymbolTable, character_table, phoneme_table

ENGLISH = Frontend.for_language("en")
WRITTEN = st.text(string.ascii_letters + string.digits + " .,;:!?'\"()-$£€%&+=@#°/½éïœ’“—…", max_size=40)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("The quick brown fox.", "the quick brown fox."),
        ("7 12 100 1,234,567", "seven twelve one hundred one million two hundred and thirty four thousand five hundred and sixty seven"),
        ("3.14 and 0.5", "three point one four and zero point five"),
        ("-5 degrees, 10-20", "minus five degrees, ten - twenty"),
        ("007", "zero zero seven"),
        ("1234567890123456", "one two three four five six seven eight nine zero one two three four five six"),
        ("the 1st, 2nd, 23rd, 1,000th", "the first, second, twenty third, one thousandth"),
        ("in 1999, 1905, 1900, 2015", "in nineteen ninety nine, nineteen oh five, nineteen hundred, twenty fifteen"),
        ("in 2000 and 2005", "in two thousand and two thousand and five"),
        ("the 1990s and 2010's", "the nineteen nineties and twenty tens"),
        ("$1 $5.50 £1.01 €0.99 $2.00", "one dollar five dollars and fifty cents one pound and one penny ninety nine cents two dollars"),
        ("$3.5 million, $1.234", "three point five million dollars, one point two three four dollars"),
        ("10:30, 10:05, 9:00", "ten thirty, ten oh five, nine o'clock"),
        ("½ cup, 2½ cups, ¾", "one half cup, two and one half cups, three quarters"),
        ("100% of B12 & C", "one hundred percent of b twelve and c"),
        ("Dr. Smith, Mr. and Mrs. Jones", "doctor smith, mister and missus jones"),
        ("St. Peter lives on Main St.", "saint peter lives on main street"),
        ("No. 5? I said no.", "number five? i said no."),
        ("Drs of the mist, a costly etc.", "drs of the mist, a costly et cetera"),
        ("naïve café, Ångström, œuvre", "naive cafe, angstrom, oeuvre"),
        ("“Curly” ‘quotes’ — and…", "\"curly\" 'quotes' - and..."),
        ("Ｆｕｌｌ ﬁne", "full fine"),
        ("20 °C", "twenty degrees c"),
        ("  many \t\n spaces  here ", "many spaces here"),
        ("", ""),
    ],
)  # fmt: skip
def test_it_reads(written: str, read: str) -> None:
    assert ENGLISH.normalize(written) == read
    assert ENGLISH.decode(ENGLISH.encode(written)) == read


@settings(deadline=None)
@given(WRITTEN)
def test_every_readable_text_can_be_encoded_and_comes_back(text: str) -> None:
    assert ENGLISH.unknown(text) == ()
    assert ENGLISH.decode(ENGLISH.encode(text)) == ENGLISH.normalize(text)
    assert not re.search(r"\d|  |^ | $", ENGLISH.normalize(text))


@settings(deadline=None)
@given(WRITTEN)
def test_reading_twice_changes_nothing(text: str) -> None:
    once = ENGLISH.normalize(text)
    assert ENGLISH.normalize(once) == once


@settings(deadline=None)
@given(st.text(string.ascii_letters + " .,;:!?'\"()-", max_size=60))
def test_no_letter_is_lost(text: str) -> None:
    text = re.sub(r"(?i)\bmrs\b *\.", "", text)  # "missus" is how it is said
    rest = iter(ENGLISH.normalize(text))
    assert all(letter in rest for letter in text.lower() if letter.isalpha()), "letters in order"


@settings(deadline=None)
@given(st.text(max_size=30))
def test_any_text_is_either_readable_or_its_unknown_characters_are_named(text: str) -> None:
    unknown = ENGLISH.unknown(text)
    for one in unknown:
        assert text[one.position : one.position + len(one.character)] == one.character
    if unknown:
        with pytest.raises(UnknownCharacters):
            ENGLISH.encode(text)
    else:
        assert ENGLISH.decode(ENGLISH.encode(text)) == ENGLISH.normalize(text)


def test_unknown_characters_are_reported_with_their_position_and_not_dropped() -> None:
    with pytest.raises(UnknownCharacters) as error:
        ENGLISH.encode("Paid $5 to Жанна_")
    assert error.value.characters[0] == UnknownCharacter("Ж", 11)
    assert [one.position for one in error.value.characters] == [11, 12, 13, 14, 15, 16]
    assert str(error.value) == (
        "cannot read 'Ж' (CYRILLIC CAPITAL LETTER ZHE) at position 11, 'а' (CYRILLIC SMALL LETTER A) at position 12, "
        "'н' (CYRILLIC SMALL LETTER EN) at position 13, 'н' (CYRILLIC SMALL LETTER EN) at position 14, "
        "'а' (CYRILLIC SMALL LETTER A) at position 15, … in 'Paid $5 to Жанна_'; replace or spell out such characters"
    )
    assert isinstance(error.value, DataError)
    assert ENGLISH.normalize("a_b ж") == "a_b ж"


def test_a_language_without_front_end_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^language: 'tlh' has no front-end; there are en, ru$"):
        Frontend.for_language("tlh")


def test_ids_do_not_move() -> None:
    table = character_table("en")
    assert table.symbols == (PADDING, END, *" !\"'(),-.:;?abcdefghijklmnopqrstuvwxyz")
    assert ENGLISH.encode("a b") == [table.ids["a"], table.ids[" "], table.ids["b"], 1]
    assert table.decode([0, *table.encode("a b"), 0]) == "a b"
    assert len(phoneme_table()) == len(set(phoneme_table().symbols))


@pytest.mark.parametrize(
    ("symbols", "message"),
    [
        (("a",), r"a symbol table starts with <pad> and <end>, this one with \('a',\)"),
        ((PADDING, END, "ab"), r"symbols are single characters, these are not: \['ab'\]"),
        ((PADDING, END, "a", "a"), "a symbol table names each symbol once"),
    ],
)
def test_a_wrong_symbol_table_is_refused(symbols: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        SymbolTable(symbols)
