"""What happens after steps that are not finite: R9 of the systems."""

import pytest

from tacotrain.recovery import Recovery, Remedy


def remedies(counts: list[int], state: Recovery | None = None) -> tuple[list[Remedy], Recovery]:
    state = state or Recovery()
    found = []
    for count in counts:
        state, remedy = state.observe(count)
        found.append(remedy)
        if remedy is Remedy.ROLL_BACK:
            break
    return found, state


def test_three_bad_steps_in_a_row_are_skipped_and_the_fourth_goes_back_with_half_the_rate() -> None:
    found, state = remedies([1, 2, 3, 4])
    assert found == [Remedy.SKIP] * 3 + [Remedy.ROLL_BACK]
    assert state == Recovery(bad_in_a_row=0, rolled_back=True, rate_scale=0.5)


def test_a_good_step_forgives_the_bad_ones() -> None:
    found, state = remedies([1, 2, 3, 0, 1, 2, 3, 0])
    assert Remedy.ROLL_BACK not in found
    assert state == Recovery()


def test_after_going_back_once_the_next_long_streak_gives_up() -> None:
    _, state = remedies([4])
    found, state = remedies([0, 1, 2, 3, 4], state)
    assert found == [Remedy.NONE, Remedy.SKIP, Remedy.SKIP, Remedy.SKIP, Remedy.GIVE_UP]
    assert state.rate_scale == 0.5


@pytest.mark.parametrize("count", [4, 9, 1000])
def test_a_streak_that_is_seen_late_is_judged_by_its_length(count: int) -> None:
    assert remedies([count])[0] == [Remedy.ROLL_BACK]
