"""HiFi-GAN's generator against one written as its authors' is, with weights saved as theirs are."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu
from torch.nn.utils import parametrizations

from tacotrain.audio.config import AudioConfig, MelStatistics
from tacotrain.dashboards.vocoders import load_vocoder
from tacotrain.errors import ConfigError, DataError, InputMissing, TrainerError

CONFIG: dict[str, Any] = {
    "resblock": "1",
    "upsample_rates": [8, 8, 2, 2],
    "upsample_kernel_sizes": [16, 16, 4, 4],
    "upsample_initial_channel": 32,
    "resblock_kernel_sizes": [3, 7, 11],
    "resblock_dilation_sizes": [[1, 3, 5], [1, 3, 5], [1, 3, 5]],
    "num_mels": 80,
    "n_fft": 1024,
    "hop_size": 256,
    "win_size": 1024,
    "sampling_rate": 22050,
    "fmin": 0,
    "fmax": 8000,
}
SECOND = {"resblock": "2", "resblock_dilation_sizes": [[1, 2], [2, 6], [3, 12]]}
AUDIO = AudioConfig()


class TheirBlock(nn.Module):
    def __init__(self, config: dict[str, Any], channels: int, kernel: int, dilations: list[int]) -> None:
        super().__init__()

        def conv(dilation: int) -> nn.Module:
            padding = int((kernel * dilation - dilation) / 2)
            return parametrizations.weight_norm(
                nn.Conv1d(channels, channels, kernel, 1, dilation=dilation, padding=padding)
            )

        self.first = config["resblock"] == "1"
        if self.first:
            self.convs1 = nn.ModuleList([conv(d) for d in dilations])
            self.convs2 = nn.ModuleList([conv(1) for _ in dilations])
        else:
            self.convs = nn.ModuleList([conv(d) for d in dilations])

    def forward(self, x: Tensor) -> Tensor:
        if self.first:
            for c1, c2 in zip(self.convs1, self.convs2, strict=True):
                xt = leaky_relu(x, 0.1)
                xt = c1(xt)
                xt = leaky_relu(xt, 0.1)
                xt = c2(xt)
                x = xt + x
        else:
            for c in self.convs:
                xt = leaky_relu(x, 0.1)
                xt = c(xt)
                x = xt + x
        return x


class TheirGenerator(nn.Module):
    def __init__(self, h: dict[str, Any]) -> None:
        super().__init__()
        norm = parametrizations.weight_norm
        self.num_kernels = len(h["resblock_kernel_sizes"])
        self.num_upsamples = len(h["upsample_rates"])
        ch = h["upsample_initial_channel"]
        self.conv_pre = norm(nn.Conv1d(80, ch, 7, 1, padding=3))
        self.ups = nn.ModuleList()
        for i, (u, k) in enumerate(zip(h["upsample_rates"], h["upsample_kernel_sizes"], strict=True)):
            self.ups.append(
                norm(nn.ConvTranspose1d(ch // 2**i, ch // 2 ** (i + 1), k, u, padding=(k - u) // 2))
            )
        self.resblocks = nn.ModuleList()
        for i in range(len(self.ups)):
            width = ch // 2 ** (i + 1)
            for k, d in zip(h["resblock_kernel_sizes"], h["resblock_dilation_sizes"], strict=True):
                self.resblocks.append(TheirBlock(h, width, k, d))
        self.conv_post = norm(nn.Conv1d(width, 1, 7, 1, padding=3))

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_pre(x)
        for i in range(self.num_upsamples):
            x = leaky_relu(x, 0.1)
            x = self.ups[i](x)
            xs = self.resblocks[i * self.num_kernels](x)
            for j in range(1, self.num_kernels):
                xs = xs + self.resblocks[i * self.num_kernels + j](x)
            x = xs / self.num_kernels
        x = leaky_relu(x)
        return torch.tanh(self.conv_post(x))


def save(folder: Path, *, old_names: bool, **changes: Any) -> TheirGenerator:
    """A generator of random weights, saved as the authors' `g_…` files are: with two tensors for each weight."""
    config = CONFIG | changes
    torch.manual_seed(0)
    generator = TheirGenerator(config)
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            if name.endswith("original0"):
                parameter.mul_(1.5)  # As training does: else length and direction would agree.
    state = generator.state_dict()
    if old_names:
        names = {
            ".parametrizations.weight.original0": ".weight_g",
            ".parametrizations.weight.original1": ".weight_v",
        }
        state = {
            name.replace(new, old): tensor
            for name, tensor in state.items()
            for new, old in [next((pair for pair in names.items() if name.endswith(pair[0])), ("\0", ""))]
        }
    folder.mkdir()
    torch.save({"generator": state}, folder / "g_02500000")
    (folder / "config.json").write_text(json.dumps(config))
    return generator


@pytest.mark.parametrize("old_names", [True, False])
@pytest.mark.parametrize("changes", [{}, SECOND], ids=["V1", "V3"])
def test_it_sounds_as_the_authors_generator_does(
    tmp_path: Path, old_names: bool, changes: dict[str, Any]
) -> None:
    theirs = save(tmp_path / "v", old_names=old_names, **changes)
    mel_TM = torch.randn(20, 80)
    statistics = MelStatistics((-5.0,) * 80, (2.0,) * 80)
    samples = load_vocoder(tmp_path / "v")(mel_TM, statistics, AUDIO)
    with torch.no_grad():
        expected = theirs((mel_TM * 2 - 5).T[None])[0, 0]
    assert samples.shape == (20 * 256,)
    assert samples.std() > 1e-4
    torch.testing.assert_close(samples, expected)


def test_a_voice_with_other_mels_is_refused_and_each_difference_named(tmp_path: Path) -> None:
    save(tmp_path / "v", old_names=True, sampling_rate=16000, fmax=7600)
    with pytest.raises(
        ConfigError, match=r"sampling_rate 16000 there, 22050 in the voice; fmax 7600 there, 8000"
    ):
        load_vocoder(tmp_path / "v")(torch.zeros(3, 80), MelStatistics.identity(), AUDIO)


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("this must not be run",))


@pytest.mark.parametrize(
    ("harm", "error", "message"),
    [
        (lambda v: torch.save({"generator": Evil()}, v / "g_02500000"), DataError, "holds more than tensors"),
        (
            lambda v: torch.save({"generator": {"x": torch.zeros(1)}}, v / "g_02500000"),
            DataError,
            "not the weights",
        ),
        (lambda v: (v / "g_02500000").write_bytes(b""), DataError, "or is damaged"),
        (lambda v: (v / "g_02500000").unlink(), ConfigError, "0 files of weights"),
        (lambda v: (v / "do_02500000").touch(), ConfigError, "2 files of weights"),
        (lambda v: (v / "config.json").unlink(), InputMissing, "no vocoder here"),
        (lambda v: (v / "config.json").write_text("{}"), ConfigError, "not the configuration of a HiFi-GAN"),
        (lambda v: (v / "config.json").write_text("{"), ConfigError, "not JSON"),
    ],
)
def test_what_is_no_vocoder_is_refused_by_name(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], harm: Any, error: type[TrainerError], message: str
) -> None:
    save(tmp_path / "v", old_names=True)
    harm(tmp_path / "v")
    with pytest.raises(error, match=message) as refused:
        load_vocoder(tmp_path / "v")
    assert str(tmp_path / "v") in str(refused.value)
    assert "must not be run" not in capfd.readouterr().out
