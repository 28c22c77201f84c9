"""What tacotune keeps in Optuna's user attributes: their names beside those of `api.names`, and how they are read back."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from tacotune.api import names
from tacotune.api.trial_contract import Progress, TrialResult
from tacotune.engine.observed import Attempt
from tacotune.ports import InvalidStudy, StudyRecord

BEST_STEP = f"{names.ATTRIBUTE_PREFIX}bestStep"
ENQUEUED = f"{names.ATTRIBUTE_PREFIX}enqueued"
"""Of a trial: where it came from (`initialTrials[0]`). Of a study: True when all are there."""
SEARCH_SPACE = f"{names.ATTRIBUTE_PREFIX}searchSpace"
STARTED_AT = f"{names.ATTRIBUTE_PREFIX}startedAt"
PREPARE_ATTEMPTS = f"{names.ATTRIBUTE_PREFIX}prepareAttempts"
FINAL_ATTEMPTS = f"{names.ATTRIBUTE_PREFIX}finalAttempts"
FINAL_TRIAL = f"{names.ATTRIBUTE_PREFIX}finalTrial"
FINAL_RESULT = f"{names.ATTRIBUTE_PREFIX}finalResult"
RESET = f"{names.ATTRIBUTE_PREFIX}reset"
"""Token of the last reset."""
SPACE_EXHAUSTED = f"{names.ATTRIBUTE_PREFIX}spaceExhausted"

_ATTEMPTS = TypeAdapter(tuple[Attempt, ...])


def read_attempts(attributes: Mapping[str, Any], key: str) -> tuple[Attempt, ...]:
    """Attempts by number.

    Raises:
        InvalidStudy: other hands have written there. Guessing would run attempts again that are already spent.
    """
    try:
        return _ATTEMPTS.validate_python(attributes.get(key, ()))
    except ValidationError as error:
        raise InvalidStudy(
            f"attribute {key} was changed and cannot be read: {error.errors()[0]['msg']}"
        ) from error


def write_attempts(attempts: Sequence[Attempt], attempt: Attempt) -> Any:
    """The attempts with one more, which replaces the one of its number, ready for JSON."""
    by_number = {known.number: known for known in attempts} | {attempt.number: attempt}
    return _ATTEMPTS.dump_python(tuple(by_number[number] for number in sorted(by_number)), mode="json")


def read_progress(attributes: Mapping[str, Any]) -> Progress | None:
    """The trainer's progress; None when there is none that can be read."""
    try:
        return Progress.model_validate(attributes[names.ATTRIBUTE_PROGRESS])
    except (KeyError, ValidationError):
        return None


def read_record(attributes: Mapping[str, Any]) -> StudyRecord:
    """The facts about a study."""
    started, result = attributes.get(STARTED_AT), attributes.get(FINAL_RESULT)
    return StudyRecord(
        started_at=datetime.fromisoformat(started) if started else None,
        prepare_attempts=read_attempts(attributes, PREPARE_ATTEMPTS),
        final_attempts=read_attempts(attributes, FINAL_ATTEMPTS),
        final_trial=attributes.get(FINAL_TRIAL),
        final_result=TrialResult.model_validate_json(result) if result else None,
        space_exhausted=bool(attributes.get(SPACE_EXHAUSTED, False)),
    )
