"""Trials: settle what ended, launch what may start, ask for what there is room for, clear away. Called by `plan`.

A trial holds a slot from the ask to the tell, also while it waits for its next attempt: so there are never more than
`parallelism` of them, and what was begun is finished before anything new is begun.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from tacotune.api.names import job_name
from tacotune.api.trial_contract import ResultState, TrialResult
from tacotune.engine.actions import (
    Action,
    AskTrial,
    CreateJob,
    DeleteJob,
    RecordAttempt,
    TellTrial,
)
from tacotune.engine.attempts import attempt_of, given_up, next_number, overrides, unrecorded
from tacotune.engine.backoff import due_at
from tacotune.engine.classify import own_result
from tacotune.engine.facts import Facts, attempts_of, no_value, values_of
from tacotune.engine.observed import (
    Attempt,
    ObservedTrial,
    ParameterValue,
    Purpose,
    TrialState,
)
from tacotune.engine.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Resume:
    """A trial that waits for its next attempt."""

    trial: ObservedTrial
    attempts: tuple[Attempt, ...]
    due: datetime | None
    """None: at once."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What brings trials and Jobs in line, and the trials that are to have a Job."""

    actions: tuple[Action, ...]
    resumes: tuple[Resume, ...]


def settle(facts: Facts, verdict: Verdict) -> Settled:
    """Bring trials and Jobs in line, whichever of the two an earlier pass left behind."""
    actions: list[Action] = []
    resumes: list[Resume] = []
    for trial in facts.running:
        found, resume = _settle(facts, verdict, trial)
        actions += found
        if resume is not None:
            resumes.append(resume)
    return Settled(tuple(actions), tuple(resumes))


def clear(facts: Facts) -> Iterator[DeleteJob]:
    """Delete the Jobs of trials that were told (or whose row is gone): last, for slots are filled first."""
    running = {trial.number for trial in facts.running}
    for job in facts.jobs_of(Purpose.TRIAL):
        if job.phase.ended and job.trial not in running:
            yield DeleteJob(job.name)


def _settle(facts: Facts, verdict: Verdict, trial: ObservedTrial) -> tuple[list[Action], Resume | None]:
    observed, jobs = facts.observed, facts.jobs_of(Purpose.TRIAL, trial.number)
    if not trial.parameters_complete and not jobs:
        # An earlier ask was cut off between the row and its parameters; its number cannot be used again.
        return [TellTrial(trial.number, TrialState.FAIL, message="cut off while it was asked")], None
    attempts = attempts_of(trial)
    actions: list[Action] = []
    for job in unrecorded(jobs, attempts):
        attempt = attempt_of(
            job,
            facts.spec,
            now=facts.now,
            spec_hash=trial.spec_hash,
            previous=attempts,
            parameters=parameters_of(facts, trial, attempts),
        )
        attempts = (*attempts, attempt)
        actions.append(RecordAttempt(Purpose.TRIAL, trial.number, attempt))
    ended = [job for job in jobs if job.phase.ended]
    result = next((r for job in ended if (r := own_result(job, trial.spec_hash)) is not None), None)
    live = len(ended) < len(jobs)
    tell = _tell(facts, verdict, trial, attempts, result, live=live)
    if tell is not None:
        # Its Jobs are deleted when a later pass finds it told: the tell takes its values from their result.
        return [*actions, tell], None
    # Deleted only after their attempt is recorded.
    actions += [DeleteJob(job.name) for job in ended]
    if live:
        return actions, None
    name = job_name(observed.name, Purpose.TRIAL.value, trial.number, next_number(attempts, jobs))
    return actions, Resume(trial, attempts, due_at(attempts, facts.spec.retry.backoff, name))


def _tell(
    facts: Facts,
    verdict: Verdict,
    trial: ObservedTrial,
    attempts: Sequence[Attempt],
    result: TrialResult | None,
    *,
    live: bool,
) -> TellTrial | None:
    """How the trial ended; None when it has not."""
    if result is not None:
        return told(facts, trial.number, result)
    return None if live else _without_result(facts, verdict, trial, attempts)


