"""From a mel spectrogram back to sound without a trained vocoder: fast Griffin-Lim.

Perraudin, Balazs and Søndergaard, "A fast Griffin-Lim algorithm" (2013). The sound is metallic but its words can be
told apart, which is what a listener to a trial needs.
"""

import numpy as np
import torch
from torch import Tensor

from tacotrain.audio.config import AudioConfig, MelStatistics
from tacotrain.audio.mel import slaney_filterbank
from tacotrain.audio.threads import one_thread

_MOMENTUM = 0.99
_TINY = 1e-8


def griffin_lim(
    mel_TM: Tensor,
    statistics: MelStatistics,
    config: AudioConfig,
    *,
    iterations: int = 60,
    seed: int = 0,
) -> Tensor:
    """Find a sound whose mel spectrogram is close to the given one.

    Args:
        mel_TM: Normalized log-mel frames, at least one.
        statistics: Those that normalized it; `MelStatistics.identity()` for a plain log-mel.
        config: The mel definition.
        iterations: Rounds of phase estimation; 60 take about an eighth of the duration on one CPU thread.
        seed: Of the random phase at the start; equal seeds give equal sounds.

    Returns:
        Samples in [-1, 1], float32, on the CPU: `(frames - 1) * hop_length` of them, at least one hop.
    """
    with one_thread():
        return _griffin_lim(mel_TM, statistics, config, iterations, seed)


def _griffin_lim(
    mel_TM: Tensor, statistics: MelStatistics, config: AudioConfig, iterations: int, seed: int
) -> Tensor:
    log_mel_TM = statistics.denormalize(mel_TM.detach().float().cpu().numpy())
    magnitude_FT = _magnitudes(torch.from_numpy(log_mel_TM), config)
    if magnitude_FT.shape[1] == 1:  # One frame leaves the inverse transform nothing to overlap.
        magnitude_FT = magnitude_FT.repeat(1, 2)
    window = torch.hann_window(config.n_fft)
    length = (magnitude_FT.shape[1] - 1) * config.hop_length

    def sound(spectrum_FT: Tensor) -> Tensor:
        return torch.istft(spectrum_FT, config.n_fft, config.hop_length, window=window, length=length)

    def spectrum(samples: Tensor) -> Tensor:
        return torch.stft(
            samples, config.n_fft, config.hop_length, window=window, pad_mode="constant", return_complex=True
        )

    generator = torch.Generator().manual_seed(seed)
    phase_FT = torch.rand(magnitude_FT.shape, generator=generator) * (2 * torch.pi)
    angles_FT = torch.polar(torch.ones_like(phase_FT), phase_FT)
    previous_FT = torch.zeros_like(angles_FT)
    for _ in range(iterations):
        rebuilt_FT = spectrum(sound(magnitude_FT * angles_FT))
        angles_FT = rebuilt_FT + _MOMENTUM * (rebuilt_FT - previous_FT)
        angles_FT /= angles_FT.abs() + _TINY
        previous_FT = rebuilt_FT
    samples = sound(magnitude_FT * angles_FT)
    # A model in its first steps can ask for impossible loudness: scale down rather than clip.
    peak = float(samples.abs().max())
    return samples / peak if peak > 1.0 else samples


def _magnitudes(log_mel_TM: Tensor, config: AudioConfig, iterations: int = 30) -> Tensor:
    """Spread mel bands over the Fourier bins: the non-negative least squares solution, by multiplicative updates."""
    # Diverging models produce values whose exponential overflows; beyond e^5 no recording goes.
    mel_MT = log_mel_TM.nan_to_num(nan=np.log(config.log_floor)).clamp(max=5.0).exp().T
    basis_MF = torch.from_numpy(slaney_filterbank(config)).float()
    estimate_FT: Tensor = (torch.linalg.pinv(basis_MF) @ mel_MT).clamp(min=config.log_floor)
    target_FT = basis_MF.T @ mel_MT
    gram_FF = basis_MF.T @ basis_MF
    for _ in range(iterations):
        estimate_FT = estimate_FT * target_FT / (gram_FF @ estimate_FT + _TINY)
    return estimate_FT
