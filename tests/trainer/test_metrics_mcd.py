"""Mel cepstral distortion: known distances, a slow oracle for the warp, and the length penalty."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from tacotrain.metrics.mcd import cepstrum, mcd_dtw, unrelated, warp

Array = NDArray[np.float64]


def speech(frames: int, seed: int = 0) -> Array:
    """A smooth random walk over 80 bands."""
    steps = np.random.default_rng(seed).normal(size=(frames, 80))
    return np.asarray(steps.cumsum(0) / 3, np.float64)


def slow_warp(distance: Array) -> float:
    """The textbook loop."""
    rows, columns = distance.shape
    cost = np.full((rows + 1, columns + 1), math.inf)
    length = np.zeros((rows + 1, columns + 1))
    cost[0, 0] = 0.0
    for i in range(1, rows + 1):
        for j in range(1, columns + 1):
            moves = [(i - 1, j - 1), (i - 1, j), (i, j - 1)]
            best = min(moves, key=lambda move: cost[move])
            cost[i, j] = cost[best] + distance[i - 1, j - 1]
            length[i, j] = length[best] + 1
    return float(cost[-1, -1] / length[-1, -1])


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), min_size=1, max_size=4),
    seed=st.integers(0, 2**20),
)
def test_the_warp_equals_the_textbook_loop(sizes: list[tuple[int, int]], seed: int) -> None:
    draw = np.random.default_rng(seed)
    distances = [draw.random(shape) for shape in sizes]
    assert warp(distances) == pytest.approx([slow_warp(distance) for distance in distances])


def test_the_warp_of_cepstra_equals_the_textbook_loop() -> None:
    pairs = [(speech(40, 1), speech(55, 2)), (speech(30, 3), speech(21, 4))]
    expected = [slow_warp(cdist(cepstrum(spoken), cepstrum(recorded))) for spoken, recorded in pairs]
    spoken, recorded = zip(*pairs, strict=True)
    assert mcd_dtw(spoken, recorded, penalize_length=False) == pytest.approx(expected)


def test_the_same_speech_has_no_distance() -> None:
    assert mcd_dtw([speech(50)], [speech(50)]) == [0.0]


def test_a_ripple_of_one_decibel_has_the_distance_of_its_root_mean_square() -> None:
    mel = speech(20)
    neper_per_decibel = math.log(10) / 20
    ripple = neper_per_decibel * np.cos(np.pi * 3 * (np.arange(80) + 0.5) / 80)
    assert mcd_dtw([mel + ripple], [mel]) == pytest.approx([1 / math.sqrt(2)])


def test_loudness_and_fine_structure_do_not_count() -> None:
    mel = speech(20)
    fine = 0.5 * np.cos(np.pi * 20 * (np.arange(80) + 0.5) / 80)
    assert mcd_dtw([mel + 2.0 + fine], [mel]) == pytest.approx([0.0], abs=1e-9)


def test_timing_is_forgiven_by_the_warp_but_length_is_penalized() -> None:
    mel = speech(40)
    slow = np.repeat(mel, 2, axis=0)
    noisy = slow + speech(80, 5) * 0.01
    assert mcd_dtw([slow], [mel]) == pytest.approx([0.0], abs=1e-9)
    without = mcd_dtw([noisy], [mel], penalize_length=False)[0]
    assert without > 0
    assert mcd_dtw([noisy], [mel]) == pytest.approx([2 * without])


def test_an_empty_or_broken_utterance_has_no_number_and_spoils_no_other() -> None:
    broken = speech(30)
    broken[3, 4] = math.nan
    values = mcd_dtw([speech(0), broken, speech(25, 1)], [speech(30), speech(30), speech(30)])
    assert math.isnan(values[0])
    assert math.isnan(values[1])
    assert values[2] == mcd_dtw([speech(25, 1)], [speech(30)])[0]


def test_padding_to_other_pairs_does_not_change_a_pair() -> None:
    sizes = [(100, 90), (33, 64), (7, 7), (250, 120), (1, 5)]
    spoken = [speech(rows, seed) for seed, (rows, _) in enumerate(sizes)]
    recorded = [speech(columns, 10 + seed) for seed, (_, columns) in enumerate(sizes)]
    alone = [mcd_dtw([a], [b])[0] for a, b in zip(spoken, recorded, strict=True)]
    assert mcd_dtw(spoken, recorded) == pytest.approx(alone)


def test_the_reference_is_the_mean_distance_between_different_sentences() -> None:
    mels = [speech(20, seed) for seed in range(3)]
    others = [mels[1], mels[2], mels[0]]
    alone = [mcd_dtw([a], [b], penalize_length=False)[0] for a, b in zip(others, mels, strict=True)]
    assert unrelated(others, mels) == pytest.approx(sum(alone) / 3)
