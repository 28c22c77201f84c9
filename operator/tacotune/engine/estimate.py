"""How long the study will take: from measured durations of its own trials, or not at all. Called by `status`."""

from datetime import datetime, timedelta

from tacotune.engine.facts import Facts
from tacotune.engine.observed import ObservedJob, ObservedTrial, ParameterValue, Purpose, TrialState
from tacotune.engine.verdict import Verdict


def completion(facts: Facts, verdict: Verdict) -> datetime | None:
    """When the study will have ended; None before a first trial was measured, and while nothing may run."""
    if facts.halted:
        return None
    final = _final_seconds(facts)
    search = _search_seconds(facts, verdict)
    if search is None or final is None:
        return None
    return facts.now + timedelta(seconds=search + final)


def _search_seconds(facts: Facts, verdict: Verdict) -> float | None:
    """Work left, spread over the slots; the deadline cuts it."""
    measured = [s for t in facts.observed.trials if t.state.finished and (s := _spent(t)) > 0]
    if verdict.over and not facts.running:
        return 0.0
    if not measured:
        return None
    usual = sum(measured) / len(measured)
    left = [max(usual - _spent(trial) - _elapsed(facts, trial), 0.0) for trial in facts.running]
    new = 0 if verdict.over else max(facts.spec.max_trials - facts.asked, 0)
    seconds = max([(sum(left) + new * usual) / facts.spec.parallelism, *left])
    limit, started = facts.spec.active_deadline_seconds, facts.observed.started_at
    if limit is not None and started is not None:
        seconds = min(seconds, max(limit - (facts.now - started).total_seconds(), 0.0))
    return seconds


def _final_seconds(facts: Facts) -> float | None:
    """The final training's time left: from its own progress, else in proportion to the best trial's epochs."""
    spec, observed = facts.spec, facts.observed
    if not spec.final_training.enabled or observed.final_result is not None:
        return 0.0
    for job in facts.jobs_of(Purpose.FINAL):
        if (left := _from_progress(facts, job)) is not None:
            return left
    best = facts.best
    if best is None or (spent := _spent(best)) <= 0:
        return None
    own = spec.final_training.parameters.get("epochs", spec.final_training.epochs)
    planned = best.parameters.get("epochs", spec.fixed_parameters.get("epochs"))
    if own is None:
        return spent
    longer, usual = _positive(own), _positive(planned)
    return None if longer is None or usual is None else spent * longer / usual


def _from_progress(facts: Facts, job: ObservedJob) -> float | None:
    progress, started = job.progress, job.started_at
    if (
        job.phase.ended
        or progress is None
        or started is None
        or not 0 < progress.step <= progress.total_steps
    ):
        return None
    elapsed = (facts.now - started).total_seconds()
    return max(elapsed * (progress.total_steps - progress.step) / progress.step, 0.0)


def _spent(trial: ObservedTrial) -> float:
    """Seconds of a trial's ended attempts."""
    if trial.state is TrialState.WAITING:
        return 0.0
    return sum(
        (a.ended_at - a.started_at).total_seconds() for a in trial.attempts if a.started_at is not None
    )


def _elapsed(facts: Facts, trial: ObservedTrial) -> float:
    starts = [
        job.started_at
        for job in facts.jobs_of(Purpose.TRIAL, trial.number)
        if not job.phase.ended and job.started_at is not None
    ]
    return max(((facts.now - start).total_seconds() for start in starts), default=0.0)


def _positive(value: ParameterValue) -> float | None:
    return (
        float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None
    )
