"""Facts and verdict become `status`: counts, the best trial, conditions; always below 32 KiB. Called by `plan`.

While the storage is away the counts, the best trial and the verdict of the status before stay: they were true, and nothing newer is known.
"""

import heapq
from collections.abc import Callable
from datetime import datetime

from tacotune.api.conditions import Condition, ConditionType, Phase, Reason, find_condition, set_condition
from tacotune.api.status import ActiveTrial, BestTrial, RecentFailure, TrialCounts, TTSStudyStatus
from tacotune.api.trial_contract import Progress
from tacotune.engine.attempts import overrides
from tacotune.engine.backoff import COUNTED
from tacotune.engine.estimate import completion
from tacotune.engine.facts import Facts, attempts_of
from tacotune.engine.observed import Attempt, Cause, JobPhase, ObservedJob, ObservedTrial, Purpose
from tacotune.engine.verdict import Verdict, live_gpu_seconds

MAX_BYTES = 32 * 1024 - 1
MAX_ACTIVE = 64
MAX_FAILURES = 10
MAX_NOTE = 256
MAX_CONDITION = 1024

_PHASES = {
    Reason.PENDING: Phase.PENDING,
    Reason.PREPARING: Phase.PREPARING,
    Reason.TRIALS_RUNNING: Phase.RUNNING,
    Reason.FINAL_TRAINING: Phase.FINAL_TRAINING,
    Reason.DRAINING: Phase.DRAINING,
    Reason.SUSPENDED: Phase.SUSPENDED,
}


def describe(facts: Facts, verdict: Verdict) -> TTSStudyStatus:
    """The status of what was observed."""
    observed, before = facts.observed, facts.observed.status
    known = observed.storage.ready or bool(observed.trials)
    status = TTSStudyStatus(
        observed_generation=observed.generation,
        phase=_phase(verdict) if observed.storage.ready else before.phase,
        conditions=_conditions(facts, verdict),
        trials=_counts(facts) if known else before.trials,
        progress=f"{facts.finished}/{facts.spec.max_trials}" if known else before.progress,
        attempts=_attempts(facts) if known else before.attempts,
        disruptions=_disruptions(facts) if known else before.disruptions,
        gpu_seconds=_gpu_seconds(facts) if known else before.gpu_seconds,
        best=_best(facts) if known else before.best,
        active=_active(facts),
        recent_failures=_failures(facts) if known else before.recent_failures,
        dashboards=before.dashboards,
        start_time=observed.started_at or before.start_time,
        completion_time=_completion(facts, verdict),
        estimated_completion_time=None if verdict.ended else completion(facts, verdict),
    )
    return fit(status)


def fit(status: TTSStudyStatus, limit: int = MAX_BYTES) -> TTSStudyStatus:
    """Leave out what people miss least until the status is small enough; counts and conditions always stay."""
    for shrink in _SHRINKS:
        if len(status.model_dump_json(by_alias=True).encode()) <= limit:
            break
        status = status.model_copy(update=shrink(status))
    return status


_SHRINKS: tuple[Callable[[TTSStudyStatus], dict[str, object]], ...] = (
    lambda s: {"active": [row.model_copy(update={"message": ""}) for row in s.active]},
    lambda s: {
        "recent_failures": [f.model_copy(update={"message": _cut(f.message, 64)}) for f in s.recent_failures]
    },
    lambda s: {"active": s.active[:16]},
    lambda s: {"best": s.best and s.best.model_copy(update={"parameters": {}, "checkpoint": ""})},
    lambda _: {"recent_failures": [], "active": []},
    lambda _: {"dashboards": []},
)


def _phase(verdict: Verdict) -> Phase:
    if verdict.ended:
        return Phase.SUCCEEDED if verdict.succeeded else Phase.FAILED
    return _PHASES[verdict.reason]


