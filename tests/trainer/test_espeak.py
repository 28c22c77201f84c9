"""The espeak-ng program, its client, and the corpora made with it."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tacotrain.audio.wav import read_wav
from tacotrain.corpus import GRAMMARS, CorpusSpec, make_corpus, sentences
from tacotrain.errors import ConfigError, InputMissing, InternalError
from tacotrain.espeak.client import Espeak, espeak
from tacotrain.text.frontend import Frontend
from tacotrain.text.symbols import phoneme_table


@pytest.fixture(scope="module")
def program() -> Iterator[Espeak]:
    with espeak() as running:
        yield running


def corpus_files(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize(
    ("voice", "text"), [("en-us", "a red fox sees the river"), ("ru", "тёплый ёж ищет мяч")]
)
def test_it_speaks_with_the_time_of_each_word(program: Espeak, voice: str, text: str) -> None:
    (speech,) = program.synthesize([text], voice, 250)
    assert speech.sample_rate == program.sample_rate == 22050
    assert speech.samples.dtype == np.int16
    assert np.abs(speech.samples.astype(np.int32)).max() > 5000
    assert [text[word.start : word.end] for word in speech.words] == text.split()
    starts = [word.start_seconds for word in speech.words]
    assert starts == sorted(set(starts))
    assert [word.end_seconds for word in speech.words[:-1]] == starts[1:]
    assert speech.words[-1].end_seconds == pytest.approx(len(speech.samples) / 22050)


def test_a_higher_rate_is_shorter(program: Espeak) -> None:
    slow, fast = (next(program.synthesize(["the quick brown fox"], "en-us", rate)) for rate in (150, 300))
    assert len(fast.samples) < 0.7 * len(slow.samples)


def test_it_pronounces(program: Espeak) -> None:
    assert list(program.phonemes(["the red fox", "yes, now"], "en-us")) == [
        ("ðə ɹˈɛd fˈɑːks",),
        ("jˈɛs", "nˈaʊ"),
    ]
    assert list(program.phonemes(["красный кот"], "ru")) == [("krˈɑsnyj kˈot",)]


def test_a_voice_that_does_not_exist_is_named_and_the_program_goes_on(program: Espeak) -> None:
    with pytest.raises(ConfigError, match=r"^espeak-ng has no voice 'xx'; English is en-us, Russian is ru$"):
        list(program.synthesize(["a"], "xx"))
    assert list(program.phonemes(["a cat"], "en-us")) == [("ɐ kˈæt",)]


def test_the_library_is_not_loaded_into_our_process(program: Espeak) -> None:
    list(program.synthesize(["a cat"], "en-us"))
    assert "espeak" not in Path("/proc/self/maps").read_text(encoding="utf-8")
    assert "espeakng_loader" not in sys.modules


def test_a_missing_wheel_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "espeakng_loader.py").write_text("raise ImportError('No module named espeakng_loader')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(InputMissing) as error, espeak():
        pass
    assert str(error.value) == (
        "espeak-ng is not installed; install it: pip install 'tacotrain[espeak]' (No module named espeakng_loader)"
    )


def test_missing_data_is_an_error_and_no_silent_exit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    espeakng_loader = pytest.importorskip("espeakng_loader")
    library = os.fspath(espeakng_loader.get_library_path())
    monkeypatch.delitem(sys.modules, "espeakng_loader")
    (tmp_path / "espeakng_loader.py").write_text(
        f"get_library_path = lambda: {library!r}\nget_data_path = lambda: '/nonexistent'\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(InputMissing) as error, espeak():
        pass
    assert str(error.value) == (
        "espeak-ng cannot read its data in /nonexistent; reinstall: pip install --force-reinstall espeakng-loader"
    )


def test_a_program_that_dies_is_an_error_and_no_endless_wait() -> None:
    with pytest.raises(
        InternalError, match=r"^the espeak-ng program ended without an answer \(exit code 3\)$"
    ):
        Espeak.start((sys.executable, "-c", "raise SystemExit(3)"))
    greeting = json.dumps({"version": "0", "sampleRate": 22050})
    program = Espeak.start((sys.executable, "-c", f"print('{greeting}'); input(); raise SystemExit(4)"))
    with pytest.raises(
        InternalError, match=r"^the espeak-ng program ended without an answer \(exit code 4\)$"
    ):
        list(program.phonemes(["a"], "ru"))
    program.close()


def test_the_program_leaves_quietly_when_its_input_ends() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tacotrain.espeak.child"], input="", capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == {"version": "1.52.0", "sampleRate": 22050}
    assert done.stderr == ""


@pytest.mark.parametrize("language", ["en", "ru"])
def test_a_corpus_is_bit_equal_each_time(language: str, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    first = make_corpus(
        language,
        directory=tmp_path / "a",
        train=9,
        validation=3,
        seed=7,
        progress=lambda *done: told.append(done),
    )
    second = make_corpus(language, directory=tmp_path / "b", train=9, validation=3, seed=7)
    assert corpus_files(first) == corpus_files(second)
    assert told == [(i, 12) for i in range(1, 13)]
    other = make_corpus(language, directory=tmp_path / "c", train=9, validation=3, seed=8)
    assert corpus_files(other)["metadata.csv"] != corpus_files(first)["metadata.csv"]


def test_a_corpus_has_the_layout_of_ljspeech_and_its_true_timings(tmp_path: Path) -> None:
    directory = make_corpus("ru", directory=tmp_path / "corpus", train=6, validation=2)
    lines = [
        line.split("|") for line in (directory / "metadata.csv").read_text(encoding="utf-8").splitlines()
    ]
    timings = json.loads((directory / "timings.json").read_text(encoding="utf-8"))
    manifest = json.loads((directory / "manifest.json").read_text(encoding="utf-8"))
    assert [line[0] for line in lines] == [f"ru-{i:04d}" for i in range(8)]
    assert manifest["validationIds"] == ["ru-0006", "ru-0007"]
    assert (manifest["espeak"], manifest["voice"], manifest["rate"]) == ("1.52.0", "ru", 250)
    for name, text, normalized in lines:
        samples, rate = read_wav(directory / "wavs" / f"{name}.wav")
        assert (rate, samples.shape[1]) == (22050, 1)
        assert text == normalized == Frontend.for_language("ru").normalize(text)
        assert [text[start:end] for start, end, _, _ in timings[name]] == text.split()
        assert timings[name][-1][3] == pytest.approx(len(samples) / rate, abs=1e-4)


@pytest.mark.parametrize("language", ["en", "ru"])
def test_sentences_are_different_short_and_of_forty_words(language: str) -> None:
    texts = sentences(CorpusSpec(language))
    assert len(set(texts)) == len(texts) == 432
    assert max(map(len, texts)) <= 36
    assert len({word for text in texts for word in text.split()}) == 40
    assert sentences(CorpusSpec(language, train=10, validation=2)) == texts[:12]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"language": "de"}, "speech: no grammar for 'de'; there are en, ru"),
        ({"language": "en", "train": 0}, "speech: train and validation need at least 1 utterance each"),
        ({"language": "en", "validation": 0}, "speech: train and validation need at least 1 utterance each"),
        ({"language": "en", "rate": 500}, "speech: rate 500 is outside 80 to 450 words per minute"),
    ],
)
def test_an_impossible_corpus_is_refused(spec: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        CorpusSpec(**spec)  # type: ignore[arg-type]
    assert str(error.value) == message


def test_a_grammar_that_is_exhausted_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = replace(
        GRAMMARS["en"],
        determiners=("the",),
        adjectives=("red",),
        subjects=("fox",),
        verbs=("sees",),
        objects=("dog",),
        adverbs=("now",),
    )
    monkeypatch.setitem(GRAMMARS, "en", tiny)
    assert len(sentences(CorpusSpec("en", train=7, validation=1))) == 8
    with pytest.raises(ConfigError, match=r"^speech: 9 sentences are too many for the grammar of 'en'$"):
        sentences(CorpusSpec("en", train=8, validation=1))


def test_phonemes_are_encoded_and_come_back() -> None:
    frontend = Frontend.for_language("en", phonemes=True)
    assert frontend.symbols == phoneme_table()
    assert frontend.decode(frontend.encode("Yes, 2 foxes!")) == "jˈɛs, tˈuː fˈɑːksᵻz"


@pytest.mark.parametrize("language", ["en", "ru"])
def test_the_symbol_table_has_all_that_espeak_writes(language: str) -> None:
    letters = [symbol for symbol in Frontend.for_language(language).symbols.symbols[2:] if symbol.isalpha()]
    # Words that nobody wrote reach the corners of its rules; one that has no symbol is a DataError.
    rng = random.Random(1)
    words = ["".join(rng.choices(letters, k=rng.randint(1, 8))) for _ in range(2000)]
    texts = [" ".join(words[i : i + 20]) for i in range(0, len(words), 20)]
    assert all(Frontend.for_language(language, phonemes=True).read(texts))
