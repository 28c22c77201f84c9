"""Vocoders that the user has put beside Griffin-Lim, which `synth.speak` brings along: HiFi-GAN generators so far.

A HiFi-GAN is a folder with its `config.json` and one file of weights: in `vocoders/` of the study's folder, or wherever
`TACOTUNE_VOCODERS` says (folders, separated as in PATH). Another kind of vocoder is another entry of `KINDS`.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from tacotrain.errors import ConfigError, InputMissing
from tacotrain.synth import Vocoder


def _hifigan(folder: Path) -> Vocoder:
    from tacotrain.dashboards.hifigan import HifiGan  # noqa: PLC0415 - only when it is asked for

    return HifiGan(_only_weights(folder), folder / "config.json")


KINDS: Final[Mapping[str, Callable[[Path], Vocoder]]] = {"config.json": _hifigan}
"""How to load a vocoder's folder, by the file that tells its kind."""


def load_vocoder(folder: Path) -> Vocoder:
    """Load a vocoder from its folder.

    Raises:
        InputMissing: Nothing there tells what it is.
        ConfigError, DataError: It cannot be used; names the file.
    """
    for file, load in KINDS.items():
        if (folder / file).is_file():
            return load(folder)
    raise InputMissing(f"{folder}: no vocoder here; one has {' or '.join(KINDS)} beside its weights")


def _only_weights(folder: Path) -> Path:
    weights = [
        path for path in folder.iterdir() if path.is_file() and path.suffix not in {".json", ".md", ".txt"}
    ]
    if len(weights) != 1:
        raise ConfigError(f"{folder}: {len(weights)} files of weights beside config.json; leave one")
    return weights[0]
