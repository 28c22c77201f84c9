"""Whether the study goes on, and why: a chain of end conditions, the first that speaks decides.

The verdict is worked out again in every pass, from facts alone; nothing of it is remembered. So raising a budget reopens a
finished study by itself. Two things only are kept, by the store: the trial that the final training belongs to, and its result.
A study reopened after its final training may find a better trial; of the two voices the one with the better value is published,
and the final training is not run a second time.

Conditions that compare with the time stand last among the ends: a study that ended for another reason keeps that reason.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tacotune.api.conditions import Reason
from tacotune.engine.facts import Facts
from tacotune.engine.observed import ObservedTrial, Purpose, TrialState
from tacotune.engine.promotion import promotion


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the study has come to."""

    reason: Reason
    message: str
    over: bool = False
    """The search asks nothing more."""
    drain: bool = False
    """Trials that run may end by themselves, though the search is over."""
    ended: bool = False
    """Nothing remains to be done, nor to be waited for."""
    succeeded: bool = False
    """Ended with a best voice."""
    publishing: bool = False
    """All but this is done."""


_Judgement = tuple[Reason, str] | None
_Policy = Callable[[Facts], _Judgement]

_FAILURES = frozenset({Reason.DATASET_UNUSABLE, Reason.ALL_TRIALS_FAILED, Reason.MAX_FAILED_TRIALS_REACHED})


def judge(facts: Facts) -> Verdict:
    """Say what the study has come to."""
    for policy in _ENDS:
        if judgement := policy(facts):
            return _over(facts, *judgement)
    for policy in _STATES:
        if judgement := policy(facts):
            return Verdict(*judgement)
    return Verdict(Reason.TRIALS_RUNNING, _counts(facts))


def _over(facts: Facts, reason: Reason, message: str) -> Verdict:
    """The search is over: wait for what runs, train the best fully, publish it."""
    spec = facts.spec
    drain = spec.on_finish == "Drain" or reason is Reason.GPU_HOURS_SPENT
    if facts.running:
        verb = "waiting for" if drain else "stopping"
        return Verdict(
            Reason.DRAINING, f"{message}; {verb} {_n(len(facts.running), 'trial')}", over=True, drain=drain
        )
    if reason in _FAILURES or facts.best is None:
        return Verdict(reason, message, over=True, ended=True)
    if spec.final_training.enabled:
        if failure := facts.final_failure:
            return Verdict(Reason.FINAL_TRAINING_FAILED, f"final training: {failure}", over=True, ended=True)
        if facts.observed.final_result is None:
            number = facts.best.number if facts.observed.final_trial is None else facts.observed.final_trial
            return Verdict(
                Reason.FINAL_TRAINING,
                f"{message}; training fully with the parameters of trial {number}",
                over=True,
            )
    if promotion(facts, whole=True) is not None:
        failed = facts.observed.publication
        trouble = (
            f" (attempt {failed.attempt} failed: {failed.message})" if failed and failed.failed_at else ""
        )
        return Verdict(
            Reason.DRAINING, f"{message}; publishing the best voice{trouble}", over=True, publishing=True
        )
    return Verdict(reason, message, over=True, ended=True, succeeded=True)


def dataset_unusable(facts: Facts) -> _Judgement:
    """Preparation was given up."""
    if not facts.observed.dataset_ready and (failure := facts.prepare_failure):
        return Reason.DATASET_UNUSABLE, f"the dataset cannot be prepared: {failure}"
    return None


def all_trials_failed(facts: Facts) -> _Judgement:
    """Every trial failed in the same, permanent way: the mistake is not in the parameters."""
    if facts.hopeless and not facts.running:
        last = facts.permanent[-1]
        return Reason.ALL_TRIALS_FAILED, (
            f"{_n(len(facts.permanent), 'trial')} ended, all failed permanently; "
            f"trial {last.number}, {last.attempts[-1].message}"
        )
    return None


def goal_reached(facts: Facts) -> _Judgement:
    """The best is good enough; failures beside it no longer matter."""
    goal, best = facts.spec.goal, facts.best
    if goal is None or best is None or facts.better(goal, best.values[0]):
        return None
    return Reason.GOAL_REACHED, f"trial {best.number} has {best.values[0]:g}, the goal is {goal:g}"


def max_failed_trials_reached(facts: Facts) -> _Judgement:
    """More failures than allowed. Only trials that failed by themselves count."""
    limit = facts.spec.max_failed_trials
    if limit is None or facts.exhausted <= limit:
        return None
    return Reason.MAX_FAILED_TRIALS_REACHED, f"{_n(facts.exhausted, 'trial')} failed, {limit} may"


