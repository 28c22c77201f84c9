"""The learning rate is a pure function of the step."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacotrain.budget import Budget
from tacotrain.errors import ConfigError, DataError
from tacotrain.schedule import Schedule


def schedule(
    shape: str = "exponential", *, warmup: int = 0, total: int = 101, ratio: float = 0.01, peak: float = 1.0
) -> Schedule:
    return Schedule(peak=peak, shape=shape, final_ratio=ratio, warmup_steps=warmup, total_steps=total)


def test_warmup_rises_in_equal_parts_and_its_first_step_already_moves() -> None:
    rates = [schedule(warmup=4).rate(step) for step in range(5)]
    assert rates == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_a_constant_schedule_stays_at_the_peak() -> None:
    assert {schedule("constant").rate(step) for step in range(101)} == {1.0}


def test_an_exponential_decay_loses_the_same_factor_everywhere_and_ends_at_its_ratio() -> None:
    assert schedule().rate(0) == 1.0
    assert schedule().rate(50) == pytest.approx(0.1)
    assert schedule().rate(100) == pytest.approx(0.01)


def test_a_cosine_decay_passes_the_middle_halfway_and_ends_at_its_ratio() -> None:
    cosine = schedule("cosine", ratio=0.2)
    assert cosine.rate(50) == pytest.approx(0.6)
    assert cosine.rate(100) == pytest.approx(0.2)


def test_the_decay_begins_where_the_warmup_ends_and_fits_into_what_is_left() -> None:
    decay = schedule(warmup=20)
    assert decay.rate(19) == decay.rate(20) == 1.0
    assert decay.rate(60) == pytest.approx(0.1)
    assert decay.rate(100) == pytest.approx(0.01)


@given(
    shape=st.sampled_from(["constant", "exponential", "cosine"]),
    warmup=st.integers(0, 300),
    total=st.integers(1, 200),
    ratio=st.floats(1e-6, 1.0),
    step=st.integers(0, 400),
)
def test_the_rate_is_positive_and_never_above_the_peak(
    shape: str, warmup: int, total: int, ratio: float, step: int
) -> None:
    rate = schedule(shape, warmup=warmup, total=total, ratio=ratio, peak=0.02).rate(step)
    assert 0 < rate <= 0.02 * (1 + 1e-12)


def test_an_unknown_shape_is_a_bug() -> None:
    with pytest.raises(ValueError, match="no schedule 'linear'"):
        schedule("linear").rate(1)


@pytest.mark.parametrize(
    ("epochs", "max_steps", "batches", "accumulation", "steps"),
    [(8, 0, 25, 1, 200), (8, 120, 25, 1, 120), (8, 0, 25, 4, 50), (1, 0, 3, 2, 2), (1, 500, 3, 1, 3)],
)
def test_the_budget_counts_optimizer_steps(
    epochs: int, max_steps: int, batches: int, accumulation: int, steps: int
) -> None:
    budget = Budget.of(
        epochs=epochs, max_steps=max_steps, batches_per_epoch=batches, accumulation_steps=accumulation
    )
    assert budget.total_steps == steps


def test_an_epoch_is_every_utterance_once_however_many_batches_make_a_step() -> None:
    assert Budget(total_steps=50, batches_per_epoch=25, accumulation_steps=4).epochs == 8.0


def test_a_dataset_without_batches_never_trains_zero_steps_silently() -> None:
    with pytest.raises(DataError, match="no batch to train on"):
        Budget.of(epochs=3, max_steps=0, batches_per_epoch=0, accumulation_steps=1)


def test_a_budget_without_steps_is_refused() -> None:
    with pytest.raises(ConfigError, match="epochs: 0"):
        Budget.of(epochs=0, max_steps=0, batches_per_epoch=10, accumulation_steps=1)
