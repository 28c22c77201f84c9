"""Where vocoders lie, by the name that the demo shows: asked by the page, which does not load torch to know."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

ENV: Final = "TACOTUNE_VOCODERS"


def vocoder_folders(root: Path, environment: Mapping[str, str] = os.environ) -> dict[str, Path]:
    """Folders that hold a vocoder: those of the environment first, then those in the study's folder."""
    found: dict[str, Path] = {}
    for folder in _candidates(root, environment):
        if (folder / "config.json").is_file():
            found.setdefault(folder.name, folder)
    return found


def _candidates(root: Path, environment: Mapping[str, str]) -> Iterator[Path]:
    for entry in filter(None, environment.get(ENV, "").split(os.pathsep)):
        # Naming the file of weights means its folder.
        yield Path(entry).parent if Path(entry).is_file() else Path(entry)
    folder = root / "vocoders"
    if folder.is_dir():
        yield from sorted(folder.iterdir())
