"""A voice read from a checkpoint: the model and all that it needs to speak, without the dataset it learned from."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch

from tacotrain.audio.config import AudioConfig, MelStatistics
from tacotrain.checkpoint import AVERAGE, WEIGHTS, locate
from tacotrain.checkpoint_files import Damaged, Saved, verify
from tacotrain.config import TrainConfig
from tacotrain.data.shard import PreparedDataset
from tacotrain.errors import ConfigError, DataError
from tacotrain.model.tacotron2 import Tacotron2
from tacotrain.text.symbols import SymbolTable


@dataclass(frozen=True, slots=True)
class VoiceProfile:
    """What a model was trained to read and to make; stored in every checkpoint."""

    language: str
    phonemes: bool
    """Whether it reads phonemes instead of letters."""
    symbols: SymbolTable
    audio: AudioConfig
    statistics: MelStatistics
    """What the mels were normalized with."""

    @classmethod
    def of(cls, dataset: PreparedDataset) -> Self:
        """The profile of whoever learns from a dataset."""
        return cls(
            language=dataset.language,
            phonemes=dataset.header.phonemes,
            symbols=dataset.symbols,
            audio=dataset.audio,
            statistics=dataset.statistics,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "language": self.language,
            "phonemes": self.phonemes,
            "symbols": list(self.symbols.symbols),
            "audio": self.audio.to_dict(),
            "mel": {"mean": list(self.statistics.mean_M), "std": list(self.statistics.std_M)},
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(
            language=document["language"],
            phonemes=document["phonemes"],
            symbols=SymbolTable(tuple(document["symbols"])),
            audio=AudioConfig(**document["audio"]),
            statistics=MelStatistics(tuple(document["mel"]["mean"]), tuple(document["mel"]["std"])),
        )


@dataclass(frozen=True, slots=True)
class LoadedVoice:
    """A model ready to speak."""

    model: Tacotron2
    """With the averaged weights where training kept them; in evaluation mode."""
    config: TrainConfig
    profile: VoiceProfile
    gate_threshold: float
    step: int
    path: Path
    """The checkpoint it came from."""

    @property
    def symbols(self) -> SymbolTable:
        """The characters it can read."""
        return self.profile.symbols

    @property
    def language(self) -> str:
        """Language code, such as en."""
        return self.profile.language

    @property
    def audio(self) -> AudioConfig:
        """The mel definition."""
        return self.profile.audio

    @property
    def statistics(self) -> MelStatistics:
        """Turns the model's mels back into log-mels."""
        return self.profile.statistics


def load_voice(path: Path, device: torch.device | None = None) -> LoadedVoice:
    """Read a voice from a checkpoint directory, or the best one from a trial directory.

    Raises:
        InputMissing: There is no checkpoint.
        DataError: It is damaged.
    """
    saved = _verified(locate(path))
    target = device or torch.device("cpu")
    try:
        config = TrainConfig.resolve(saved.metadata["preset"], saved.metadata["identity"]["parameters"])
        profile = VoiceProfile.from_json(saved.metadata["voice"])
        gate_threshold = float(saved.metadata["gateThreshold"])
    except (KeyError, TypeError, ConfigError) as error:
        raise DataError(
            f"{saved.path}: its metadata.json is of another version of tacotrain ({error!r})"
        ) from error
    model = build_model(config, profile).to(target)
    model.load_state_dict(spoken_weights(saved, target))
    return LoadedVoice(
        model=model.eval(),
        config=config,
        profile=profile,
        gate_threshold=gate_threshold,
        step=saved.step,
        path=saved.path,
    )


def build_model(config: TrainConfig, profile: VoiceProfile) -> Tacotron2:
    """A model with fresh weights from torch's global random numbers."""
    return Tacotron2(config, len(profile.symbols), profile.audio.n_mels)


def spoken_weights(saved: Saved, device: torch.device) -> dict[str, torch.Tensor]:
    """The weights of a checkpoint that its metrics belong to."""
    weights: dict[str, torch.Tensor] = saved.load(WEIGHTS, device)
    average: dict[str, Any] | None = saved.load(AVERAGE, device)
    return weights if average is None else {**weights, **average["average"]}


def warm_start(model: Tacotron2, profile: VoiceProfile, path: Path, device: torch.device) -> None:
    """Begin with the weights of another training.

    Raises:
        InputMissing: There is no checkpoint.
        DataError: It is damaged.
        ConfigError: It is of a model of another shape, or reads other symbols; the message names what differs.
    """
    saved = _verified(locate(path))
    if list(saved.metadata["voice"]["symbols"]) != list(profile.symbols.symbols):
        raise ConfigError(f"warmStart.checkpoint: {saved.path} reads other symbols than this dataset has")
    weights, own = spoken_weights(saved, device), model.state_dict()
    problems = [f"{name} is missing there" for name in own.keys() - weights.keys()]
    problems += [f"{name} is unknown here" for name in weights.keys() - own.keys()]
    problems += [
        f"{name} is {tuple(weights[name].shape)} there, {tuple(tensor.shape)} here"
        for name, tensor in own.items()
        if name in weights and weights[name].shape != tensor.shape
    ]
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise ConfigError(
            f"warmStart.checkpoint: {saved.path} has another model: {'; '.join(problems[:3])}{more}"
        )
    model.load_state_dict(weights)


def _verified(path: Path) -> Saved:
    match verify(path):
        case Damaged(reason=reason):
            raise DataError(f"{path}: this checkpoint is damaged ({reason}); use another one")
        case saved:
            return saved
