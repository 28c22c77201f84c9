"""Jobs that run: end what should not run any more, kill what stalls, prune what will not become a voice. Called by `plan`.

What is asked to stop checkpoints and comes back as an ended Job, which `trials` settles.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from tacotune.engine.actions import Action, KillJob, RequestPrune, StopJob
from tacotune.engine.classify import IMAGE_REASONS
from tacotune.engine.facts import Facts, last_sign
from tacotune.engine.observed import JobPhase, ObservedJob, ObservedTrial, Purpose, StopReason, TrialState
from tacotune.engine.prune import asked_at, prune_note
from tacotune.engine.verdict import Verdict


def watch(facts: Facts, verdict: Verdict) -> Iterator[Action]:
    """End what should not run any more, and prune what will not become a voice."""
    trials = {trial.number: trial for trial in facts.observed.trials} if facts.live else {}
    for job in facts.live:
        if job.stopping:
            continue
        trial = trials.get(job.trial) if job.purpose is Purpose.TRIAL else None
        if (reason := stop_reason(facts, verdict, job, trial)) is not None:
            yield StopJob(job.name, reason)
        elif (reason := kill_reason(facts, job, trial)) is not None:
            yield KillJob(job.name, reason)
        elif trial is not None and _should_prune(facts, trial):
            yield RequestPrune(trial.number, prune_note(trial.prune_advised, facts.now))


def halt(facts: Facts) -> Iterator[Action]:
    """What can be done without the database: stop what was asked to stop, end what stalls."""
    for job in facts.live:
        if job.stopping:
            continue
        if (reason := _halt_reason(facts)) is not None:
            yield StopJob(job.name, reason)
        elif (reason := kill_reason(facts, job, None)) is not None:
            yield KillJob(job.name, reason)


def stop_reason(
    facts: Facts, verdict: Verdict, job: ObservedJob, trial: ObservedTrial | None
) -> StopReason | None:
    """Why a live Job is asked to checkpoint and end."""
    if (reason := _halt_reason(facts)) is not None:
        return reason
    if job.purpose is not Purpose.TRIAL:
        return None
    if trial is None or trial.state is not TrialState.RUNNING or job is not facts.jobs_of(*_key(job))[-1]:
        # Told by other hands, dropped from the store, or overtaken by a later attempt.
        return StopReason.TRIAL_FINISHED
    if verdict.over and not verdict.drain:
        return StopReason.STUDY_FINISHED
    asked = asked_at(trial.prune_requested)
    if asked is not None and facts.now - asked >= _patience(facts):
        return StopReason.PRUNED
    return None


def kill_reason(facts: Facts, job: ObservedJob, trial: ObservedTrial | None) -> StopReason | None:
    """Why a live Job cannot be expected to end by itself."""
    if job.phase is JobPhase.PENDING:
        waits = job.reason in IMAGE_REASONS and job.created_at is not None
        return StopReason.IMAGE_PULL if waits and _overdue(facts, job.created_at) else None
    return StopReason.STALLED if _overdue(facts, last_sign(job, trial)) else None


def _should_prune(facts: Facts, trial: ObservedTrial) -> bool:
    if not trial.prune_advised or trial.prune_requested:
        return False
    best, last = trial.best_report, trial.last_report
    improving = best is not None and last is not None and best[0] == last[0]
    return not (facts.spec.pruner.keep_improving_alignment and improving)


def looks(facts: Facts) -> Iterator[datetime]:
    """Moments at which the patience with a live Job ends."""
    trials = {trial.number: trial for trial in facts.running}
    for job in facts.live:
        if job.stopping:
            continue
        trial = trials.get(job.trial) if job.purpose is Purpose.TRIAL else None
        sign = job.created_at if job.phase is JobPhase.PENDING else last_sign(job, trial)
        if sign is not None and (job.phase is not JobPhase.PENDING or job.reason in IMAGE_REASONS):
            yield sign + _patience(facts)
        if trial is not None and (asked := asked_at(trial.prune_requested)) is not None:
            yield asked + _patience(facts)


def _halt_reason(facts: Facts) -> StopReason | None:
    if facts.observed.interrupted:
        return StopReason.INTERRUPTED
    return StopReason.SUSPENDED if facts.spec.suspend else None


def _patience(facts: Facts) -> timedelta:
    return timedelta(seconds=facts.spec.stall_timeout_seconds)


def _overdue(facts: Facts, sign: datetime | None) -> bool:
    return sign is not None and facts.now - sign >= _patience(facts)


def _key(job: ObservedJob) -> tuple[Purpose, int]:
    return job.purpose, job.trial
