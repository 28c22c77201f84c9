"""What there is to tell: one event for each thing that happened in a pass. Called by `plan` and `controller.reconcile`.

Everything follows from what was observed, from the actions that were carried out and from how the status changed, so a pass
that is repeated after a crash tells at most the same again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from tacotune.api.conditions import ConditionType, Phase, find_condition
from tacotune.api.names import job_name
from tacotune.api.status import TTSStudyStatus
from tacotune.engine.actions import Action, CreateJob, PromoteBest, RecordAttempt, RequestPrune, TellTrial
from tacotune.engine.attempts import given_up, since
from tacotune.engine.backoff import COUNTED, due_at
from tacotune.engine.observed import Attempt, Observed, Purpose, TrialState
from tacotune.engine.prune import reason_of


class EventReason(StrEnum):
    """Names of events: a closed set."""

    STUDY_STARTED = "StudyStarted"
    STUDY_SUCCEEDED = "StudySucceeded"
    STUDY_FAILED = "StudyFailed"
    STUDY_REOPENED = "StudyReopened"
    TRIAL_STARTED = "TrialStarted"
    TRIAL_FINISHED = "TrialFinished"
    TRIAL_PRUNED = "TrialPruned"
    TRIAL_FAILED = "TrialFailed"
    TRIAL_RETRY = "TrialRetry"
    ATTEMPT_FAILED = "AttemptFailed"
    PRUNE_REQUESTED = "PruneRequested"
    NEW_BEST = "NewBest"
    PUBLISHING_BEST = "PublishingBest"
    FINAL_TRAINING_STARTED = "FinalTrainingStarted"
    PREPARING = "Preparing"
    STORAGE_UNAVAILABLE = "StorageUnavailable"
    STORAGE_BACK = "StorageBack"
    RESOURCE_ALARM = "ResourceAlarm"
    NOTIFICATION_FAILED = "NotificationFailed"
    """Told by the driver: a pass neither sends messages nor waits for them."""


Kind = Literal["Normal", "Warning"]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened; `kind` as Kubernetes has it."""

    kind: Kind
    reason: EventReason
    message: str
    trial: int | None = None
    attempt: int | None = None


def narrate(observed: Observed, actions: Sequence[Action], status: TTSStudyStatus) -> tuple[Event, ...]:
    """Tell what happened.

    Args:
        observed: What the pass saw; its status is the one before.
        actions: Those that were carried out.
        status: The one after.
    """
    return (*_changes(observed.status, status), *_alarms(observed.status, status), *_deeds(observed, actions))


def _changes(before: TTSStudyStatus, after: TTSStudyStatus) -> Iterator[Event]:
    """What the difference of two statuses says."""
    was, is_ = (find_condition(s.conditions, ConditionType.STORAGE_READY) for s in (before, after))
    if is_ is not None and is_.status == "False" and (was is None or was.status != "False"):
        yield Event("Warning", EventReason.STORAGE_UNAVAILABLE, is_.message)
    if is_ is not None and is_.status == "True" and was is not None and was.status == "False":
        yield Event("Normal", EventReason.STORAGE_BACK, is_.message)
    if before.start_time is None and after.start_time is not None:
        yield Event("Normal", EventReason.STUDY_STARTED, "the study started")
    if after.best is not None and (before.best is None or before.best.trial != after.best.trial):
        best = after.best
        yield Event(
            "Normal", EventReason.NEW_BEST, f"trial {best.trial} is the best: {best.value:g}", best.trial
        )
    if before.phase is after.phase:
        return
    succeeded = find_condition(after.conditions, ConditionType.SUCCEEDED)
    message = f"{succeeded.reason.value}: {succeeded.message}" if succeeded is not None else after.phase.value
    ends = {Phase.SUCCEEDED, Phase.FAILED}
    if after.phase is Phase.SUCCEEDED:
        yield Event("Normal", EventReason.STUDY_SUCCEEDED, message)
    elif after.phase is Phase.FAILED:
        yield Event("Warning", EventReason.STUDY_FAILED, message)
    elif before.phase in ends:
        yield Event("Normal", EventReason.STUDY_REOPENED, message)


