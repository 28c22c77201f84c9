"""Stop frames and the choice of the gate threshold."""

import math

import pytest
import torch
from torch import Tensor

from tacotrain.metrics.stopping import choose_threshold, judge_threshold, stop_f1, stop_frame


def gate(frames: int, opens_at: int | None, probability: float = 0.99, before: float = 0.01) -> Tensor:
    probability_T = torch.full((frames,), before)
    if opens_at is not None:
        probability_T[opens_at:] = probability
    return torch.logit(probability_T)


def test_the_stop_frame_is_the_first_above_the_threshold() -> None:
    assert stop_frame(gate(10, 7), 0.5) == 7
    assert stop_frame(gate(10, None), 0.5) is None


@pytest.mark.parametrize(
    ("predicted", "score"),
    [
        ([100, 200], 1.0),
        ([95, 205], 1.0),
        ([94, 206], 0.0),
        ([None, None], 0.0),
        ([100, None], 2 / 3),
        ([100, 150], 0.5),
    ],
    ids=["exact", "within 5 frames", "6 frames off", "never stops", "one never stops", "one stops early"],
)
def test_f1_counts_utterances_that_stop_in_time(predicted: list[int | None], score: float) -> None:
    assert stop_f1(predicted, [100, 200]) == pytest.approx(score)


def test_a_gate_that_never_opens_scores_zero_although_it_is_almost_always_right() -> None:
    stopping = choose_threshold([gate(566, None, before=0.001)] * 4, [565] * 4)
    assert stopping.f1 == 0.0
    assert stopping.median_error_frames is None
    assert stopping.threshold == 0.5


def test_the_threshold_is_chosen_where_the_utterances_stop_in_time() -> None:
    hesitant = [gate(100, 98, probability=0.3), gate(80, 79, probability=0.35)]
    assert judge_threshold(hesitant, [99, 79], 0.5).f1 == 0.0
    chosen = choose_threshold(hesitant, [99, 79])
    assert chosen.f1 == 1.0
    assert chosen.threshold == 0.25
    assert chosen.median_error_frames == 0.5
    eager = [gate(100, 98, before=0.6)]
    assert choose_threshold(eager, [99]).threshold == 0.6


def test_of_equally_good_thresholds_the_one_nearest_to_a_half_is_taken() -> None:
    assert choose_threshold([gate(50, 49)], [49]).threshold == 0.5


def test_broken_gates_have_no_f1() -> None:
    assert math.isnan(choose_threshold([torch.full((10,), math.nan)], [9]).f1)
    with pytest.raises(ValueError, match="at least one"):
        choose_threshold([], [])
