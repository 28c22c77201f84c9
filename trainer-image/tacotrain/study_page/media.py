"""Sounds and pictures of the study's folder, as `data:` URIs: the page carries them with it.

`dashboards.study_files` finds them, and opens nothing outside that folder. What is large is left out, and said to be.
"""

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tacotrain.dashboards.study_files import Media, best_media, inside, trial_media

MOST: Final = 3
"""Sounds, and pictures, of one voice."""
LARGEST: Final = 2 << 20
"""Bytes of a file: 45 seconds of speech. All that a page can hold fits into the memory of a small pod."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A sound or a picture."""

    name: str
    uri: str


@dataclass(frozen=True, slots=True)
class Gallery:
    """What a voice has to hear and see."""

    sounds: tuple[Clip, ...] = ()
    alignments: tuple[Clip, ...] = ()
    left_out: tuple[str, ...] = ()
    """Names of files that are too large."""


def of_trial(root: Path, number: int) -> Gallery:
    """Of a trial's best step, or its newest."""
    return _gallery(root, trial_media(root, number))


def of_best(root: Path) -> Gallery:
    """Of the published voice."""
    return _gallery(root, best_media(root))


def _gallery(root: Path, found: Iterable[Media]) -> Gallery:
    files = list(found)
    sounds = [media for media in files if media.mime_type == "audio/wav"][:MOST]
    pictures = [media for media in files if media.name.startswith("alignment")][:MOST]
    left_out: list[str] = []
    return Gallery(_clips(root, sounds, left_out), _clips(root, pictures, left_out), left_out=tuple(left_out))


def _clips(root: Path, files: Iterable[Media], left_out: list[str]) -> tuple[Clip, ...]:
    clips = []
    for media in files:
        path = inside(root, media.path)
        if path is None:
            continue
        try:
            content = path.read_bytes() if path.stat().st_size <= LARGEST else None
        except OSError:  # Replaced by a better voice meanwhile.
            continue
        if content is None:
            left_out.append(media.name)
        else:
            uri = f"data:{media.mime_type};base64,{b64encode(content).decode('ascii')}"
            clips.append(Clip(media.name.rpartition(".")[0], uri))
    return tuple(clips)