def _alarms(before: TTSStudyStatus, after: TTSStudyStatus) -> Iterator[Event]:
    """Memories that began to be nearly full: what running trials say now and did not say before."""
    said = {(row.trial, row.attempt): row.message.split("; ") for row in before.active}
    for row in after.active:
        if row.state != "Running" or not row.message:
            continue
        known = said.get((row.trial, row.attempt), [])
        new = [part for part in row.message.split("; ") if part not in known]
        if new:
            text = f"trial {row.trial} (attempt {row.attempt}): {'; '.join(new)}"
            yield Event("Warning", EventReason.RESOURCE_ALARM, text, row.trial, row.attempt)


def _deeds(observed: Observed, actions: Sequence[Action]) -> Iterator[Event]:
    """What the actions of the pass say."""
    told = {action.trial for action in actions if isinstance(action, TellTrial)}
    for action in actions:
        match action:
            case CreateJob(purpose=Purpose.TRIAL, trial=number, attempt=1):
                yield Event("Normal", EventReason.TRIAL_STARTED, f"trial {number} started", number, 1)
            case CreateJob(purpose=Purpose.FINAL, trial=number, attempt=1):
                yield Event(
                    "Normal",
                    EventReason.FINAL_TRAINING_STARTED,
                    f"training fully with the parameters of trial {number}",
                    number,
                    1,
                )
            case CreateJob(purpose=Purpose.PREPARE, attempt=1):
                yield Event("Normal", EventReason.PREPARING, "preparing the dataset", attempt=1)
            case TellTrial():
                yield _end(action)
            case RecordAttempt() if action.attempt.cause in COUNTED:
                if action.purpose is not Purpose.TRIAL or action.trial not in told:
                    yield _failure(observed, action)
            case RequestPrune(trial=number, reason=reason):
                yield Event(
                    "Normal",
                    EventReason.PRUNE_REQUESTED,
                    f"trial {number} is asked to end: {reason_of(reason)}",
                    number,
                )
            case PromoteBest(attempt=1, again=False):
                what = (
                    "the final training's voice"
                    if action.purpose is Purpose.FINAL
                    else f"the voice of trial {action.trial}"
                )
                yield Event("Normal", EventReason.PUBLISHING_BEST, f"publishing {what}", action.trial)
            case _:
                pass


def _end(tell: TellTrial) -> Event:
    number = tell.trial
    match tell.state:
        case TrialState.COMPLETE:
            values = ", ".join(f"{value:g}" for value in tell.values)
            return Event("Normal", EventReason.TRIAL_FINISHED, f"trial {number} finished: {values}", number)
        case TrialState.PRUNED:
            return Event(
                "Normal",
                EventReason.TRIAL_PRUNED,
                f"trial {number} pruned: {reason_of(tell.message)}",
                number,
            )
        case _:
            return Event(
                "Warning", EventReason.TRIAL_FAILED, f"Trial {number} failed: {tell.message}", number
            )


def _failure(observed: Observed, record: RecordAttempt) -> Event:
    """A counted attempt: `Trial 7 failed (attempt 1): crashed; Transient, attempt 2 in 5 s`."""
    attempt = record.attempt
    number = record.trial if record.purpose is Purpose.TRIAL else None
    who = {
        Purpose.TRIAL: f"Trial {record.trial}",
        Purpose.FINAL: "The final training",
        Purpose.PREPARE: "The preparation",
    }[record.purpose]
    text = f"{who} failed (attempt {attempt.number}): {attempt.message}"
    attempts = (*_recorded(observed, record), attempt)
    if given_up(since(attempts, observed.forgive_before), observed.spec.retry):
        return Event("Warning", EventReason.ATTEMPT_FAILED, text, number, attempt.number)
    name = job_name(observed.name, record.purpose.value, record.trial, attempt.number + 1)
    due = due_at(attempts, observed.spec.retry.backoff, name)
    seconds = (due - attempt.ended_at).total_seconds() if due is not None else 0.0
    changed = "".join(f", {key} {value}" for key, value in attempt.overrides.items())
    text += f"; {attempt.cause.value}, attempt {attempt.number + 1} in {seconds:.0f} s{changed}"
    return Event("Warning", EventReason.TRIAL_RETRY, text, number, attempt.number)


def _recorded(observed: Observed, record: RecordAttempt) -> tuple[Attempt, ...]:
    match record.purpose:
        case Purpose.PREPARE:
            return observed.prepare_attempts
        case Purpose.FINAL:
            return observed.final_attempts
        case Purpose.TRIAL:
            return next((t.attempts for t in observed.trials if t.number == record.trial), ())
