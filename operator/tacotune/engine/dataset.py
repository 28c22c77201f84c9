"""The dataset is prepared before any trial is asked: one Job, retried by the same rules as a trial. Called by `plan`."""

from datetime import datetime

from tacotune.api.names import job_name
from tacotune.engine.actions import Action, CreateJob, DeleteJob, RecordAttempt
from tacotune.engine.attempts import attempt_of, next_number, since, unrecorded
from tacotune.engine.backoff import due_at
from tacotune.engine.facts import Facts
from tacotune.engine.observed import Purpose
from tacotune.engine.verdict import Verdict

NO_TRIAL = -1
"""Trial number of a preparation."""


def prepare(facts: Facts, verdict: Verdict) -> tuple[tuple[Action, ...], datetime | None]:
    """Settle ended preparations and start the next one.

    Returns:
        Actions, and when the next attempt is due, where that is later than now.
    """
    observed, spec = facts.observed, facts.spec
    jobs = facts.jobs_of(Purpose.PREPARE)
    attempts = observed.prepare_attempts
    actions: list[Action] = []
    for job in unrecorded(jobs, attempts):
        attempt = attempt_of(
            job,
            spec,
            now=facts.now,
            spec_hash="",
            previous=since(attempts, observed.forgive_before),
        )
        attempts = (*attempts, attempt)
        actions.append(RecordAttempt(Purpose.PREPARE, NO_TRIAL, attempt))
    actions += [DeleteJob(job.name) for job in jobs if job.phase.ended]
    live = any(not job.phase.ended for job in jobs)
    if observed.dataset_ready or live or facts.halted or verdict.ended or actions:
        # After an attempt the next pass looks first whether the dataset is there now.
        return tuple(actions), None
    number = next_number(attempts, jobs)
    name = job_name(observed.name, Purpose.PREPARE.value, NO_TRIAL, number)
    due = due_at(since(attempts, observed.forgive_before), spec.retry.backoff, name)
    if due is not None and due > facts.now:
        return (), due
    return (CreateJob(Purpose.PREPARE, NO_TRIAL, number, spec_hash=observed.spec_hash),), None
