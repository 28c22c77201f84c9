"""Ended Jobs become recorded attempts; recorded attempts say whether to go on and with which parameters.

Called by `trials`, `dataset` and `final`, which share these rules.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from tacotune.api.parameters import trainer_parameters
from tacotune.api.study import TTSStudySpec
from tacotune.api.tuning import Retry
from tacotune.engine.backoff import COUNTED
from tacotune.engine.classify import classify
from tacotune.engine.observed import Attempt, Cause, ObservedJob, ParameterValue

MAX_MESSAGE = 500
"""Characters of a message that are kept in the store."""


def attempt_of(
    job: ObservedJob,
    spec: TTSStudySpec,
    *,
    now: datetime,
    spec_hash: str,
    previous: Sequence[Attempt] = (),
    parameters: Mapping[str, ParameterValue] | None = None,
) -> Attempt:
    """What is recorded of an ended Job.

    Args:
        job: A Job whose phase has ended.
        spec: The study's.
        now: Stands in for the end where the platform does not tell it.
        spec_hash: The only one whose result counts; empty: any.
        previous: Attempts before it.
        parameters: What it ran with; None where no batch can be reduced (preparation).
    """
    ending = classify(job, spec_hash=spec_hash, previous=previous, stall_timeout=spec.stall_timeout_seconds)
    ended_at = job.ended_at or now
    seconds = max((ended_at - job.started_at).total_seconds(), 0.0) if job.started_at else 0.0
    reduce = ending.cause is Cause.OUT_OF_MEMORY and spec.retry.on_out_of_memory == "ReduceBatch"
    return Attempt(
        number=job.attempt,
        cause=ending.cause,
        ended_at=ended_at,
        started_at=job.started_at,
        exit_code=job.exit_code,
        message=ending.message[:MAX_MESSAGE],
        outcome=ending.outcome,
        gpu_seconds=seconds * job.gpus,
        overrides=reduced_batch(parameters, spec.trainer.preset) if reduce and parameters is not None else {},
    )


def reduced_batch(parameters: Mapping[str, ParameterValue], preset: str) -> dict[str, ParameterValue]:
    """Half the batch, twice the accumulation: about as much memory less, the same gradient; empty at batch 1."""
    batch = _number(parameters, "batch_size", preset)
    accumulation = _number(parameters, "accumulation_steps", preset)
    if batch is None or accumulation is None or batch < 2:
        return {}
    return {"batch_size": int(batch) // 2, "accumulation_steps": int(accumulation) * 2}


def _number(parameters: Mapping[str, ParameterValue], name: str, preset: str) -> float | None:
    """A numeric parameter, or the trainer's own default for it."""
    value: ParameterValue = parameters.get(name)
    if value is None and (known := trainer_parameters().get(name)) is not None:
        value = known.default.get(preset)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def unrecorded(jobs: Sequence[ObservedJob], attempts: Sequence[Attempt]) -> Iterator[ObservedJob]:
    """Ended Jobs whose attempt is not in the store yet, in order."""
    known = {attempt.number for attempt in attempts}
    for job in sorted(jobs, key=lambda j: j.attempt):
        if job.phase.ended and job.attempt not in known:
            yield job


def since(attempts: Sequence[Attempt], moment: datetime | None) -> tuple[Attempt, ...]:
    """Attempts that still count when a person asked to try again at that moment."""
    return tuple(a for a in attempts if moment is None or a.ended_at >= moment)


def given_up(attempts: Sequence[Attempt], retry: Retry, *, finished_counts: bool = False) -> str:
    """Why there is no next attempt; empty while there is one.

    Args:
        attempts: Those that count.
        retry: The study's.
        finished_counts: The attempts ended well and yet what they should leave is not there.
    """
    for attempt in attempts:
        if attempt.cause is Cause.PERMANENT:
            return f"attempt {attempt.number}: {attempt.message}"
    failures = [a for a in attempts if a.cause in COUNTED or (finished_counts and a.cause is Cause.FINISHED)]
    if len(failures) >= retry.max_attempts:
        times = "the attempt" if len(failures) == 1 else f"all {len(failures)} attempts"
        return f"{times} failed, the last: {failures[-1].message}"
    return ""


def overrides(attempts: Sequence[Attempt]) -> dict[str, ParameterValue]:
    """What all attempts together changed for the next one."""
    merged: dict[str, ParameterValue] = {}
    for attempt in attempts:
        merged.update(attempt.overrides)
    return merged


def next_number(attempts: Sequence[Attempt], jobs: Sequence[ObservedJob]) -> int:
    """Number of the attempt to come."""
    return max([0, *(a.number for a in attempts), *(j.attempt for j in jobs)]) + 1
