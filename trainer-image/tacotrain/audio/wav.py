"""Reading and writing sound files."""

import io
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tacotrain.errors import DataError, InputMissing, WriteError


def read_wav(path: Path) -> tuple[NDArray[np.float32], int]:
    """Read a sound file of any format that libsndfile knows.

    Returns:
        Samples in [-1, 1] as [samples, channels], and the sample rate.

    Raises:
        InputMissing: There is no such file.
        DataError: The file is not sound, or is damaged.
    """
    import soundfile  # noqa: PLC0415 - loads a library that most commands do not need

    if not path.is_file():
        raise InputMissing(f"{path}: no such file")
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise DataError(f"{path}: not a readable sound file ({error})") from error
    return samples, int(rate)


def encode_wav(samples: NDArray[np.float32], sample_rate: int) -> bytes:
    """One channel as 16-bit PCM; values beyond [-1, 1] are clipped."""
    content = io.BytesIO()
    with wave.open(content, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(sample_rate)
        wav.writeframes(np.rint(np.clip(samples, -1.0, 1.0) * 32767.0).astype("<i2").tobytes())
    return content.getvalue()


def write_wav(path: Path, samples: NDArray[np.float32], sample_rate: int) -> None:
    """Write what `encode_wav` makes.

    Raises:
        WriteError: The disk is full, or the folder cannot be written.
    """
    content = encode_wav(samples, sample_rate)
    try:
        # Not by soundfile: it loses the error of a full disk on the way through its callbacks.
        path.write_bytes(content)
    except OSError as error:
        raise WriteError(f"{path}: cannot be written ({error.strerror})") from error
