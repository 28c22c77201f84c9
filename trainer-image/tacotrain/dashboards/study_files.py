"""What can be seen and heard in a study's folder: samples, spectrograms and alignments of its trials and of its best voice.

Read while others write: what is missing, half there or of another version is simply not shown. Trials run code that we do not
know, so nothing outside the study's folder is ever opened, whatever a document or a link says.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from tacotrain.contract import RESULT_FILE
from tacotrain.errors import TrainerError
from tacotrain.files import read_json

KINDS: Final[Mapping[str, str]] = {".wav": "audio/wav", ".png": "image/png"}
"""Types of the files that are shown, by suffix."""
_STEP: Final = re.compile(r"step-0*(\d+)")


@dataclass(frozen=True, slots=True)
class Media:
    """A picture or a sound."""

    path: str
    """Relative to the study's folder."""
    name: str
    """For people, such as `sample 0, step 250.wav`."""

    @property
    def mime_type(self) -> str:
        """For browsers."""
        return KINDS[PurePosixPath(self.path).suffix]


def trial_directory(number: int) -> str:
    """Folder of a trial, relative to the study's: the operator gives each trial this one."""
    return f"trials/{number:04d}"


def document(path: Path) -> dict[str, Any]:
    """A JSON object, or an empty one where there is none that can be read."""
    try:
        found = read_json(path)
    except (TrainerError, OSError):
        return {}
    return found if isinstance(found, dict) else {}


def inside(root: Path, path: str) -> Path | None:
    """A file of the study's folder; None when there is none, or when the path or a link on it leads elsewhere."""
    try:
        found = (root / path).resolve()
        return found if found.is_relative_to(root.resolve()) and found.is_file() else None
    except (OSError, ValueError, RuntimeError):  # A name too long, a zero byte, links in a circle.
        return None


def trial_media(root: Path, number: int) -> tuple[Media, ...]:
    """What a trial has to show: of its best step when it is finished, else of its latest evaluation."""
    folder = trial_directory(number)
    result = document(root / folder / RESULT_FILE)
    sounds = _named(result, "samples") or _latest(root / folder, "samples", ".wav")
    alignments = _named(result, "alignments") or _latest(root / folder, "alignments", ".png")
    return _media(root, folder, sounds, alignments)


def best_media(root: Path) -> tuple[Media, ...]:
    """What the best voice has to show."""
    best = document(root / "best" / "best.json")
    return _media(root, "best", _named(best, "samples"), _named(best, "alignments"))


def _named(description: Mapping[str, Any], field: str) -> tuple[str, ...]:
    value = description.get(field)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _latest(trial: Path, kind: str, suffix: str) -> tuple[str, ...]:
    """Files of the evaluation that was written last; names of steps sort as steps do."""
    try:
        newest = max(path for path in (trial / kind).iterdir() if _STEP.fullmatch(path.name))
        return tuple(sorted(f"{kind}/{newest.name}/{p.name}" for p in newest.iterdir() if p.suffix == suffix))
    except (OSError, ValueError):  # No folder yet, or no step in it.
        return ()


def _media(root: Path, folder: str, sounds: Iterable[str], alignments: Iterable[str]) -> tuple[Media, ...]:
    def listed() -> Iterator[Media]:
        for path in sounds:
            yield Media(f"{folder}/{path}", _name("sample", path))
        for path in alignments:
            yield Media(f"{folder}/{path}", _name("alignment", path))
        for path in sounds:
            # Each sound's spectrogram lies beside it.
            picture = PurePosixPath(path).with_suffix(".png").as_posix()
            yield Media(f"{folder}/{picture}", _name("spectrogram", picture))

    return tuple(
        item
        for item in listed()
        if PurePosixPath(item.path).suffix in KINDS and inside(root, item.path) is not None
    )


def _name(kind: str, path: str) -> str:
    found = _STEP.search(path)
    step = f", step {found[1]}" if found else ""
    return f"{kind} {PurePosixPath(path).stem}{step}{PurePosixPath(path).suffix}"
