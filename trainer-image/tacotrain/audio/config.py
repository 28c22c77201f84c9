"""What a mel spectrogram is in tacotrain: one definition for training, metrics and playback."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class AudioConfig:
    """The mel definition; the defaults are those of NVIDIA/tacotron2, so that its vocoders fit."""

    sample_rate: int = 22050
    """Hertz."""
    n_fft: int = 1024
    """Samples of the Fourier transform and of its Hann window."""
    hop_length: int = 256
    """Samples from one frame to the next."""
    n_mels: int = 80
    """Bands of the Slaney filterbank."""
    f_min: float = 0.0
    """Hertz; lower edge of the first band."""
    f_max: float = 8000.0
    """Hertz; upper edge of the last band."""
    log_floor: float = 1e-5
    """Magnitudes below are raised to it before the logarithm."""

    @property
    def seconds_per_frame(self) -> float:
        """Time from one mel frame to the next."""
        return self.hop_length / self.sample_rate

    def frames(self, samples: int) -> int:
        """Mel frames of a sound: frames are centered, the first one on sample 0."""
        return 1 + samples // self.hop_length

    def to_dict(self) -> dict[str, Any]:
        """Plain values for dataset.json."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class MelStatistics:
    """Mean and standard deviation of each mel band over the training utterances.

    Models train on normalized mels: with them a learning rate of 2e-2 works at the `tiny` sizes, without them the
    free-running distance doubles.
    """

    mean_M: tuple[float, ...]
    std_M: tuple[float, ...]

    @classmethod
    def identity(cls, bands: int = 80) -> "MelStatistics":
        """Statistics that change nothing."""
        return cls((0.0,) * bands, (1.0,) * bands)

    def normalize(self, mel: NDArray[np.float32]) -> NDArray[np.float32]:
        """From log-mel to zero mean and unit variance; the last axis is the band."""
        mean, std = self._arrays()
        return (mel - mean) / std

    def denormalize(self, mel: NDArray[np.float32]) -> NDArray[np.float32]:
        """From normalized mel back to log-mel; the last axis is the band."""
        mean, std = self._arrays()
        return mel * std + mean

    def _arrays(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return np.asarray(self.mean_M, dtype=np.float32), np.asarray(self.std_M, dtype=np.float32)
