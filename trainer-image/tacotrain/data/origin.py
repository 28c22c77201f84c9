"""Where a dataset comes from: recordings of people, or a corpus that espeak-ng speaks. One shape for both."""

import importlib.metadata
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tacotrain.corpus import GRAMMARS, CorpusSpec, sentences, write_corpus
from tacotrain.data.source import Source, read_source

Progress = Callable[[str, int, int], None]
"""Told the stage, how many of its items are done, and of how many."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What is known before any sound is read or made."""

    name: str
    texts: tuple[str, ...]
    """As written."""
    inputs: Any
    """JSON value that changes when the sounds do."""
    obtain: Callable[[Path, Progress], Source]
    """Makes the recordings, in the given new folder where it needs one."""


def recorded(path: Path) -> Origin:
    """Recordings that are there already; see `read_source` for what it raises."""
    source = read_source(path)
    return Origin(
        name=str(path),
        texts=tuple(recording.text for recording in source.recordings),
        inputs=[
            [(recording.name, *_stamp(recording.wav)) for recording in source.recordings],
            [asdict(finding) for finding in source.findings],
            None if source.validation is None else sorted(source.validation),
        ],
        obtain=lambda _directory, _progress: source,
    )


def spoken(spec: CorpusSpec) -> Origin:
    """A corpus to be made; see `sentences` for what it raises."""

    def speak(directory: Path, progress: Progress) -> Source:
        directory.mkdir()
        write_corpus(spec, directory, lambda done, total: progress("speaking", done, total))
        return read_source(directory)

    return Origin(
        name=f"espeak-ng ({spec.language})",
        texts=sentences(spec),
        inputs=[asdict(spec), asdict(GRAMMARS[spec.language])],
        obtain=speak,
    )


def espeak_version() -> str:
    """Version of the wheel, for what depends on how espeak-ng speaks."""
    try:
        return importlib.metadata.version("espeakng-loader")
    except importlib.metadata.PackageNotFoundError:
        return "none"


def _stamp(path: Path) -> tuple[int, int]:
    """Size and time of a file stand for its content, as for make: hashing a corpus of recordings takes minutes."""
    try:
        status = path.stat()
    except OSError:  # Missing files are found when they are checked.
        return (-1, -1)
    return status.st_size, status.st_mtime_ns
