"""Reads sound files and states the facts that `validate` judges."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tacotrain.audio.wav import read_wav
from tacotrain.data.source import Recording
from tacotrain.data.validate import FileFacts, TextFacts, WavFacts
from tacotrain.errors import DataError, InputMissing
from tacotrain.text.frontend import Frontend

# 40 dB below the peak: breath and room noise count as silence, soft consonants do not.
_SILENCE_BELOW_PEAK = 0.01
_FULL_SCALE = 32766.5 / 32768


def measure(recording: Recording, frontend: Frontend) -> FileFacts:
    """All facts about a recording; a file that cannot be read is a fact, not an exception."""
    normalized = frontend.normalize(recording.text)
    text = TextFacts(normalized, sum(map(str.isalpha, normalized)), frontend.unknown(recording.text))
    try:
        samples, rate = _read(recording.wav)
    except (InputMissing, DataError, OSError) as error:
        return FileFacts(recording.name, text, None, str(error))
    return FileFacts(recording.name, text, measure_samples(samples, rate))


def measure_samples(samples: NDArray[np.float32], sample_rate: int) -> WavFacts:
    """Facts about [samples, channels] in [-1, 1]."""
    loudness = np.abs(samples).max(axis=1) if samples.size else np.zeros(0, dtype=np.float32)
    peak = float(loudness.max(initial=0.0))
    (sounding,) = np.nonzero(loudness > peak * _SILENCE_BELOW_PEAK)
    first, last = (int(sounding[0]), int(sounding[-1])) if len(sounding) else (0, len(loudness) - 1)
    return WavFacts(
        sample_rate=sample_rate,
        channels=samples.shape[1],
        samples=len(samples),
        peak=peak,
        clipped=float((loudness >= _FULL_SCALE).mean()) if len(loudness) else 0.0,
        leading_silence=first / sample_rate,
        trailing_silence=max(0, len(loudness) - 1 - last) / sample_rate,
    )


def _read(path: Path) -> tuple[NDArray[np.float32], int]:
    if path.is_file() and path.stat().st_size == 0:
        raise DataError(f"{path}: empty file; copy or record it again")
    samples, rate = read_wav(path)
    _refuse_truncated(path)
    return samples, rate


def _refuse_truncated(path: Path) -> None:
    """A cut WAV file reads without complaint by libsndfile; its header says how much there should be."""
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
            return  # FLAC and others check themselves.
        size = path.stat().st_size
        while len(chunk := file.read(8)) == 8:
            length = int.from_bytes(chunk[4:], "little")
            # Streaming writers leave the length at its maximum: unknown, not wrong.
            if chunk[:4] == b"data" and length < 0xFFFFFF00 and file.tell() + length > size:
                raise DataError(
                    f"{path}: truncated: {size} bytes, its header promises {file.tell() + length}; copy it again"
                )
            file.seek(length + length % 2, 1)
