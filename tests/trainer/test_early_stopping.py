"""Early stopping by phase: S9 of the systems."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacotrain.early_stopping import Direction, Patience, Rules, Verdict, default_phases


def rules(total_steps: int = 1000, direction: Direction = "Minimize") -> Rules:
    return Rules(
        phases=tuple(default_phases()), reference_epochs=1000, direction=direction, total_steps=total_steps
    )


def stopped_at(
    values: Sequence[float], *, rules: Rules, alignment: float | None = 1.0, every: int = 1
) -> Any:
    """Feed one value per evaluation; the step and verdict of the stop."""
    patience = Patience()
    for index, value in enumerate(values, 1):
        step = index * every
        if step > rules.total_steps:
            break
        patience, verdict = patience.observe(rules, step=step, value=value, alignment=alignment)
        if verdict:
            return step, verdict
    return None


@pytest.mark.parametrize(
    ("progress", "patience", "min_delta", "attention"),
    [
        (0.0, 200, 0.02, 0.4),
        (0.299, 200, 0.02, 0.4),
        (0.3, 150, 0.001, 0.7),
        (0.699, 150, 0.001, 0.7),
        (0.7, 100, 0.0005, 0.85),
        (1.0, 100, 0.0005, 0.85),
    ],
)
def test_the_phase_follows_the_progress(
    progress: float, patience: int, min_delta: float, attention: float
) -> None:
    phase = rules().phase(round(progress * 1000))
    assert (phase.patience, phase.min_delta, phase.attention_threshold) == (patience, min_delta, attention)


@pytest.mark.parametrize(("total", "stop"), [(1000, 201), (250, 51), (10_000, 2001), (100, 21), (20, 5)])
def test_a_flat_curve_stops_exactly_at_the_patience_scaled_to_its_own_length(total: int, stop: int) -> None:
    # The first value, at step 1, is the last improvement; a fifth of the training later it is over.
    assert stopped_at([1.0] * total, rules=rules(total)) == (stop, Verdict.CONVERGED)


def test_patience_shrinks_with_the_phases() -> None:
    improving_to_half = [2 - step / 500 for step in range(1, 501)]
    assert stopped_at(improving_to_half + [1.0] * 500, rules=rules())[0] == 500 + 150
    improving_to_80 = [2 - step / 500 for step in range(1, 801)]
    assert stopped_at(improving_to_80 + [0.4] * 200, rules=rules())[0] == 800 + 100


def test_a_shorter_patience_counts_from_the_last_improvement_when_its_phase_begins() -> None:
    improving_to_a_quarter = [2 - step / 100 for step in range(1, 161)]
    # At 0.3 of the way 140 epochs have passed: fewer than the 150 that count from there on.
    assert stopped_at(improving_to_a_quarter + [0.4] * 840, rules=rules())[0] == 160 + 150


@given(
    total=st.integers(20, 400),
    gains=st.lists(st.floats(0.0201, 5.0), min_size=400, max_size=400),
    direction=st.sampled_from(["Minimize", "Maximize"]),
)
def test_an_improving_curve_never_stops(total: int, gains: list[float], direction: Direction) -> None:
    sign = -1 if direction == "Minimize" else 1
    values = [sign * sum(gains[:count]) for count in range(1, total + 1)]
    assert stopped_at(values, rules=rules(total, direction), alignment=0.0) is None


def test_gains_below_the_least_one_add_up() -> None:
    # Each step gains a twentieth of what counts, so every twentieth step is an improvement.
    assert stopped_at([1 - step * 0.001 for step in range(300)], rules=rules()) is None


def test_a_gain_that_never_adds_up_is_no_improvement() -> None:
    noise = [1.0 + 0.0004 * (step % 2) for step in range(1000)]
    assert stopped_at(noise, rules=rules())[0] == 201


@pytest.mark.parametrize(
    ("alignment", "verdict"),
    [
        (0.4, Verdict.CONVERGED),
        (0.39, Verdict.NOT_ALIGNED),
        (math.nan, Verdict.NOT_ALIGNED),
        (None, Verdict.NOT_ALIGNED),
    ],
)
def test_below_the_attention_threshold_a_stop_means_not_aligned(
    alignment: float | None, verdict: Verdict
) -> None:
    assert stopped_at([1.0] * 300, rules=rules(), alignment=alignment) == (201, verdict)


def test_the_threshold_of_a_stop_is_that_of_its_phase() -> None:
    values = [2 - step / 500 for step in range(1, 801)] + [0.4] * 200
    assert stopped_at(values, rules=rules(), alignment=0.84)[1] is Verdict.NOT_ALIGNED
    assert stopped_at(values, rules=rules(), alignment=0.85)[1] is Verdict.CONVERGED


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_never_an_improvement(value: float) -> None:
    state, _ = Patience().observe(rules(), step=10, value=1.0, alignment=1.0)
    assert state.observe(rules(), step=20, value=value, alignment=1.0)[0] == state
    assert stopped_at([value] * 300, rules=rules()) == (200, Verdict.CONVERGED)


def test_evaluations_far_apart_stop_at_the_first_one_past_the_patience() -> None:
    assert stopped_at([1.0] * 10, rules=rules(), every=90)[0] == 90 + 180 + 90


def test_rules_of_a_single_phase_hold_to_the_end() -> None:
    only = replace(rules(), phases=default_phases()[:1])
    assert only.phase(1000) == default_phases()[0]
