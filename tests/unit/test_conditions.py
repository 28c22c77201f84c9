"""Conditions keep their transition time until their status changes, and stand in one order."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from tacotune.api.conditions import Condition, ConditionType, Reason, find_condition, set_condition
from tacotune.api.status import TTSStudyStatus

START = datetime(2024, 5, 1, tzinfo=UTC)


def condition(
    kind: ConditionType, status: str, *, reason: Reason = Reason.PENDING, minutes: int = 0
) -> Condition:
    return Condition(
        type=kind, status=status, reason=reason, last_transition_time=START + timedelta(minutes=minutes)
    )


def test_a_new_reason_keeps_the_time_and_a_new_status_takes_a_new_one() -> None:
    first = condition(ConditionType.SUCCEEDED, "False")
    running = condition(ConditionType.SUCCEEDED, "False", reason=Reason.TRIALS_RUNNING, minutes=5)
    ended = condition(ConditionType.SUCCEEDED, "True", reason=Reason.GOAL_REACHED, minutes=9)
    (kept,) = set_condition([first], running)
    assert (kept.reason, kept.last_transition_time) == (Reason.TRIALS_RUNNING, START)
    (changed,) = set_condition([kept], ended)
    assert changed == ended


def test_conditions_stand_in_one_order_and_once() -> None:
    conditions: list[Condition] = []
    for kind in (
        ConditionType.SUSPENDED,
        ConditionType.SUCCEEDED,
        ConditionType.STORAGE_READY,
        ConditionType.SUSPENDED,
    ):
        conditions = set_condition(conditions, condition(kind, "True"))
    assert [c.type for c in conditions] == [
        ConditionType.SUCCEEDED,
        ConditionType.STORAGE_READY,
        ConditionType.SUSPENDED,
    ]
    assert find_condition(conditions, ConditionType.SUSPENDED) is conditions[2]
    assert find_condition(conditions, ConditionType.DATASET_READY) is None


def test_a_status_is_one_of_three_words() -> None:
    with pytest.raises(ValidationError, match="status"):
        condition(ConditionType.SUCCEEDED, "Maybe")


def test_gpu_hours_follow_gpu_seconds() -> None:
    status = TTSStudyStatus(gpu_seconds=5400)
    assert status.gpu_hours == "1.5"
    status.gpu_seconds = 7200
    assert status.gpu_hours == "2.0"
    assert TTSStudyStatus.model_validate_json(status.model_dump_json(by_alias=True)) == status
