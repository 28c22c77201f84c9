"""A world without time or chance of its own: what the engine's actions bring about, and what Jobs do by themselves.

`after(observed, action)` is pure. `advance(observed, fates, …)` lets every live Job go on; how it ends is written in a table of
fates by trial and attempt, so the same Job meets the same fate however the passes were cut.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from enum import Enum

from tacotune.api.names import job_name
from tacotune.api.trial_contract import Progress, TrialResult
from tacotune.engine.actions import (
    Action,
    AskTrial,
    CreateJob,
    DeleteJob,
    KillJob,
    PromoteBest,
    RecordAttempt,
    RecordFinal,
    RequestPrune,
    StopJob,
    TellTrial,
)
from tacotune.engine.observed import (
    Attempt,
    JobPhase,
    Observed,
    ObservedJob,
    ObservedTrial,
    Purpose,
    TrialState,
)


class Fate(Enum):
    """How an attempt ends when nobody interferes."""

    SUCCEED = "succeed"
    EARLY_STOP = "early stop"
    NAN = "finish without a value"
    DIVERGE = "diverge"
    CRASH = "crash"
    OOM = "be killed for want of memory"
    CUDA_OOM = "run out of GPU memory"
    PREEMPT = "be preempted"
    NODE_LOST = "lose its node"
    BAD_CONFIG = "refuse its configuration"
    INPUT_MISSING = "miss its input"
    STALL = "stall"
    NO_IMAGE = "wait for an image"
    FOREIGN_RESULT = "leave another study's result"


LASTING = frozenset({Fate.STALL, Fate.NO_IMAGE})
"""These end only when they are killed."""


class Broken(AssertionError):  # noqa: N818  the sentence reads best so
    """An action that must never be planned in this state."""


def after(  # noqa: PLR0911  one return an action
    observed: Observed, action: Action, *, space: int | None = None
) -> Observed:
    """The world once an action is done; doing it twice is doing it once.

    Args:
        observed: Before.
        action: What is done.
        space: How many unequal trials the search space holds; None: without end.
    """
    match action:
        case AskTrial(expected_number=number):
            return _ask(observed, number, space)
        case CreateJob():
            return _create(observed, action)
        case StopJob(name=name, reason=reason) | KillJob(name=name, reason=reason):
            return _job(observed, name, lambda job: replace(job, stopping=reason))
        case DeleteJob(name=name):
            if any(job.name == name and not job.phase.ended for job in observed.jobs):
                raise Broken(f"{name} is deleted while it lives")
            return replace(observed, jobs=tuple(job for job in observed.jobs if job.name != name))
        case RecordAttempt():
            return _record(observed, action)
        case RequestPrune(trial=number, reason=reason):
            return _trial(observed, number, lambda trial: replace(trial, prune_requested=reason))
        case TellTrial():
            return _tell(observed, action)
        case RecordFinal(trial=number, result_json=""):
            return replace(observed, final_trial=number)
        case RecordFinal(trial=number, result_json=document):
            return replace(
                observed, final_trial=number, final_result=TrialResult.model_validate_json(document)
            )
        case PromoteBest():
            return replace(observed, promoted=action.source, page_of=action.finished)


def advance(
    observed: Observed,
    fates: Sequence[Fate],
    *,
    seconds: float = 10.0,
    steps: int = 2,
    maximize: bool = False,
) -> Observed:
    """Let time pass: every live Job starts, reports, or meets its fate.

    Args:
        observed: Before.
        fates: Taken by trial and attempt, round and round.
        seconds: How much time passes.
        steps: Reports before an attempt ends.
        maximize: Greater values are better.
    """
    observed = replace(observed, now=observed.now + timedelta(seconds=seconds))
    for job in observed.jobs:
        if not job.phase.ended:
            observed = _go_on(observed, job, _fate(job, fates), steps, maximize=maximize)
    return observed


def value_of(trial: int) -> float:
    """The score of a trial: unequal for each, not in order."""
    return ((trial * 37 + 11) % 101) / 101


def _fate(job: ObservedJob, fates: Sequence[Fate]) -> Fate:
    if job.purpose is Purpose.PREPARE or not fates:
        return Fate.SUCCEED
    if job.attempt > 12:
        return Fate.SUCCEED  # Fairness: no platform preempts for ever.
    return fates[(max(job.trial, 0) * 5 + job.attempt - 1 + 3 * (job.purpose is Purpose.FINAL)) % len(fates)]


def _go_on(  # noqa: PLR0911  one return a situation
    observed: Observed, job: ObservedJob, fate: Fate, steps: int, *, maximize: bool
) -> Observed:
    now = observed.now
    if job.stopping:
        code = 137 if job.phase is JobPhase.PENDING or fate in LASTING else 75
        return _end(observed, job, code)
    if job.phase is JobPhase.PENDING:
        if fate is Fate.NO_IMAGE:
            return _job(observed, job.name, lambda j: replace(j, reason="ImagePullBackOff"))
        return _job(observed, job.name, lambda j: replace(j, phase=JobPhase.RUNNING, started_at=now))
    done = job.progress.step if job.progress is not None else 0
    if fate is Fate.STALL and done >= 1:
        return observed
    pruned = next((t.prune_requested for t in observed.trials if t.number == job.trial), "")
    if job.purpose is Purpose.TRIAL and pruned:
        return _end(observed, job, 0, _result(observed, job, "pruned"))
    if done < steps:
        return _report(observed, job, done + 1, maximize=maximize)
    return _meet(observed, job, fate)


def _meet(  # noqa: PLR0911, PLR0912  one return a fate
    observed: Observed, job: ObservedJob, fate: Fate
) -> Observed:
    if job.purpose is Purpose.PREPARE:
        return replace(_end(observed, job, 0), dataset_ready=True, dataset_message="prepared")
    value = value_of(job.trial) - (0.5 if job.purpose is Purpose.FINAL else 0.0)
    match fate:
        case Fate.SUCCEED | Fate.STALL | Fate.NO_IMAGE:
            return _end(observed, job, 0, _result(observed, job, "complete", value))
        case Fate.EARLY_STOP:
            return _end(observed, job, 0, _result(observed, job, "early_stopped", value))
        case Fate.NAN:
            return _end(observed, job, 0, _result(observed, job, "complete", None))
        case Fate.DIVERGE:
            return _end(observed, job, 0, _result(observed, job, "diverged"))
        case Fate.FOREIGN_RESULT:
            foreign = _result(observed, job, "complete", 0.0).model_copy(update={"spec_hash": "sha256:other"})
            return _end(observed, job, 0, foreign)
        case Fate.CRASH:
            return _end(observed, job, 1)
        case Fate.OOM:
            return _end(observed, job, 137, reason="OOMKilled")
        case Fate.CUDA_OOM:
            return _job(_end(observed, job, 70), job.name, lambda j: replace(j, cuda_out_of_memory=True))
        case Fate.PREEMPT:
            return _end(observed, job, 143, reason="DisruptionTarget")
        case Fate.NODE_LOST:
            return _end(observed, job, None, reason="NodeLost")
        case Fate.BAD_CONFIG:
            return _end(observed, job, 64)
        case Fate.INPUT_MISSING:
            return _end(observed, job, 66)


def _result(observed: Observed, job: ObservedJob, state: str, *values: float | None) -> TrialResult:
    own = next((t.spec_hash for t in observed.trials if t.number == job.trial), observed.spec_hash)
    return TrialResult.model_validate(
        {
            "state": state,
            "specHash": own if job.purpose is Purpose.TRIAL else observed.spec_hash,
            "values": list(values),
            "bestStep": 1,
            "checkpoint": f"checkpoints/step-{job.attempt:08d}",
        }
    )


def _end(
    observed: Observed,
    job: ObservedJob,
    code: int | None,
    result: TrialResult | None = None,
    *,
    reason: str = "",
) -> Observed:
    phase = JobPhase.SUCCEEDED if code == 0 else JobPhase.FAILED
    return _job(
        observed,
        job.name,
        lambda j: replace(
            j, phase=phase, exit_code=code, result=result, reason=reason, ended_at=observed.now
        ),
    )


def _report(observed: Observed, job: ObservedJob, step: int, *, maximize: bool) -> Observed:
    progress = Progress(step=step, total_steps=4, updated_at=observed.now.timestamp(), attempt=job.attempt)
    observed = _job(observed, job.name, lambda j: replace(j, progress=progress))
    if job.purpose is not Purpose.TRIAL:
        return observed
    value = value_of(job.trial) + 1 / step

    def report(trial: ObservedTrial) -> ObservedTrial:
        best = trial.best_report
        better = best is None or (value > best[1] if maximize else value < best[1])
        return replace(
            trial, last_report=(step, value), best_report=(step, value) if better else best, progress=progress
        )

    return _trial(observed, job.trial, report)


def _ask(observed: Observed, number: int, space: int | None) -> Observed:
    there = next((t for t in observed.trials if t.number == number), None)
    if there is not None and there.state is not TrialState.WAITING:
        return observed
    if there is None and space is not None and number >= space:
        return replace(observed, space_exhausted=True)
    new = ObservedTrial(
        number,
        TrialState.RUNNING,
        parameters={"learning_rate": 0.01 * (number + 1)},
        spec_hash=observed.spec_hash,
        started_at=observed.now,
    )
    others = [t for t in observed.trials if t.number != number]
    started = observed.started_at or observed.now
    return replace(observed, trials=tuple(sorted([*others, new], key=lambda t: t.number)), started_at=started)


def _create(observed: Observed, action: CreateJob) -> Observed:
    name = job_name(observed.name, action.purpose.value, action.trial, action.attempt)
    if any(job.name == name for job in observed.jobs):
        return observed
    if action.purpose is Purpose.TRIAL:
        trial = next(t for t in observed.trials if t.number == action.trial)
        if trial.state is not TrialState.RUNNING or not trial.parameters_complete:
            raise Broken(f"{name} is created for a trial that is {trial.state}")
        if any(a.number == action.attempt for a in trial.attempts):
            raise Broken(f"{name} was an attempt already")
    job = ObservedJob(
        name, action.purpose, action.trial, action.attempt, JobPhase.PENDING, created_at=observed.now, gpus=1
    )
    return replace(observed, jobs=(*observed.jobs, job))


def _record(observed: Observed, action: RecordAttempt) -> Observed:
    def put(attempts: tuple[Attempt, ...]) -> tuple[Attempt, ...]:
        return (*(a for a in attempts if a.number != action.attempt.number), action.attempt)

    match action.purpose:
        case Purpose.PREPARE:
            return replace(observed, prepare_attempts=put(observed.prepare_attempts))
        case Purpose.FINAL:
            return replace(observed, final_attempts=put(observed.final_attempts))
        case Purpose.TRIAL:
            return _trial(
                observed, action.trial, lambda t: replace(t, attempts=put(t.attempts)), running=True
            )


def _tell(observed: Observed, action: TellTrial) -> Observed:
    there = next(t for t in observed.trials if t.number == action.trial)
    if there.state.finished:
        raise Broken(f"trial {action.trial} is told twice")
    return _trial(
        observed,
        action.trial,
        lambda t: replace(
            t,
            state=action.state,
            values=action.values,
            metrics=action.metrics,
            checkpoint=action.checkpoint,
            best_step=action.best_step,
            ended_at=observed.now,
        ),
    )


def _job(observed: Observed, name: str, change: object) -> Observed:
    assert callable(change)
    return replace(observed, jobs=tuple(change(j) if j.name == name else j for j in observed.jobs))


def _trial(observed: Observed, number: int, change: object, *, running: bool = False) -> Observed:
    assert callable(change)
    for trial in observed.trials:
        if trial.number == number and running and trial.state.finished:
            raise Broken(f"an attempt of trial {number} is recorded after it was told")
    return replace(observed, trials=tuple(change(t) if t.number == number else t for t in observed.trials))