def _conditions(facts: Facts, verdict: Verdict) -> list[Condition]:
    observed = facts.observed
    conditions = list(observed.status.conditions)

    def put(kind: ConditionType, status: bool, reason: Reason, message: str) -> None:
        nonlocal conditions
        new = Condition(
            type=kind,
            status="True" if status else "False",
            reason=reason,
            message=_cut(message, MAX_CONDITION),
            last_transition_time=observed.now,
            observed_generation=observed.generation,
        )
        conditions = set_condition(conditions, new)

    if observed.storage.ready:
        final = _waiting(facts, Purpose.FINAL)
        message = f"{verdict.message}; its pod waits: {final}" if final else verdict.message
        put(ConditionType.SUCCEEDED, verdict.succeeded, verdict.reason, message)
    elif find_condition(conditions, ConditionType.SUCCEEDED) is None:
        put(ConditionType.SUCCEEDED, False, Reason.PENDING, "the storage does not answer yet")
    put(ConditionType.STORAGE_READY, *_storage(facts))
    put(ConditionType.DATASET_READY, *_dataset(facts))
    put(ConditionType.SUSPENDED, *_suspended(facts))
    return conditions


def _storage(facts: Facts) -> tuple[bool, Reason, str]:
    storage = facts.observed.storage
    if storage.ready:
        return True, Reason.CONNECTED, storage.message or "the storage answers"
    return False, Reason.UNREACHABLE, storage.message or "the storage does not answer"


def _dataset(facts: Facts) -> tuple[bool, Reason, str]:
    observed = facts.observed
    if observed.dataset_ready:
        return True, Reason.PREPARED, observed.dataset_message
    if failure := facts.prepare_failure:
        return False, Reason.DATASET_UNUSABLE, failure
    return False, Reason.PREPARING, _waiting(facts, Purpose.PREPARE) or observed.dataset_message


def _suspended(facts: Facts) -> tuple[bool, Reason, str]:
    if not facts.spec.suspend:
        return False, Reason.NOT_REQUESTED, ""
    if live := len(facts.live):
        return False, Reason.REQUESTED, f"{live} attempt{'s' if live > 1 else ''} still to stop"
    return True, Reason.REQUESTED, "no attempt runs"


def _counts(facts: Facts) -> TrialCounts:
    pending = running = retrying = 0
    for trial in facts.running:
        jobs = [j for j in facts.jobs_of(Purpose.TRIAL, trial.number) if not j.phase.ended]
        if any(job.phase is JobPhase.RUNNING for job in jobs):
            running += 1
        elif jobs or not trial.attempts:
            pending += 1
        else:
            retrying += 1
    return TrialCounts(
        total=facts.asked,
        pending=pending,
        running=running,
        retrying=retrying,
        succeeded=facts.complete,
        pruned=facts.pruned,
        failed=facts.failed,
    )


def _attempts(facts: Facts) -> int:
    other = len(facts.observed.prepare_attempts) + len(facts.observed.final_attempts)
    return facts.attempts + other + len(facts.live)


def _disruptions(facts: Facts) -> int:
    return facts.disruptions + sum(_disrupted(a) for a in _other_attempts(facts))


def _gpu_seconds(facts: Facts) -> float:
    other = sum(a.gpu_seconds for a in _other_attempts(facts))
    return round(facts.trial_gpu_seconds + other + sum(live_gpu_seconds(facts, *Purpose)), 1)


def _best(facts: Facts) -> BestTrial | None:
    """The best trial; of a Pareto front, the best by the first objective."""
    best = facts.best
    if best is None:
        return None
    return BestTrial(
        trial=best.number,
        value=best.values[0],
        parameters={**best.parameters, **overrides(attempts_of(best))},
        step=best.best_step,
        checkpoint=best.checkpoint,
    )


def _active(facts: Facts) -> list[ActiveTrial]:
    rows = (_active_row(facts, trial) for trial in facts.running[:MAX_ACTIVE])
    return [row for row in rows if row is not None]


