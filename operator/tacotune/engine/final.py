"""The final training: when the search has succeeded, train fully with the best trial's parameters. Called by `plan`.

Which trial that is stands in the store before the first attempt starts, so no later pass can change it halfway.
"""

from collections.abc import Mapping
from datetime import datetime

from tacotune.api.conditions import Reason
from tacotune.api.names import job_name
from tacotune.engine.actions import Action, CreateJob, DeleteJob, RecordAttempt, RecordFinal
from tacotune.engine.attempts import attempt_of, next_number, overrides, since, unrecorded
from tacotune.engine.backoff import due_at
from tacotune.engine.classify import own_result
from tacotune.engine.facts import Facts, attempts_of
from tacotune.engine.observed import Attempt, ParameterValue, Purpose
from tacotune.engine.verdict import Verdict


def train_fully(facts: Facts, verdict: Verdict) -> tuple[tuple[Action, ...], datetime | None]:
    """Settle ended final trainings and start the next one.

    Returns:
        Actions, and when the next attempt is due, where that is later than now.
    """
    observed, spec = facts.observed, facts.spec
    number = observed.final_trial
    jobs = facts.jobs_of(Purpose.FINAL)
    attempts = observed.final_attempts
    actions: list[Action] = []
    if number is not None:
        for job in unrecorded(jobs, attempts):
            attempt = attempt_of(
                job,
                spec,
                now=facts.now,
                spec_hash=observed.spec_hash,
                previous=since(attempts, observed.forgive_before),
                parameters=final_parameters(facts, number, attempts),
            )
            attempts = (*attempts, attempt)
            actions.append(RecordAttempt(Purpose.FINAL, number, attempt))
        result = next(
            (r for job in jobs if job.phase.ended and (r := own_result(job, observed.spec_hash))), None
        )
        if result is not None and observed.final_result is None:
            actions.append(RecordFinal(number, result.model_dump_json(by_alias=True)))
    actions += [DeleteJob(job.name) for job in jobs if job.phase.ended]
    live = any(not job.phase.ended for job in jobs)
    if (
        actions
        or live
        or facts.halted
        or verdict.reason is not Reason.FINAL_TRAINING
        or not observed.dataset_ready
    ):
        return tuple(actions), None
    if number is None:
        assert facts.best is not None, "a search without a best trial has no final training"
        return (RecordFinal(facts.best.number),), None
    return _start(facts, number, attempts)


def _start(
    facts: Facts, number: int, attempts: tuple[Attempt, ...]
) -> tuple[tuple[Action, ...], datetime | None]:
    observed = facts.observed
    attempt = next_number(attempts, facts.jobs_of(Purpose.FINAL))
    name = job_name(observed.name, Purpose.FINAL.value, number, attempt)
    due = due_at(since(attempts, observed.forgive_before), facts.spec.retry.backoff, name)
    if due is not None and due > facts.now:
        return (), due
    return (
        CreateJob(
            Purpose.FINAL,
            number,
            attempt,
            parameters=final_parameters(facts, number, attempts),
            overrides=overrides(attempts),
            spec_hash=observed.spec_hash,
        ),
    ), None


def final_parameters(
    facts: Facts, number: int, attempts: tuple[Attempt, ...]
) -> Mapping[str, ParameterValue]:
    """The best trial's parameters, as its last attempt ran with them, then finalTraining's own, then what attempts changed."""
    final = facts.spec.final_training
    trial = next((t for t in facts.observed.trials if t.number == number), None)
    merged: dict[str, ParameterValue] = dict(facts.spec.fixed_parameters)
    if trial is not None:
        merged |= {**trial.parameters, **overrides(attempts_of(trial))}
    if final.epochs is not None:
        merged["epochs"] = final.epochs
    return {**merged, **final.parameters, **overrides(attempts)}
