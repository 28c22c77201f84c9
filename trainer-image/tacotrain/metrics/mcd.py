"""Mel cepstral distortion over a dynamic time warp: how far generated speech is from the recording, in decibels.

The cepstrum is the DCT-II of the log-mel spectrogram, 13 coefficients without the zeroth, so loudness does not count.
It is scaled so that the distance equals the root mean square difference of the two smoothed log spectra. Warping
forgives mumbling and wrong timing, so a number means little without the reference beside it: `unrelated` is the
distance between recordings of different sentences by the same speaker, which a voice that ignores its text reaches too.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct
from scipy.spatial.distance import cdist

COEFFICIENTS = 13
DECIBELS_PER_NEPER = 20.0 / np.log(10.0)

Array = NDArray[np.float64]

_CELLS_AT_ONCE = 4_000_000
"""Bounds the memory of one warp over several pairs: 32 MB of distances."""


def mcd_dtw(
    spoken: Sequence[NDArray[np.floating]],
    recorded: Sequence[NDArray[np.floating]],
    *,
    penalize_length: bool = True,
) -> list[float]:
    """Distortion of each generated utterance.

    Args:
        spoken: Generated log-mel spectrograms, frames x bands, natural logarithm of amplitudes, not normalized.
        recorded: The recordings, in the same order.
        penalize_length: Multiply by longer / shorter, because a warp hides a voice that never stops.

    Returns:
        Decibels per pair; nan where a spectrogram is empty or not finite.
    """
    pairs = list(zip(spoken, recorded, strict=True))
    result = [float("nan")] * len(pairs)
    sound = [
        index for index, pair in enumerate(pairs) if all(len(mel) and np.isfinite(mel).all() for mel in pair)
    ]
    for chunk in _chunks(sound, pairs):
        distances = [cdist(cepstrum(pairs[index][0]), cepstrum(pairs[index][1])) for index in chunk]
        for index, distance, cost in zip(chunk, distances, warp(distances), strict=True):
            penalty = max(distance.shape) / min(distance.shape) if penalize_length else 1.0
            result[index] = cost * penalty
    return result


def unrelated(others: Sequence[NDArray[np.floating]], recorded: Sequence[NDArray[np.floating]]) -> float:
    """Mean distortion between recordings of different sentences: what a voice without any content scores.

    Args:
        others: Log-mel spectrogram of another sentence for each recording.
        recorded: Log-mel spectrograms of the recordings.
    """
    return float(np.mean(mcd_dtw(others, recorded, penalize_length=False)))


def cepstrum(mel_TM: NDArray[np.floating]) -> Array:
    """First coefficients of each frame, scaled to decibels."""
    bands = mel_TM.shape[1]
    coefficients = dct(np.asarray(mel_TM, np.float64), type=2, axis=1, norm="ortho")[:, 1 : COEFFICIENTS + 1]
    # A row of the orthonormal DCT has norm 1; over `bands` values the root mean square is 1 / sqrt(bands).
    return np.asarray(coefficients * DECIBELS_PER_NEPER / np.sqrt(bands), np.float64)


def warp(distances: Sequence[Array]) -> list[float]:
    """Mean distance along the cheapest monotone path, for several pairs at once.

    Steps are (1, 1), (1, 0) and (0, 1). All pairs advance together along anti-diagonals, so Python runs once per
    diagonal and not once per cell.
    """
    if not distances:
        return []
    rows = max(len(distance) for distance in distances)
    columns = max(distance.shape[1] for distance in distances)
    # Skewed: cell (i, j) lies at [i + j, pair, i], so that a diagonal is one contiguous block.
    skewed = np.full((rows + columns - 1, len(distances), rows), np.inf)
    for pair, distance in enumerate(distances):
        for row, values in enumerate(distance):
            skewed[row : row + len(values), pair, row] = values
    # One column of infinities before row 0 stands for "outside"; it makes i - 1 a plain shift.
    shape = (len(distances), rows + 1)
    cost, cost_before = np.full(shape, np.inf), np.full(shape, np.inf)
    length, length_before = np.zeros(shape), np.zeros(shape)
    ends = {pair: sum(distance.shape) - 2 for pair, distance in enumerate(distances)}
    result = [0.0] * len(distances)
    for diagonal, here in enumerate(skewed):
        diagonal_move = cost_before[:, :-1]
        best, steps = diagonal_move, length_before[:, :-1]
        for other, other_length in ((cost[:, :-1], length[:, :-1]), (cost[:, 1:], length[:, 1:])):
            shorter = other < best
            best, steps = np.where(shorter, other, best), np.where(shorter, other_length, steps)
        if diagonal == 0:
            best = np.where(np.arange(rows) == 0, 0.0, np.inf)
        cost_before, length_before = cost, length
        cost, length = np.full(shape, np.inf), np.zeros(shape)
        cost[:, 1:], length[:, 1:] = best + here, steps + 1
        for pair in [pair for pair, end in ends.items() if end == diagonal]:
            row = len(distances[pair])
            result[pair] = float(cost[pair, row] / length[pair, row])
            del ends[pair]
    return result


def _chunks(
    indices: Sequence[int], pairs: Sequence[tuple[NDArray[np.floating], NDArray[np.floating]]]
) -> Iterator[list[int]]:
    """Group pairs of similar length so that padding and memory stay small."""
    chunk: list[int] = []
    rows = columns = 0
    for index in sorted(indices, key=lambda index: sum(map(len, pairs[index]))):
        rows, columns = max(rows, len(pairs[index][0])), max(columns, len(pairs[index][1]))
        if chunk and (len(chunk) + 1) * rows * (rows + columns) > _CELLS_AT_ONCE:
            yield chunk
            chunk = []
            rows, columns = len(pairs[index][0]), len(pairs[index][1])
        chunk.append(index)
    if chunk:
        yield chunk
