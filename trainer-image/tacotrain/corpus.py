"""Small speech corpora made offline by espeak-ng: forty words, one grammar, true word timings.

They are large enough that a `tiny` voice learns to read within a minute, and small enough to be made in seconds. The
folder has the layout of LJSpeech, so that everything that reads real recordings reads it as well:

    wavs/en-0000.wav …      22,050 Hz, 16 bit, one channel
    metadata.csv            id|text|normalized text
    timings.json            {id: [[first character, character behind, first second, last second], …]}
    manifest.json           what it was made from, and which ids are held out for validation
"""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tacotrain.audio.wav import write_wav
from tacotrain.errors import ConfigError
from tacotrain.espeak.client import espeak
from tacotrain.staging import staged_directory
from tacotrain.words import WordTiming

_MAX_CHARACTERS = 36
# Share of sentences with each optional word: keeps utterances near 1.2 seconds, which is what makes training cheap.
_OPTIONAL = 0.35
# The grammar has millions of sentences; when this many draws in a row bring nothing new, it is exhausted all the same.
_MAX_DRAWS = 10_000

Progress = Callable[[int, int], None]
"""Told how many utterances are done, and of how many."""


@dataclass(frozen=True, slots=True)
class Grammar:
    """`determiner adjective? subject verb determiner adjective? object adverb?` over forty words."""

    voice: str
    determiners: tuple[str, ...]
    adjectives: tuple[str, ...]
    subjects: tuple[str, ...]
    verbs: tuple[str, ...]
    objects: tuple[str, ...]
    adverbs: tuple[str, ...]

    def sentence(self, rng: random.Random) -> str:
        """Draw one sentence."""
        parts = (
            rng.choice(self.determiners),
            *self._maybe(self.adjectives, rng),
            rng.choice(self.subjects),
            rng.choice(self.verbs),
            rng.choice(self.determiners),
            *self._maybe(self.adjectives, rng),
            rng.choice(self.objects),
            *self._maybe(self.adverbs, rng),
        )
        return " ".join(parts)

    @staticmethod
    def _maybe(words: tuple[str, ...], rng: random.Random) -> tuple[str, ...]:
        return (rng.choice(words),) if rng.random() < _OPTIONAL else ()


_NOUNS = ("fox", "dog", "cat", "bird", "horse", "child", "river", "house", "tree", "king", "jar", "zebra")

GRAMMARS = {
    "en": Grammar(
        voice="en-us",
        determiners=("the", "this", "my", "your"),
        adjectives=("red", "big", "quick", "small", "lazy", "old", "brown", "blue"),
        subjects=_NOUNS,
        verbs=("sees", "finds", "wants", "likes", "helps", "joins", "takes", "moves"),
        objects=_NOUNS,
        adverbs=("now", "today", "again", "slowly", "often", "here", "softly", "there"),
    ),
    # Subjects are masculine and animate, objects masculine and inanimate: so every form below is right in its place.
    "ru": Grammar(
        voice="ru",
        determiners=("этот", "тот", "мой", "наш"),
        adjectives=(
            "красный",
            "старый",
            "большой",
            "тёплый",
            "чужой",
            "яркий",
            "серый",
            "любимый",
            "объёмный",
        ),
        subjects=("кот", "пёс", "волк", "лис", "ёж", "конь", "заяц"),
        verbs=("видит", "берёт", "несёт", "ищет", "держит", "рисует", "любит", "хранит"),
        objects=("дом", "мяч", "стол", "шкаф", "хлеб", "гриб", "мост"),
        adverbs=("быстро", "тихо", "всегда", "сегодня", "вечером"),
    ),
}


@dataclass(frozen=True, slots=True)
class CorpusSpec:
    """Everything that a corpus depends on, apart from the espeak-ng version."""

    language: str
    train: int = 400
    """Utterances to learn from."""
    validation: int = 32
    """Utterances held out: other sentences of the same words."""
    seed: int = 0
    rate: int = 250
    """Words per minute."""

    def __post_init__(self) -> None:
        if self.language not in GRAMMARS:
            raise ConfigError(f"speech: no grammar for {self.language!r}; there are {', '.join(GRAMMARS)}")
        if self.train < 1 or self.validation < 1:
            raise ConfigError("speech: train and validation need at least 1 utterance each")
        if not 80 <= self.rate <= 450:
            raise ConfigError(f"speech: rate {self.rate} is outside 80 to 450 words per minute")


def sentences(spec: CorpusSpec) -> tuple[str, ...]:
    """All sentences of a corpus, different from each other; those for validation come last.

    Raises:
        ConfigError: More sentences are wanted than the grammar has.
    """
    rng = random.Random(f"{spec.language}:{spec.seed}")
    grammar, wanted = GRAMMARS[spec.language], spec.train + spec.validation
    found: dict[str, None] = {}
    misses = 0
    while len(found) < wanted:
        sentence = grammar.sentence(rng)
        misses = misses + 1 if sentence in found else 0
        if misses > _MAX_DRAWS:
            raise ConfigError(f"speech: {wanted} sentences are too many for the grammar of {spec.language!r}")
        if len(sentence) <= _MAX_CHARACTERS:
            found[sentence] = None
    return tuple(found)


def make_corpus(
    language: str,
    *,
    directory: Path,
    train: int = 400,
    validation: int = 32,
    seed: int = 0,
    rate: int = 250,
    progress: Progress | None = None,
) -> Path:
    """Speak a corpus into a folder, which appears complete or not at all.

    Equal arguments and an equal espeak-ng version give bit-equal files.

    Raises:
        ConfigError: A language without a grammar, or numbers out of range.
        InputMissing: espeak-ng is not installed; the message says how to.
        WriteError: The disk is full.
    """
    spec = CorpusSpec(language, train, validation, seed, rate)
    with staged_directory(directory) as staging:
        write_corpus(spec, staging, progress)
    return directory


def write_corpus(spec: CorpusSpec, directory: Path, progress: Progress | None = None) -> None:
    """Speak a corpus into an existing, empty folder."""
    texts = sentences(spec)
    names = [f"{spec.language}-{i:04d}" for i in range(len(texts))]
    (directory / "wavs").mkdir()
    timings: dict[str, list[list[float]]] = {}
    # One process and a fixed order: the sound of a text depends on what was spoken before it.
    with espeak() as program:
        spoken = program.synthesize(texts, GRAMMARS[spec.language].voice, spec.rate)
        for i, (name, speech) in enumerate(zip(names, spoken, strict=True)):
            write_wav(
                directory / "wavs" / f"{name}.wav",
                speech.samples.astype(np.float32) / 32767.0,
                speech.sample_rate,
            )
            timings[name] = [list(_timing_row(word)) for word in speech.words]
            if progress is not None:
                progress(i + 1, len(texts))
        manifest: dict[str, Any] = {
            "format": "tacotrain.corpus/v1",
            **asdict(spec),
            "voice": GRAMMARS[spec.language].voice,
            "espeak": program.version,
            "sampleRate": program.sample_rate,
            "validationIds": names[spec.train :],
        }
    _write(directory / "metadata.csv", "".join(f"{n}|{t}|{t}\n" for n, t in zip(names, texts, strict=True)))
    _write(directory / "timings.json", json.dumps(timings, ensure_ascii=False, separators=(",", ":")))
    _write(directory / "manifest.json", json.dumps(manifest, ensure_ascii=False, indent=1))


def _timing_row(word: WordTiming) -> Iterator[float]:
    yield from (word.start, word.end, round(word.start_seconds, 5), round(word.end_seconds, 5))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
