"""What can be measured of a study: frozen numbers from what a pass saw and did. Called by `handlers.metrics`.

Two kinds. `measure` is a snapshot of stored facts: made anew by each pass, so that a restart of the operator changes nothing.
`keep_pace` compares a pass with the one before it: how long a Job waited for its pod, how long a free place stayed empty.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from tacotune.api.trial_contract import Progress
from tacotune.engine.actions import Action, CreateJob, RecordAttempt, TellTrial
from tacotune.engine.backoff import COUNTED
from tacotune.engine.observed import Attempt, Cause, Observed, ObservedTrial, Purpose, TrialState


class GpuOutcome(StrEnum):
    """What GPU time was good for, by the words and the rules of the study page."""

    USEFUL = "useful"
    """Of trials that are complete, of the preparation and of the final training."""
    PRUNED = "pruned"
    LOST = "lost"
    """Of attempts that ended by a fault, and of trials that failed. What a disrupted attempt did is kept by its checkpoint."""


_OUTCOMES: Mapping[TrialState, GpuOutcome] = {
    TrialState.COMPLETE: GpuOutcome.USEFUL,
    TrialState.PRUNED: GpuOutcome.PRUNED,
    TrialState.FAIL: GpuOutcome.LOST,
}


@dataclass(frozen=True, slots=True)
class Measures:
    """Numbers of one study that only grow while it exists, and what they are about."""

    objective: str
    direction: str
    attempts: Mapping[Cause, int]
    """Ended attempts of every purpose; each cause has a number."""
    retries: int
    """Attempts that were started after the first one of the same trial, preparation or final training."""
    gpu_seconds: Mapping[GpuOutcome, float]
    """GPUs times seconds of ended attempts; of a trial's sound ones once it is told, for only then is it known what they were good for."""
    progressed_at: datetime | None
    """Newest sign that anything went on; None before the first one."""


def measure(observed: Observed) -> Measures:
    """Numbers of a study, in one walk over its trials and Jobs."""
    first = observed.spec.all_objectives[0]
    causes = dict.fromkeys(Cause, 0)
    seconds = dict.fromkeys(GpuOutcome, 0.0)
    newest: dict[tuple[Purpose, int], int] = {}
    for (purpose, trial), outcome, attempts in _groups(observed):
        for attempt in attempts:
            causes[attempt.cause] += 1
            known = GpuOutcome.LOST if attempt.cause in COUNTED else outcome
            if known is not None:
                seconds[known] += attempt.gpu_seconds
        newest[purpose, trial] = max([1, *[a.number for a in attempts]])
    for job in observed.jobs:
        key = _key(job.purpose, job.trial)
        newest[key] = max(newest.get(key, 1), job.attempt)
    return Measures(
        objective=first.metric,
        direction=first.direction,
        attempts=causes,
        retries=sum(newest.values()) - len(newest),
        gpu_seconds=seconds,
        progressed_at=max((t for t in _signs(observed) if t <= observed.now), default=None),
    )


def _groups(
    observed: Observed,
) -> Iterator[tuple[tuple[Purpose, int], GpuOutcome | None, Sequence[Attempt]]]:
    """Attempts at the same thing, and what they were good for, faults aside; None while that is open."""
    for trial in observed.trials:
        yield (Purpose.TRIAL, trial.number), _OUTCOMES.get(trial.state), trial.attempts
    yield _key(Purpose.PREPARE), GpuOutcome.USEFUL, observed.prepare_attempts
    yield _key(Purpose.FINAL), GpuOutcome.USEFUL, observed.final_attempts


def _key(purpose: Purpose, trial: int = 0) -> tuple[Purpose, int]:
    """There is one preparation and one final training, whichever trial the latter is of."""
    return purpose, trial if purpose is Purpose.TRIAL else 0


def _signs(observed: Observed) -> Iterator[datetime]:
    if observed.started_at is not None:
        yield observed.started_at
    for attempt in (*observed.prepare_attempts, *observed.final_attempts):
        yield attempt.ended_at
    for trial in observed.trials:
        if trial.ended_at is not None:
            yield trial.ended_at  # Whatever else was of it came before.
        else:
            yield from _signs_of(trial)
    for job in observed.jobs:
        yield from (t for t in (job.created_at, job.started_at, job.ended_at) if t is not None)
        yield from _reported(job.progress)


def _signs_of(trial: ObservedTrial) -> Iterator[datetime]:
    if trial.started_at is not None:
        yield trial.started_at
    for attempt in trial.attempts:
        yield attempt.ended_at
    yield from _reported(trial.progress)


def _reported(progress: Progress | None) -> Iterator[datetime]:
    if progress is not None and progress.updated_at > 0:
        try:
            yield datetime.fromtimestamp(progress.updated_at, UTC)
        except (OverflowError, OSError, ValueError):
            return  # The trainer's clock says something that is no time.


@dataclass(frozen=True, slots=True)
class Pace:
    """What one pass leaves for the next to be compared with."""

    started: frozenset[str] | None = None
    """Names of Jobs whose pod had started; None before the first pass: what started before it was not seen starting."""
    freed: tuple[datetime, ...] = ()
    """When places became free that no trial has taken yet, the oldest first; as many as the study has places."""


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds that were waited."""

    queue: tuple[tuple[Purpose, float], ...] = ()
    """From the creation of a Job to the start of its pod."""
    turnover: tuple[float, ...] = ()
    """From the end of a trial's last attempt to the creation of the next trial's Job."""


def keep_pace(
    pace: Pace, observed: Observed, actions: Sequence[Action], *, now: datetime, ended: bool
) -> tuple[Pace, Waits]:
    """Compare a pass with the one before.

    Args:
        pace: What the one before left.
        observed: What this one saw.
        actions: What it did.
        now: When it had done so.
        ended: The study has ended: nobody waits for its places.
    """
    started = frozenset(job.name for job in observed.jobs if job.started_at is not None)
    queue = tuple(
        (job.purpose, max((job.started_at - job.created_at).total_seconds(), 0.0))
        for job in observed.jobs
        if job.started_at is not None and job.created_at is not None
        # What ran before the first pass was measured by an earlier process, if at all.
        if pace.started is not None and job.name not in pace.started
    )
    freed = sorted((*pace.freed, *_freed(observed, actions)))
    created = sum(isinstance(a, CreateJob) and a.purpose is Purpose.TRIAL and a.attempt == 1 for a in actions)
    turnover = tuple(max((now - moment).total_seconds(), 0.0) for moment in freed[:created])
    idle = ended or observed.spec.suspend or observed.interrupted
    left = () if idle else tuple(freed[created:][-observed.spec.parallelism :])
    return Pace(started, left), Waits(queue, turnover)


def _freed(observed: Observed, actions: Sequence[Action]) -> Iterator[datetime]:
    """When the trials that this pass has told ended; one without an attempt held no place."""
    told = {action.trial for action in actions if isinstance(action, TellTrial)}
    if not told:
        return
    recorded = {
        (action.trial, action.attempt.ended_at)
        for action in actions
        if isinstance(action, RecordAttempt) and action.purpose is Purpose.TRIAL
    }
    for trial in observed.trials:
        if trial.number in told:
            ends = [a.ended_at for a in trial.attempts]
            ends += [moment for number, moment in recorded if number == trial.number]
            yield from sorted(ends)[-1:]
