"""Mel spectrograms, wav files and Griffin-Lim, against mathematics rather than against recorded outputs."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from tacotrain.audio.config import AudioConfig, MelStatistics
from tacotrain.audio.griffinlim import griffin_lim
from tacotrain.audio.mel import LogMel, slaney_filterbank
from tacotrain.audio.wav import read_wav, write_wav
from tacotrain.errors import DataError, InputMissing, WriteError

CONFIG = AudioConfig()


def tone(hertz: float, seconds: float = 0.5, amplitude: float = 0.5) -> torch.Tensor:
    time = torch.arange(int(seconds * CONFIG.sample_rate)) / CONFIG.sample_rate
    return amplitude * torch.sin(2 * torch.pi * hertz * time)


def chirp() -> torch.Tensor:
    """Something like a voice: harmonics of a rising pitch, fading in and out."""
    time = torch.arange(CONFIG.sample_rate) / CONFIG.sample_rate
    phase = 2 * torch.pi * (120 * time + 40 * time**2)
    sound = torch.stack([torch.sin(k * phase) / k for k in range(1, 20)]).sum(0)
    return 0.3 * sound * torch.sin(torch.pi * time)


def test_each_filter_is_a_triangle_of_unit_area_between_its_neighbors() -> None:
    bank = slaney_filterbank(CONFIG)
    assert bank.shape == (80, 513)
    assert (bank >= 0).all()
    bins = np.linspace(0, CONFIG.sample_rate / 2, 513)
    # The bins sample narrow triangles coarsely, so the areas agree only on the whole.
    assert bank.sum(axis=1).mean() * bins[1] == pytest.approx(1.0, rel=0.01)
    centers = (bank * bins).sum(axis=1) / bank.sum(axis=1)
    assert (np.diff(centers) > 0).all()
    assert bank[:, bins > CONFIG.f_max].max() == 0.0


def test_the_slaney_scale_is_linear_below_1_kilohertz_and_logarithmic_above() -> None:
    # 15 mel are 1 kHz, 27 mel more are 6.4 kHz: with 42 filters of one mel, edges can be written down.
    config = AudioConfig(n_fft=2**16, n_mels=41, f_max=6400.0)
    bank = slaney_filterbank(config)
    peaks = bank.argmax(axis=1) * config.sample_rate / config.n_fft
    expected = [200 / 3 * mel if mel <= 15 else 1000 * 6.4 ** ((mel - 15) / 27) for mel in range(1, 42)]
    assert peaks == pytest.approx(np.asarray(expected), abs=0.4)
    assert bank.max(axis=1)[:14] == pytest.approx(np.full(14, 2 / (2 * 200 / 3)), rel=0.01)


@pytest.mark.parametrize("hertz", [100.0, 440.0, 1000.0, 3000.0, 7000.0])
def test_a_tone_lights_the_band_it_belongs_to(hertz: float) -> None:
    mel_TM = LogMel(CONFIG)(tone(hertz))
    weights = slaney_filterbank(CONFIG)[:, round(hertz / CONFIG.sample_rate * CONFIG.n_fft)]
    assert int(mel_TM[20].argmax()) == int(weights.argmax())


def test_a_frame_is_the_filtered_fourier_magnitude_of_its_window() -> None:
    samples = chirp()
    mel_TM = LogMel(CONFIG)(samples)
    center = 30 * CONFIG.hop_length
    window = np.hanning(CONFIG.n_fft + 1)[:-1]
    piece = samples.numpy()[center - 512 : center + 512].astype(np.float64) * window
    expected = np.log(np.maximum(slaney_filterbank(CONFIG) @ np.abs(np.fft.rfft(piece)), 1e-5))
    assert mel_TM[30].numpy() == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("samples", [513, 1024, 22050, 22271])
def test_the_number_of_frames_is_known_beforehand(samples: int) -> None:
    assert LogMel(CONFIG)(torch.zeros(samples)).shape == (CONFIG.frames(samples), 80)


def test_silence_is_the_logarithm_of_the_floor() -> None:
    assert torch.equal(
        LogMel(CONFIG)(torch.zeros(2048)), torch.full((9, 80), float(np.log(np.float32(1e-5))))
    )


def test_normalization_comes_back() -> None:
    statistics = MelStatistics((1.0, -2.0), (0.5, 3.0))
    mel = np.asarray([[1.0, 1.0], [2.0, -2.0]], dtype=np.float32)
    normalized = statistics.normalize(mel)
    assert normalized.tolist() == [[0.0, 1.0], [2.0, 0.0]]
    assert statistics.denormalize(normalized).tolist() == mel.tolist()


def test_griffin_lim_finds_a_sound_with_this_mel() -> None:
    mel_TM = LogMel(CONFIG)(chirp())
    statistics = MelStatistics((-5.0,) * 80, (2.0,) * 80)
    normalized = torch.from_numpy(statistics.normalize(mel_TM.numpy()))

    def error(iterations: int) -> float:
        sound = griffin_lim(normalized, statistics, CONFIG, iterations=iterations)
        assert sound.shape == ((len(mel_TM) - 1) * 256,)
        loud = mel_TM > -4  # Below, the floor of the estimate counts, which nobody hears.
        return float((LogMel(CONFIG)(sound) - mel_TM)[loud].abs().mean())

    assert error(60) < 0.15
    assert error(0) > 0.4


def test_griffin_lim_repeats_with_its_seed() -> None:
    mel_TM = LogMel(CONFIG)(tone(440.0))
    plain = MelStatistics.identity()
    first, second = (griffin_lim(mel_TM, plain, CONFIG, iterations=3, seed=5) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, griffin_lim(mel_TM, plain, CONFIG, iterations=3, seed=6))


@pytest.mark.parametrize("value", [float("nan"), 1e30, -1e30, float("inf"), 0.0])
def test_griffin_lim_makes_a_bounded_sound_of_whatever_a_diverged_model_says(value: float) -> None:
    sound = griffin_lim(torch.full((7, 80), value), MelStatistics.identity(), CONFIG, iterations=2)
    assert torch.isfinite(sound).all()
    assert sound.abs().max() <= 1.0


def test_griffin_lim_of_a_single_frame_is_one_hop() -> None:
    assert griffin_lim(torch.zeros(1, 80), MelStatistics.identity(), CONFIG, iterations=1).shape == (256,)


def test_a_wav_file_comes_back_to_16_bits(tmp_path: Path) -> None:
    samples = chirp().numpy()
    write_wav(tmp_path / "a.wav", samples, 22050)
    read, rate = read_wav(tmp_path / "a.wav")
    assert rate == 22050
    assert read.shape == (len(samples), 1)
    assert np.abs(read[:, 0] - samples).max() < 1.5 / 32767
    assert soundfile.info(tmp_path / "a.wav").subtype == "PCM_16"


def test_too_loud_samples_are_clipped_not_wrapped(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", np.asarray([2.0, -2.0], dtype=np.float32), 22050)
    read, _ = read_wav(tmp_path / "a.wav")
    assert read[:, 0] == pytest.approx([1.0, -1.0], abs=1e-4)


def test_a_full_disk_is_reported_with_the_path() -> None:
    with pytest.raises(WriteError) as error:
        write_wav(Path("/dev/full"), np.zeros(100_000, dtype=np.float32), 22050)
    assert str(error.value) == "/dev/full: cannot be written (No space left on device)"


def test_a_missing_or_damaged_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputMissing) as missing:
        read_wav(tmp_path / "no.wav")
    assert str(missing.value) == f"{tmp_path}/no.wav: no such file"
    (tmp_path / "bad.wav").write_bytes(b"not a sound")
    with pytest.raises(DataError) as damaged:
        read_wav(tmp_path / "bad.wav")
    assert str(damaged.value).startswith(f"{tmp_path}/bad.wav: not a readable sound file (")