def _active_row(facts: Facts, trial: ObservedTrial) -> ActiveTrial | None:
    jobs = facts.jobs_of(Purpose.TRIAL, trial.number)
    job = next((j for j in reversed(jobs) if not j.phase.ended), None)
    if job is None:
        attempts = attempts_of(trial)
        if not attempts:
            return ActiveTrial(trial=trial.number, attempt=1, state="Pending")
        last = attempts[-1]
        return ActiveTrial(
            trial=trial.number,
            attempt=last.number + 1,
            state="Retrying",
            message=_cut(last.message, MAX_NOTE),
        )
    progress = job.progress or trial.progress
    return ActiveTrial(
        trial=trial.number,
        attempt=job.attempt,
        state=_job_state(job),
        step=progress.step if progress is not None else None,
        message=_cut(
            job.stopping or (_hindrance(job) if job.phase is JobPhase.PENDING else _alarm(job, progress)),
            MAX_NOTE,
        ),
    )


def _alarm(job: ObservedJob, progress: Progress | None) -> str:
    """What a running attempt says of its memory; an earlier attempt's word may still stand in the trial's attributes."""
    return progress.alarm if progress is not None and progress.attempt == job.attempt else ""


def hindered(status: TTSStudyStatus, message: str) -> TTSStudyStatus:
    """The status where the platform refuses a Job (a quota, a missing right): whatever waits for one waits for that reason."""
    active = [
        row.model_copy(update={"message": _cut(message, MAX_NOTE)})
        if row.state in {"Pending", "Retrying"}
        else row
        for row in status.active
    ]
    conditions = [
        c.model_copy(update={"message": _cut(message, MAX_CONDITION)})
        if c.type is ConditionType.DATASET_READY and c.reason is Reason.PREPARING
        else c
        for c in status.conditions
    ]
    return status.model_copy(update={"active": active, "conditions": conditions})


def _waiting(facts: Facts, purpose: Purpose) -> str:
    """Why the Job for that purpose has not started; empty when it has, or when there is none."""
    pending = (job for job in facts.live if job.purpose is purpose and job.phase is JobPhase.PENDING)
    return next(map(_hindrance, pending), "")


def _hindrance(job: ObservedJob) -> str:
    """`Unschedulable: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu`."""
    return ": ".join(part for part in (job.reason, job.message) if part)


def _job_state(job: ObservedJob) -> str:
    if job.stopping:
        return "Stopping"
    return "Pending" if job.phase is JobPhase.PENDING else "Running"


def _failures(facts: Facts) -> list[RecentFailure]:
    """The newest failed attempts, of trials (their number), preparation and final training (-1)."""
    rows: list[tuple[datetime, int, int, Attempt]] = [
        (a.ended_at, t.number, a.number, a)
        for t in facts.observed.trials
        for a in t.attempts
        if a.cause in COUNTED
    ]
    rows += [(a.ended_at, -1, a.number, a) for a in _other_attempts(facts) if a.cause in COUNTED]
    newest = heapq.nlargest(MAX_FAILURES, rows, key=lambda row: row[:3])
    return [
        RecentFailure(
            trial=trial,
            attempt=number,
            cause=attempt.cause.value,
            exit_code=attempt.exit_code,
            message=_cut(attempt.message, MAX_NOTE),
            time=attempt.ended_at,
        )
        for _, trial, number, attempt in newest
    ]


def _completion(facts: Facts, verdict: Verdict) -> datetime | None:
    """When the last thing ended; None while the study goes on."""
    if not facts.observed.storage.ready:
        return facts.observed.status.completion_time
    if not verdict.ended:
        return None
    if facts.observed.status.completion_time is not None:
        return facts.observed.status.completion_time
    ends = [t.ended_at for t in facts.observed.trials if t.ended_at is not None]
    ends += [a.ended_at for a in _other_attempts(facts)]
    return max(ends, default=facts.now)


def _other_attempts(facts: Facts) -> tuple[Attempt, ...]:
    return (*facts.observed.prepare_attempts, *facts.observed.final_attempts)


def _disrupted(attempt: Attempt) -> bool:
    return attempt.cause is Cause.DISRUPTION


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
