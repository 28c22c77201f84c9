"""What is measured of a study: numbers that follow from stored facts, and waits that are seen once."""

import pytest

from support.builders import (
    NOW,
    at,
    attempt_of,
    complete,
    failed,
    job_of,
    observed_of,
    progress_at,
    spec_of,
    trial_of,
)
from tacotune.engine.actions import CreateJob, RecordAttempt, TellTrial
from tacotune.engine.measures import GpuOutcome, Pace, Waits, keep_pace, measure
from tacotune.engine.observed import Attempt, Cause, JobPhase, Observed, Purpose, TrialState

ENDED = attempt_of(1, Cause.FINISHED, ended=-3)


def test_an_empty_study_has_every_number_and_it_is_nought() -> None:
    measures = measure(observed_of(started_at=None))
    assert (measures.objective, measures.direction) == ("tts_score", "Minimize")
    assert measures.attempts == dict.fromkeys(Cause, 0)
    assert measures.gpu_seconds == dict.fromkeys(GpuOutcome, 0.0)
    assert (measures.retries, measures.progressed_at) == (0, None)


def test_attempts_are_counted_by_cause_whatever_they_were_for() -> None:
    observed = observed_of(
        [
            complete(0, 0.5),
            failed(1, Cause.TRANSIENT),
            trial_of(2, attempts=(attempt_of(1, Cause.DISRUPTION),)),
        ],
        prepare_attempts=(attempt_of(1, Cause.FINISHED),),
        final_attempts=(attempt_of(1, Cause.OUT_OF_MEMORY),),
    )
    assert measure(observed).attempts == {
        Cause.FINISHED: 2,
        Cause.DISRUPTION: 1,
        Cause.OUT_OF_MEMORY: 1,
        Cause.TRANSIENT: 1,
        Cause.PERMANENT: 0,
    }


def test_gpu_time_is_counted_by_what_its_trial_came_to_and_not_before() -> None:
    def used(seconds: float, cause: Cause = Cause.FINISHED) -> Attempt:
        return attempt_of(1, cause, gpu_seconds=seconds)

    retried = (used(1, Cause.TRANSIENT), used(2, Cause.DISRUPTION), used(4))
    observed = observed_of(
        [
            complete(0, 0.5, attempts=retried),
            trial_of(1, TrialState.PRUNED, attempts=(used(8),)),
            failed(2, attempts=(used(16, Cause.DISRUPTION), used(32, Cause.PERMANENT))),
            trial_of(3, attempts=(used(64, Cause.OUT_OF_MEMORY), used(128, Cause.DISRUPTION))),
        ],
        prepare_attempts=(used(256, Cause.TRANSIENT), used(512)),
        final_attempts=(used(1024),),
    )
    assert measure(observed).gpu_seconds == {
        GpuOutcome.USEFUL: 2 + 4 + 512 + 1024,
        GpuOutcome.PRUNED: 8,
        # A fault is one at once; what a disruption interrupted (128) is open while its trial runs.
        GpuOutcome.LOST: 1 + 16 + 32 + 64 + 256,
    }


def test_a_retry_counts_when_it_starts() -> None:
    first = trial_of(0, attempts=(attempt_of(1),))
    assert measure(observed_of([first])).retries == 0
    assert measure(observed_of([first], [job_of(0, 2)])).retries == 1
    both = trial_of(0, attempts=(attempt_of(1), attempt_of(2)))
    other = [job_of(0, 3), job_of(-1, 2, purpose=Purpose.PREPARE)]
    assert measure(observed_of([both, trial_of(1)], other)).retries == 3


def test_progress_is_the_newest_sign_and_never_in_the_future() -> None:
    trial = trial_of(0, started_at=at(-50), progress=progress_at(-7))
    assert measure(observed_of([trial])).progressed_at == at(-7)
    late = trial_of(0, started_at=at(-50), progress=progress_at(3600))
    assert measure(observed_of([late])).progressed_at == at(-50)
    absurd = progress_at(0).model_copy(update={"updated_at": 1e300})
    assert measure(observed_of([trial_of(0, progress=absurd)], started_at=at(-9))).progressed_at == at(-9)


def first_pass(observed: Observed) -> Pace:
    pace, waits = keep_pace(Pace(), observed, (), now=NOW, ended=False)
    assert waits == Waits(), "what happened before the first pass was not seen"
    return pace


def test_a_wait_for_a_pod_is_seen_once() -> None:
    waiting = observed_of([trial_of(0)], [job_of(0, 1, JobPhase.PENDING)])
    running = observed_of([trial_of(0)], [job_of(0, 1)])
    pace = first_pass(waiting)
    pace, waits = keep_pace(pace, running, (), now=NOW, ended=False)
    assert waits.queue == ((Purpose.TRIAL, 10.0),)
    pace, waits = keep_pace(pace, running, (), now=NOW, ended=False)
    assert waits.queue == ()
    pace, waits = keep_pace(pace, observed_of(jobs=[job_of(0, 1), job_of(1, 1)]), (), now=NOW, ended=False)
    assert len(waits.queue) == 1


def test_a_job_that_ran_before_the_first_pass_is_not_measured() -> None:
    pace = first_pass(observed_of([trial_of(0)], [job_of(0, 1)]))
    _, waits = keep_pace(pace, observed_of([trial_of(0)], [job_of(0, 1)]), (), now=NOW, ended=False)
    assert waits.queue == ()


def test_turnover_is_from_a_trials_last_end_to_the_next_trials_job() -> None:
    observed = observed_of([trial_of(0, attempts=(attempt_of(1, ended=-500),))])
    told = (RecordAttempt(Purpose.TRIAL, 0, ENDED), TellTrial(0, TrialState.COMPLETE, (0.5,)))
    pace, waits = keep_pace(first_pass(observed), observed, told, now=NOW, ended=False)
    assert (pace.freed, waits.turnover) == ((at(-3),), ())
    pace, waits = keep_pace(pace, observed, (CreateJob(Purpose.TRIAL, 1, 1),), now=at(2), ended=False)
    assert (pace.freed, waits.turnover) == ((), (5.0,))


@pytest.mark.parametrize(
    "job",
    [CreateJob(Purpose.TRIAL, 1, 2), CreateJob(Purpose.FINAL, 1, 1), CreateJob(Purpose.PREPARE, -1, 1)],
    ids=["a retry", "the final training", "the preparation"],
)
def test_only_a_new_trial_takes_a_place(job: CreateJob) -> None:
    _, waits = keep_pace(Pace(frozenset(), (at(-3),)), observed_of(), (job,), now=NOW, ended=False)
    assert waits.turnover == ()


def test_the_first_trials_of_a_study_take_no_place_of_others() -> None:
    created = (CreateJob(Purpose.TRIAL, 0, 1), CreateJob(Purpose.TRIAL, 1, 1))
    _, waits = keep_pace(Pace(frozenset()), observed_of(), created, now=NOW, ended=False)
    assert waits.turnover == ()


def test_places_that_nobody_may_take_are_forgotten() -> None:
    freed = Pace(frozenset(), (at(-9), at(-6), at(-3)))
    pace, _ = keep_pace(freed, observed_of(), (), now=NOW, ended=False)
    assert pace.freed == (at(-6), at(-3)), "as many as the study has places"
    for observed, ended in (
        (observed_of(), True),
        (observed_of(spec=spec_of(suspend=True)), False),
        (observed_of(interrupted=True), False),
    ):
        assert keep_pace(freed, observed, (), now=NOW, ended=ended)[0].freed == ()