def _without_result(
    facts: Facts, verdict: Verdict, trial: ObservedTrial, attempts: Sequence[Attempt]
) -> TellTrial | None:
    """Why a trial that has no Job gets no further one; None when it does."""
    number = trial.number
    if trial.prune_requested:
        return TellTrial(number, TrialState.PRUNED, message=f"pruned: {trial.prune_requested}")
    if failure := given_up(attempts, facts.spec.retry):
        return TellTrial(number, TrialState.FAIL, message=failure)
    if verdict.over and not verdict.drain:
        # With a report it teaches the sampler something; without one it teaches nothing.
        state = TrialState.PRUNED if trial.last_report is not None else TrialState.FAIL
        # Without the reason, which the study's condition tells: it changes with each trial that is told.
        return TellTrial(number, state, message="stopped: the study has ended")
    if not attempts and trial.spec_hash and trial.spec_hash != facts.observed.spec_hash:
        return TellTrial(
            number, TrialState.FAIL, message="the study was edited between its ask and its start"
        )
    return None


def told(facts: Facts, number: int, result: TrialResult) -> TellTrial:
    """The tell that a result stands for. Without a finite value for every objective it is never COMPLETE."""
    values = values_of(result, facts.spec)
    match result.state:
        case ResultState.COMPLETE | ResultState.EARLY_STOPPED:
            state = TrialState.FAIL if values is None else TrialState.COMPLETE
        case ResultState.PRUNED | ResultState.DIVERGED | ResultState.INFEASIBLE:
            # The parameters are to blame: PRUNED tells the sampler so, FAIL would hide it.
            state = TrialState.PRUNED
    return TellTrial(
        number,
        state,
        values=values if values is not None and state is TrialState.COMPLETE else (),
        message=no_value(result, facts.spec)
        if state is TrialState.FAIL
        else (result.message or result.state.value),
        metrics={name: value for name, value in result.metrics.items() if value is not None},
        checkpoint=result.checkpoint or "",
        best_step=result.best_step,
    )


def parameters_of(
    facts: Facts, trial: ObservedTrial, attempts: Sequence[Attempt]
) -> dict[str, ParameterValue]:
    """Fixed and sampled parameters with what earlier attempts changed."""
    return {**facts.spec.fixed_parameters, **trial.parameters, **overrides(attempts)}


def launch(facts: Facts, resumes: Sequence[Resume]) -> Iterator[CreateJob]:
    """Start what is due, begun trials first, as far as there are slots."""
    if facts.halted or not facts.observed.dataset_ready:
        return
    live = sum(job.purpose is not Purpose.PREPARE for job in facts.live)
    slots = facts.spec.parallelism - live
    due = [r for r in resumes if r.due is None or r.due <= facts.now]
    for resume in sorted(due, key=lambda r: (not r.attempts, r.trial.number))[: max(slots, 0)]:
        trial = resume.trial
        yield CreateJob(
            Purpose.TRIAL,
            trial.number,
            next_number(resume.attempts, facts.jobs_of(Purpose.TRIAL, trial.number)),
            parameters=parameters_of(facts, trial, resume.attempts),
            overrides=overrides(resume.attempts),
            spec_hash=trial.spec_hash or facts.observed.spec_hash,
        )


def ask(facts: Facts, verdict: Verdict) -> Iterator[AskTrial]:
    """Ask for as many trials as there is room for; called only when everything else is placed."""
    if verdict.over or facts.halted or not facts.observed.dataset_ready or facts.hopeless:
        return
    finals = sum(job.purpose is Purpose.FINAL for job in facts.live)
    free = facts.spec.parallelism - len(facts.running) - finals
    room = max(min(free, facts.spec.max_trials - facts.asked), 0)
    numbers = list(facts.waiting)
    if not facts.observed.space_exhausted:
        numbers += range(facts.highest + 1, facts.highest + 1 + room)
    for number in numbers[:room]:
        yield AskTrial(number)
