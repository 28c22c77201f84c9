"""The generator of HiFi-GAN (Kong, Kim and Bae, 2020), to speak with checkpoints as https://github.com/jik876/hifi-gan saves them.

Weights are read as tensors only. Weight normalization, which helps training alone, is multiplied out while reading.
"""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import Conv1d, ConvTranspose1d, Module, ModuleList
from torch.nn.functional import leaky_relu

from tacotrain.audio.config import AudioConfig, MelStatistics
from tacotrain.errors import ConfigError, DataError, InputMissing
from tacotrain.files import read_json

_SLOPE: Final = 0.1
# Their names of a mel definition, and ours.
_SAME: Final = {
    "sampling_rate": "sample_rate",
    "n_fft": "n_fft",
    "hop_size": "hop_length",
    "num_mels": "n_mels",
    "fmin": "f_min",
    "fmax": "f_max",
}


class HifiGan:
    """A trained generator as a vocoder.

    Args:
        checkpoint: File with the weights.
        config: The `config.json` that it was trained with.

    Raises:
        InputMissing: A file is not there.
        ConfigError: The configuration lacks a field.
        DataError: The weights are not those of such a generator.
    """

    def __init__(self, checkpoint: Path, config: Path) -> None:
        self._config: dict[str, Any] = read_json(config)
        self._source = config
        try:
            self._generator = Generator(self._config)
        except (KeyError, TypeError, IndexError) as error:
            raise ConfigError(f"{config}: not the configuration of a HiFi-GAN ({error!r})") from error
        try:
            self._generator.load_state_dict(_weights(checkpoint))
        except RuntimeError as error:
            first = str(error).strip().splitlines()[-1].strip()
            raise DataError(
                f"{checkpoint}: not the weights of the generator in {config.name} ({first})"
            ) from error
        self._generator.eval()

    def __call__(self, mel_TM: Tensor, statistics: MelStatistics, audio: AudioConfig) -> Tensor:
        """Make the sound of normalized mel frames.

        Raises:
            ConfigError: It was trained on mels of another definition; names each difference.
        """
        ours = audio.to_dict()
        differences = [
            f"{theirs} {self._config.get(theirs)} there, {ours[name]} in the voice"
            for theirs, name in _SAME.items()
            if self._config.get(theirs) != ours[name]
        ]
        if differences:
            raise ConfigError(f"{self._source}: this vocoder hears other mels ({'; '.join(differences)})")
        mel = torch.from_numpy(statistics.denormalize(mel_TM.detach().float().cpu().numpy()))
        with torch.no_grad():
            samples: Tensor = self._generator(mel.T[None])[0, 0]
        return samples


class Generator(Module):
    """Transposed convolutions up to the sample rate, each followed by residual blocks of several widths."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        block = {"1": _TwoFold, "2": _OneFold}[str(config["resblock"])]
        rates, kernels = config["upsample_rates"], config["upsample_kernel_sizes"]
        channels = config["upsample_initial_channel"]
        self.conv_pre = Conv1d(config.get("num_mels", 80), channels, 7, padding=3)
        self.ups, self.resblocks = ModuleList(), ModuleList()
        for rate, kernel in zip(rates, kernels, strict=True):
            self.ups.append(
                ConvTranspose1d(channels, channels // 2, kernel, rate, padding=(kernel - rate) // 2)
            )
            channels //= 2
            for width, dilations in zip(
                config["resblock_kernel_sizes"], config["resblock_dilation_sizes"], strict=True
            ):
                self.resblocks.append(block(channels, width, dilations))
        self._widths = len(config["resblock_kernel_sizes"])
        self.conv_post = Conv1d(channels, 1, 7, padding=3)

    def forward(self, mel_BMT: Tensor) -> Tensor:
        """From log-mel frames to samples, [batch, 1, samples]."""
        x = self.conv_pre(mel_BMT)
        for stage, up in enumerate(self.ups):
            x = up(leaky_relu(x, _SLOPE))
            blocks = self.resblocks[stage * self._widths : (stage + 1) * self._widths]
            x = torch.stack([block(x) for block in blocks]).mean(0)
        return torch.tanh(self.conv_post(leaky_relu(x)))


class _TwoFold(Module):
    """Their ResBlock1: a dilated convolution and a plain one, three times."""

    def __init__(self, channels: int, kernel: int, dilations: list[int]) -> None:
        super().__init__()
        self.convs1 = ModuleList(_conv(channels, kernel, dilation) for dilation in dilations)
        self.convs2 = ModuleList(_conv(channels, kernel, 1) for _ in dilations)

    def forward(self, x: Tensor) -> Tensor:
        for dilated, plain in zip(self.convs1, self.convs2, strict=True):
            x = x + plain(leaky_relu(dilated(leaky_relu(x, _SLOPE)), _SLOPE))
        return x


class _OneFold(Module):
    """Their ResBlock2: a dilated convolution, twice."""

    def __init__(self, channels: int, kernel: int, dilations: list[int]) -> None:
        super().__init__()
        self.convs = ModuleList(_conv(channels, kernel, dilation) for dilation in dilations)

    def forward(self, x: Tensor) -> Tensor:
        for dilated in self.convs:
            x = x + dilated(leaky_relu(x, _SLOPE))
        return x


def _conv(channels: int, kernel: int, dilation: int) -> Conv1d:
    return Conv1d(channels, channels, kernel, dilation=dilation, padding=(kernel - 1) * dilation // 2)


def _weights(checkpoint: Path) -> dict[str, Tensor]:
    """Plain weights, from those that were trained in direction and length."""
    try:
        saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise InputMissing(f"{checkpoint}: no such file") from error
    except (pickle.UnpicklingError, EOFError, RuntimeError) as error:
        raise DataError(f"{checkpoint}: holds more than tensors, or is damaged; it was not read") from error
    found = saved.get("generator", saved) if isinstance(saved, dict) else {}
    plain: dict[str, Tensor] = {}
    for name, tensor in found.items():
        for length, direction in (
            (".weight_g", ".weight_v"),
            (".parametrizations.weight.original0", ".parametrizations.weight.original1"),
        ):
            if name.endswith(direction):
                break
            if name.endswith(length):
                stem = name.removesuffix(length)
                other = found[stem + direction]
                norm = other.flatten(1).norm(dim=1).view(-1, *[1] * (other.dim() - 1))
                plain[f"{stem}.weight"] = tensor * other / norm
                break
        else:
            plain[name] = tensor
    return plain