def max_trials_reached(facts: Facts) -> _Judgement:
    """As many trials as asked for have ended."""
    if facts.finished < facts.spec.max_trials:
        return None
    if facts.complete == 0:
        return Reason.ALL_TRIALS_FAILED, (
            f"{_n(facts.finished, 'trial')} ended, {facts.pruned} pruned and {facts.failed} failed, none complete"
        )
    return Reason.MAX_TRIALS_REACHED, f"{_n(facts.finished, 'trial')} ended"


def space_exhausted(facts: Facts) -> _Judgement:
    """Nothing unequal is left to ask, and what was asked has ended."""
    if not facts.observed.space_exhausted or facts.running or facts.waiting:
        return None
    if facts.complete == 0:
        return (
            Reason.ALL_TRIALS_FAILED,
            f"the search space is exhausted, none of {_n(facts.finished, 'trial')} complete",
        )
    return Reason.SPACE_EXHAUSTED, f"all {_n(facts.finished, 'trial')} of the search space ended"


def gpu_hours_spent(facts: Facts) -> _Judgement:
    """The budget of the search is spent; preparation and final training do not count."""
    limit = facts.spec.gpu_hours
    if limit is None:
        return None
    live = sum(live_gpu_seconds(facts, Purpose.TRIAL))
    hours = (facts.trial_gpu_seconds + live) / 3600
    return (
        (Reason.GPU_HOURS_SPENT, f"{hours:.1f} GPU hours spent, {limit:g} may be") if hours >= limit else None
    )


def no_improvement(facts: Facts) -> _Judgement:
    """So many trials ended after the best one, and none was better. Failed trials say nothing about improvement."""
    limit, best = facts.spec.no_improvement_trials, facts.best
    if limit is None or best is None:
        return None
    since = sum(_after(trial, best) for trial in facts.observed.trials)
    if since < limit:
        return None
    return Reason.NO_IMPROVEMENT, f"{_n(since, 'trial')} brought nothing better than trial {best.number}"


def deadline_exceeded(facts: Facts) -> _Judgement:
    """The search has had its time."""
    limit, started = facts.spec.active_deadline_seconds, facts.observed.started_at
    if limit is None or started is None or (facts.now - started).total_seconds() < limit:
        return None
    return Reason.DEADLINE_EXCEEDED, f"the search has had its {limit} s; {_n(facts.finished, 'trial')} ended"


def suspended(facts: Facts) -> _Judgement:
    """Nothing may run just now."""
    if facts.observed.interrupted:
        return Reason.SUSPENDED, f"interrupted; the same command goes on. {_counts(facts)}"
    if facts.spec.suspend:
        return Reason.SUSPENDED, f"spec.suspend is true. {_counts(facts)}"
    return None


def preparing(facts: Facts) -> _Judgement:
    """Trials wait for the dataset."""
    if facts.observed.dataset_ready:
        return None
    return Reason.PREPARING, facts.observed.dataset_message or "preparing the dataset"


_ENDS: tuple[_Policy, ...] = (
    dataset_unusable,  # no trial can run
    all_trials_failed,  # nor ever will
    goal_reached,  # success, whatever failed beside it
    max_failed_trials_reached,
    max_trials_reached,
    space_exhausted,
    gpu_hours_spent,
    no_improvement,
    deadline_exceeded,  # last: the clock goes on after the end
)
_STATES: tuple[_Policy, ...] = (suspended, preparing)


def live_gpu_seconds(facts: Facts, *purposes: Purpose) -> list[float]:
    """GPU seconds of attempts that are not recorded yet."""
    return [
        max(((job.ended_at or facts.now) - job.started_at).total_seconds(), 0.0) * job.gpus
        for job in facts.observed.jobs
        if job.gpus and job.started_at is not None and not job.phase.ended and job.purpose in purposes
    ]


def _after(trial: ObservedTrial, best: ObservedTrial) -> bool:
    if trial.state not in {TrialState.COMPLETE, TrialState.PRUNED} or trial.number == best.number:
        return False
    if trial.ended_at is None or best.ended_at is None:
        return trial.number > best.number
    return (trial.ended_at, trial.number) > (best.ended_at, best.number)


def _counts(facts: Facts) -> str:
    return f"{len(facts.running)} running, {facts.finished} of {facts.spec.max_trials} trials ended"


def _n(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
