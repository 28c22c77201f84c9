"""Waits: computed from what is recorded, the same in every pass."""

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.builders import at, attempt_of
from tacotune.api.tuning import Backoff
from tacotune.engine.backoff import JITTER, delay, due_at, jitter
from tacotune.engine.observed import Attempt, Cause

DEFAULT = Backoff()


def row(*causes: Cause, lasted: float = 100) -> tuple[Attempt, ...]:
    return tuple(attempt_of(i + 1, cause, ended=0, lasted=lasted) for i, cause in enumerate(causes))


@pytest.mark.parametrize(("failures", "seconds"), [(1, 5), (2, 10), (3, 20), (4, 40), (5, 80)])
def test_a_wait_is_initial_times_factor_to_the_failures(failures: int, seconds: float) -> None:
    wait = delay(DEFAULT, failures, "voice-7-2").total_seconds()
    assert seconds <= wait <= seconds * (1 + JITTER)


@given(
    st.floats(0, 3600), st.floats(1, 10), st.floats(0, 86_400), st.integers(1, 100_000), st.text(max_size=20)
)
def test_a_wait_is_never_above_the_maximum_nor_below_nothing(
    initial: float, factor: float, maximum: float, failures: int, name: str
) -> None:
    backoff = Backoff(initial_seconds=initial, factor=factor, max_seconds=maximum)
    # timedelta rounds to microseconds
    assert 0 <= delay(backoff, failures, name).total_seconds() <= maximum + 1e-6


@given(st.integers(1, 50))
def test_waits_at_the_maximum_differ_by_name(failures: int) -> None:
    backoff = Backoff(initial_seconds=600, max_seconds=600)
    assert delay(backoff, failures, "voice-1-2") != delay(backoff, failures, "voice-2-2")


@given(st.text())
def test_jitter_belongs_to_the_name(name: str) -> None:
    assert 0 <= jitter(name) < 1
    assert jitter(name) == jitter(name)


def test_names_spread_over_the_whole_jitter() -> None:
    found = sorted(jitter(f"voice-{trial}-2") for trial in range(200))
    assert found[0] < 0.05
    assert found[-1] > 0.95
    assert max(b - a for a, b in pairwise(found)) < 0.1


def test_nothing_recorded_starts_at_once() -> None:
    assert due_at((), DEFAULT, "voice-0-1") is None


def test_the_wait_counts_from_the_end_of_the_last_attempt() -> None:
    due = due_at(row(Cause.TRANSIENT), DEFAULT, "voice-0-2")
    assert due is not None
    assert at(5) <= due <= at(5.5)


def test_disruptions_do_not_lengthen_the_wait_of_a_failure() -> None:
    attempts = row(Cause.DISRUPTION, Cause.TRANSIENT, Cause.DISRUPTION, Cause.OUT_OF_MEMORY)
    due = due_at(attempts, DEFAULT, "voice-0-5")
    assert due is not None
    assert at(10) <= due <= at(11)


def test_a_disruption_is_resumed_at_once() -> None:
    assert due_at(row(Cause.TRANSIENT, Cause.DISRUPTION), DEFAULT, "voice-0-3") == at(0)


@pytest.mark.parametrize(("count", "seconds"), [(3, 0), (4, 5), (5, 10)])
def test_disruptions_that_come_at_once_again_and_again_wait(count: int, seconds: float) -> None:
    due = due_at(row(*[Cause.DISRUPTION] * count, lasted=2), DEFAULT, "voice-0-9")
    assert due is not None
    assert at(seconds) <= due <= at(seconds * 1.1)


def test_disruptions_after_an_hour_of_work_never_wait() -> None:
    assert due_at(row(*[Cause.DISRUPTION] * 50, lasted=3600), DEFAULT, "voice-0-51") == at(0)


def test_a_disruption_before_the_start_is_a_short_one() -> None:
    attempts = tuple(Attempt(i + 1, Cause.DISRUPTION, at(0)) for i in range(4))
    due = due_at(attempts, DEFAULT, "voice-0-5")
    assert due is not None
    assert due > at(0)


def test_a_finished_attempt_whose_job_is_gone_is_run_again_at_once_for_its_result() -> None:
    assert due_at(row(Cause.FINISHED), DEFAULT, "voice-0-2") is None


def test_zero_seconds_mean_no_wait() -> None:
    backoff = Backoff(initial_seconds=0)
    assert delay(backoff, 3, "x") == timedelta()
