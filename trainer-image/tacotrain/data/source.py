"""Reads what a dataset is made from: a folder in LJSpeech layout, or a list of `path|text` lines."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tacotrain.data.findings import Finding, Severity
from tacotrain.errors import DataError, InputMissing
from tacotrain.words import WordTiming


@dataclass(frozen=True, slots=True)
class Recording:
    """A line of the source: a wav file and what is said in it."""

    name: str
    wav: Path
    text: str
    timings: tuple[WordTiming, ...] | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """All recordings, and what was wrong with the list of them."""

    recordings: tuple[Recording, ...]
    findings: tuple[Finding, ...] = ()
    validation: frozenset[str] | None = None
    """Names held out for validation, when the source decides it."""


def read_source(path: Path) -> Source:
    """Read a folder with wavs/ and metadata.csv, or a list file.

    Raises:
        InputMissing: There is nothing at the path, or the folder has no metadata.csv.
        DataError: The list is empty or not UTF-8.
    """
    if path.is_dir():
        return _read_ljspeech(path)
    if path.is_file():
        return Source(*_read_list(path))
    raise InputMissing(
        f"{path}: no such file or folder; give a folder with wavs/ and metadata.csv, or a path|text list"
    )


def _read_ljspeech(directory: Path) -> Source:
    metadata = directory / "metadata.csv"
    if not metadata.is_file():
        what = "the folder is empty" if not any(directory.iterdir()) else "no metadata.csv in it"
        raise InputMissing(
            f"{directory}: {what}; LJSpeech layout is wavs/NAME.wav and metadata.csv with NAME|text lines"
        )
    timings = _read_timings(directory / "timings.json")
    recordings: list[Recording] = []
    findings: list[Finding] = []
    for number, line in _lines(metadata):
        columns = line.split("|")
        if len(columns) not in {2, 3} or not columns[0].strip():
            message = f"{len(columns)} columns; a line is NAME|text or NAME|text|normalized text"
            findings.append(Finding(f"metadata.csv:{number}", Severity.ERROR, "malformed-line", message))
            continue
        name = columns[0].strip()
        wav = directory / "wavs" / (name if name.endswith(".wav") else f"{name}.wav")
        # The third column has numbers and abbreviations written out by hand, better than any rule does.
        text = columns[-1] if columns[-1].strip() else columns[1]
        recordings.append(Recording(wav.stem, wav, text, timings.get(name)))
    return Source(tuple(recordings), tuple(findings), _read_validation(directory / "manifest.json"))


def _read_list(path: Path) -> tuple[tuple[Recording, ...], tuple[Finding, ...]]:
    recordings: list[Recording] = []
    findings: list[Finding] = []
    for number, line in _lines(path):
        columns = line.split("|")
        if len(columns) != 2 or not columns[0].strip():
            message = f"{len(columns)} columns; a line is path|text, the path relative to the list"
            findings.append(Finding(f"{path.name}:{number}", Severity.ERROR, "malformed-line", message))
            continue
        wav = path.parent / columns[0].strip()
        recordings.append(Recording(str(Path(columns[0].strip()).with_suffix("")), wav, columns[1]))
    return tuple(recordings), tuple(findings)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: not UTF-8 at byte {error.start}; convert it: iconv -f WINDOWS-1251 -t UTF-8"
        ) from error
    # Not splitlines(): it also splits at rare characters inside a text, such as U+2028.
    numbered = [(i, line) for i, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1) if line.strip()]
    if not numbered:
        raise DataError(f"{path}: empty; write one NAME|text line per recording")
    yield from numbered


def _read_timings(path: Path) -> dict[str, tuple[WordTiming, ...]]:
    if not path.is_file():
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return {name: tuple(WordTiming(*word) for word in words) for name, words in document.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: damaged ({error}); delete it to go on without word timings") from error


def _read_validation(path: Path) -> frozenset[str] | None:
    """Corpora made by `tacotrain.corpus` say which sentences are held out; other folders have no such file."""
    if not path.is_file():
        return None
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return frozenset(document["validationIds"])
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(
            f"{path}: damaged ({error!r}); delete it to draw the validation sentences anew"
        ) from error
