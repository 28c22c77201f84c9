"""Whole plans for single situations: what is done, in which order."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from support.builders import (
    NAME,
    at,
    attempt_of,
    complete,
    failed,
    hash_of,
    job_of,
    observed_of,
    progress_at,
    result_of,
    spec_of,
    trial_of,
)
from tacotune.api.names import job_name
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
from tacotune.engine.events import EventReason
from tacotune.engine.observed import (
    Cause,
    JobPhase,
    Observed,
    ObservedJob,
    Publication,
    Purpose,
    StopReason,
    Storage,
    TrialState,
)
from tacotune.engine.plan import RESYNC_SECONDS, plan
from tacotune.engine.prune import prune_note, reason_of

PARAMETERS = {"learning_rate": 0.01}


def actions(*trials: Any, jobs: Any = (), **fields: Any) -> list[Action]:
    return list(plan(observed_of(trials, jobs, **fields)).actions)


def start(trial: int = 0, attempt: int = 1, **fields: Any) -> CreateJob:
    fields.setdefault("parameters", PARAMETERS)
    return CreateJob(Purpose.TRIAL, trial, attempt, spec_hash=hash_of(), **fields)


def recorded(found: list[Action]) -> RecordAttempt:
    return next(action for action in found if isinstance(action, RecordAttempt))


# --- preparation


def test_the_dataset_is_prepared_before_anything_is_asked() -> None:
    assert actions(dataset_ready=False) == [CreateJob(Purpose.PREPARE, -1, 1, spec_hash=hash_of())]


def test_nothing_is_asked_while_the_dataset_is_prepared() -> None:
    assert actions(jobs=[job_of(-1, purpose=Purpose.PREPARE)], dataset_ready=False) == []


def test_an_ended_preparation_is_recorded_then_forgotten_then_trials_are_asked() -> None:
    job = job_of(-1, 1, JobPhase.SUCCEEDED, purpose=Purpose.PREPARE)
    found = actions(jobs=[job])
    assert [type(a) for a in found] == [RecordAttempt, DeleteJob]
    attempt = recorded(found).attempt
    assert attempt.cause is Cause.FINISHED
    assert actions(prepare_attempts=(attempt,)) == [AskTrial(0), AskTrial(1)]


def test_a_failed_preparation_waits_then_is_tried_again() -> None:
    once = (attempt_of(1, ended=-4),)
    waiting = plan(observed_of(dataset_ready=False, prepare_attempts=once))
    assert waiting.actions == ()
    assert waiting.requeue_after is not None
    assert 1 <= waiting.requeue_after <= 1.5
    later = replace(observed_of(dataset_ready=False, prepare_attempts=once), now=at(2))
    assert list(plan(later).actions) == [CreateJob(Purpose.PREPARE, -1, 2, spec_hash=hash_of())]


def test_a_refused_dataset_is_not_tried_again() -> None:
    refused = plan(observed_of(dataset_ready=False, prepare_attempts=(attempt_of(1, Cause.PERMANENT),)))
    assert refused.actions == ()
    assert refused.ended


def test_a_dataset_that_never_appears_is_given_up() -> None:
    found = tuple(attempt_of(i, Cause.FINISHED) for i in (1, 2, 3))
    assert plan(observed_of(dataset_ready=False, prepare_attempts=found)).ended


# --- asking


def test_trials_are_asked_for_every_free_slot() -> None:
    assert actions() == [AskTrial(0), AskTrial(1)]


def test_no_more_than_max_trials_are_asked() -> None:
    spec = spec_of(maxTrials=3)
    assert actions(complete(0, 0.5), trial_of(1), jobs=[job_of(1)], spec=spec, promoted="trial/0/checkpoints/step-00000100") == [AskTrial(2)]  # fmt: skip
    asked = [complete(0, 0.5), complete(1, 0.6), trial_of(2)]
    assert actions(*asked, jobs=[job_of(2)], spec=spec, promoted="trial/0/checkpoints/step-00000100") == []


def test_a_final_training_of_a_study_that_was_reopened_holds_a_slot() -> None:
    job = job_of(0, purpose=Purpose.FINAL)
    published = "trial/0/checkpoints/step-00000100"
    assert actions(complete(0, 0.5), jobs=[job], final_trial=0, promoted=published) == [AskTrial(1)]


def test_enqueued_trials_are_asked_first() -> None:
    waiting = [trial_of(0, TrialState.WAITING), trial_of(1, TrialState.WAITING)]
    assert actions(*waiting, spec=spec_of(parallelism=3)) == [AskTrial(0), AskTrial(1), AskTrial(2)]


def test_enqueued_trials_beyond_max_trials_are_never_asked() -> None:
    waiting = [trial_of(i, TrialState.WAITING) for i in range(5)]
    assert actions(*waiting, spec=spec_of(maxTrials=2)) == [AskTrial(0), AskTrial(1)]


def test_a_trial_that_waits_for_its_next_attempt_keeps_its_slot() -> None:
    retrying = trial_of(0, attempts=(attempt_of(1, ended=0),))
    assert actions(retrying, trial_of(1), jobs=[job_of(1)]) == []


def test_nothing_is_asked_while_trials_are_still_to_be_placed() -> None:
    assert actions(trial_of(0)) == [start(0)]


def test_nothing_is_asked_while_a_trial_without_all_parameters_exists() -> None:
    orphan = trial_of(0, parameters={}, parameters_complete=False)
    assert actions(orphan) == [TellTrial(0, TrialState.FAIL, message="cut off while it was asked")]


def test_nothing_is_asked_once_the_space_is_exhausted() -> None:
    assert actions(trial_of(0), jobs=[job_of(0)], space_exhausted=True) == []


def test_an_enqueued_trial_is_asked_even_in_an_exhausted_space() -> None:
    assert actions(trial_of(0, TrialState.WAITING), space_exhausted=True) == [AskTrial(0)]


def test_nothing_is_asked_while_every_trial_fails_permanently_and_one_is_still_out() -> None:
    bad = [failed(i) for i in range(3)]
    assert actions(*bad, trial_of(3), jobs=[job_of(3)], spec=spec_of(maxTrials=20)) == []


# --- launching


def test_a_running_trial_without_a_job_gets_its_first_attempt() -> None:
    spec = spec_of(fixedParameters={"epochs": 8})
    trial = trial_of(0, spec_hash=hash_of(spec))
    assert actions(trial, spec=spec, jobs=()) == [
        CreateJob(Purpose.TRIAL, 0, 1, parameters={"epochs": 8, **PARAMETERS}, spec_hash=hash_of(spec))
    ]


def test_interrupted_trials_resume_before_new_ones_start() -> None:
    new, old = trial_of(0), trial_of(1, attempts=(attempt_of(1, Cause.DISRUPTION),))
    assert actions(new, old, spec=spec_of(parallelism=1)) == [start(1, 2)]


def test_no_more_attempts_than_slots_start_when_parallelism_was_lowered() -> None:
    spec = spec_of(parallelism=1)
    running = [trial_of(i) for i in range(3)]
    assert actions(*running, jobs=[job_of(0)], spec=spec) == []


def test_a_trial_asked_before_an_edit_and_never_started_is_given_up() -> None:
    found = actions(trial_of(0, spec_hash="sha256:before"))
    assert found == [
        TellTrial(0, TrialState.FAIL, message="the study was edited between its ask and its start")
    ]


def test_a_trial_started_before_an_edit_goes_on_under_its_own_snapshot() -> None:
    trial = trial_of(0, spec_hash="sha256:before", attempts=(attempt_of(1, Cause.DISRUPTION),))
    assert actions(trial) == [
        CreateJob(Purpose.TRIAL, 0, 2, parameters=PARAMETERS, spec_hash="sha256:before")
    ]


# --- settling


def test_a_finished_trial_is_recorded_then_told() -> None:
    job = job_of(0, 1, JobPhase.SUCCEEDED, result=result_of("complete", 0.3), gpus=2)
    found = actions(trial_of(0), jobs=[job])
    attempt = recorded(found).attempt
    assert found == [
        RecordAttempt(Purpose.TRIAL, 0, attempt),
        TellTrial(
            0,
            TrialState.COMPLETE,
            values=(0.3,),
            message="complete",
            metrics={"tts_score": 0.3},
            checkpoint="checkpoints/step-00000100",
            best_step=100,
        ),
    ]
    assert (attempt.cause, attempt.outcome, attempt.gpu_seconds) == (Cause.FINISHED, "complete", 20.0)


@pytest.mark.parametrize(
    ("state", "values", "told"),
    [
        ("complete", (0.3,), TrialState.COMPLETE),
        ("early_stopped", (0.3,), TrialState.COMPLETE),
        ("complete", (None,), TrialState.FAIL),
        ("complete", (float("nan"),), TrialState.FAIL),
        ("complete", (float("inf"),), TrialState.FAIL),
        ("complete", (float("-inf"),), TrialState.FAIL),
        ("complete", (), TrialState.FAIL),
        ("complete", (0.1, 0.2), TrialState.FAIL),
        ("early_stopped", (None,), TrialState.FAIL),
        ("pruned", (0.3,), TrialState.PRUNED),
        ("pruned", (None,), TrialState.PRUNED),
        ("diverged", (), TrialState.PRUNED),
        ("infeasible", (), TrialState.PRUNED),
    ],
)
def test_a_result_is_told_as_its_state_and_never_complete_without_finite_values(
    state: str, values: tuple[float | None, ...], told: TrialState
) -> None:
    job = job_of(0, 1, JobPhase.SUCCEEDED, result=result_of(state, *values))
    tell = next(a for a in actions(trial_of(0), jobs=[job]) if isinstance(a, TellTrial))
    assert tell.state is told
    assert tell.values == (values if told is TrialState.COMPLETE else ())


def test_metrics_that_are_not_finite_are_left_out() -> None:
    result = result_of("complete", 0.3, metrics={"tts_score": 0.3, "mcd_dtw": float("nan"), "val_loss": None})
    job = job_of(0, 1, JobPhase.SUCCEEDED, result=result)
    tell = next(a for a in actions(trial_of(0), jobs=[job]) if isinstance(a, TellTrial))
    assert tell.metrics == {"tts_score": 0.3}


def test_a_crash_is_recorded_and_waits() -> None:
    job = job_of(0, 1, JobPhase.FAILED, message="boom")
    found = actions(trial_of(0), jobs=[job])
    assert [type(a) for a in found] == [RecordAttempt, DeleteJob]
    waiting = plan(
        observed_of([trial_of(0, attempts=(recorded(found).attempt,))], spec=spec_of(parallelism=1))
    )
    assert waiting.actions == ()
    assert waiting.requeue_after is not None
    assert 5 <= waiting.requeue_after <= 5.5


def test_an_attempt_that_is_due_starts() -> None:
    assert actions(trial_of(0, attempts=(attempt_of(1, ended=-6),))) == [start(0, 2)]


def test_a_disruption_is_resumed_in_the_same_pass() -> None:
    job = job_of(0, 1, JobPhase.FAILED, exit_code=143, reason="DisruptionTarget")
    found = actions(trial_of(0), jobs=[job])
    assert [type(a) for a in found] == [RecordAttempt, DeleteJob, CreateJob]
    assert found[-1] == start(0, 2)


def test_the_third_failure_is_the_last() -> None:
    trial = trial_of(0, attempts=(attempt_of(1), attempt_of(2)))
    found = actions(trial, jobs=[job_of(0, 3, JobPhase.FAILED, message="boom")])
    assert found[1] == TellTrial(0, TrialState.FAIL, message="all 3 attempts failed, the last: crashed: boom")


def test_disruptions_do_not_count_as_failures() -> None:
    attempts = tuple(attempt_of(i, Cause.DISRUPTION) for i in range(1, 9))
    trial = trial_of(0, attempts=attempts)
    found = actions(trial, jobs=[job_of(0, 9, JobPhase.FAILED)])
    assert [type(a) for a in found] == [RecordAttempt, DeleteJob]


def test_a_permanent_failure_fails_the_trial_at_once() -> None:
    found = actions(trial_of(0), jobs=[job_of(0, 1, JobPhase.FAILED, exit_code=64, message="no parameter x")])
    assert found[1] == TellTrial(0, TrialState.FAIL, message="attempt 1: bad configuration: no parameter x")


def test_a_finished_attempt_whose_job_vanished_before_the_tell_is_run_again_for_its_result() -> None:
    assert actions(trial_of(0, attempts=(attempt_of(1, Cause.FINISHED, ended=0),))) == [start(0, 2)]


TOLD = job_of(0, 1, JobPhase.SUCCEEDED, result=result_of("complete", 0.3))
PUBLISHED = "trial/0/checkpoints/step-00000100"


def test_an_ended_job_of_a_told_trial_is_only_forgotten() -> None:
    found = actions(
        complete(0, 0.3), jobs=[TOLD], promoted=PUBLISHED, spec=spec_of(maxTrials=1, parallelism=1)
    )
    assert found == [DeleteJob(TOLD.name)]


def test_a_free_slot_is_filled_before_the_job_that_left_it_is_forgotten() -> None:
    one = spec_of(maxTrials=2, parallelism=1)
    told = complete(0, 0.3)
    assert actions(told, jobs=[TOLD], promoted=PUBLISHED, spec=one) == [AskTrial(1)]
    asked = actions(told, trial_of(1), jobs=[TOLD], promoted=PUBLISHED, spec=one)
    assert asked == [start(1, 1), DeleteJob(TOLD.name)]


def test_a_live_job_of_a_told_trial_is_stopped() -> None:
    job = job_of(0)
    found = actions(complete(0, 0.3), jobs=[job], promoted="trial/0/checkpoints/step-00000100")
    assert found == [StopJob(job.name, StopReason.TRIAL_FINISHED)]


def test_a_live_job_without_a_trial_is_stopped() -> None:
    assert actions(jobs=[job_of(7)]) == [StopJob(job_name(NAME, "trial", 7, 1), StopReason.TRIAL_FINISHED)]


def test_of_two_live_attempts_the_older_is_stopped() -> None:
    older, newer = job_of(0, 1), job_of(0, 2)
    assert actions(trial_of(0), jobs=[newer, older]) == [StopJob(older.name, StopReason.TRIAL_FINISHED)]


# --- out of memory


def oom(spec: Any, trial: Any, attempt: int = 1) -> list[Action]:
    job = job_of(0, attempt, JobPhase.FAILED, exit_code=137, reason="OOMKilled")
    return actions(replace(trial, spec_hash=hash_of(spec)), jobs=[job], spec=spec)


REDUCE = {"retry": {"onOutOfMemory": "ReduceBatch"}}


def test_out_of_memory_halves_the_batch_and_doubles_the_accumulation() -> None:
    spec = spec_of(**REDUCE, fixedParameters={"batch_size": 32, "accumulation_steps": 1})
    attempt = recorded(oom(spec, trial_of(0))).attempt
    assert attempt.cause is Cause.OUT_OF_MEMORY
    assert attempt.overrides == {"batch_size": 16, "accumulation_steps": 2}


def test_reductions_add_up_and_reach_the_next_attempt() -> None:
    spec = spec_of(**REDUCE, fixedParameters={"batch_size": 32, "accumulation_steps": 1})
    once = attempt_of(1, Cause.OUT_OF_MEMORY, overrides={"batch_size": 16, "accumulation_steps": 2})
    second = recorded(oom(spec, trial_of(0, attempts=(once,)), attempt=2)).attempt
    assert second.overrides == {"batch_size": 8, "accumulation_steps": 4}
    trial = trial_of(0, attempts=(once, second), spec_hash=hash_of(spec))
    created = actions(trial, spec=spec, now=at(60))[0]
    assert isinstance(created, CreateJob)
    assert created.overrides == {"batch_size": 8, "accumulation_steps": 4}
    assert created.parameters == {**PARAMETERS, "batch_size": 8, "accumulation_steps": 4}


def test_a_batch_that_is_not_given_is_the_trainers_default() -> None:
    assert recorded(oom(spec_of(**REDUCE), trial_of(0))).attempt.overrides["accumulation_steps"] == 2


def test_a_batch_of_one_cannot_be_halved() -> None:
    spec = spec_of(**REDUCE, fixedParameters={"batch_size": 1})
    assert recorded(oom(spec, trial_of(0))).attempt.overrides == {}


def test_without_reduce_batch_nothing_is_changed() -> None:
    assert recorded(oom(spec_of(fixedParameters={"batch_size": 32}), trial_of(0))).attempt.overrides == {}


# --- pruning


def advised(**fields: Any) -> Any:
    fields.setdefault("last_report", (300, 0.9))
    fields.setdefault("best_report", (100, 0.5))
    return trial_of(0, prune_advised="median", **fields)


ONE = {"spec": spec_of(parallelism=1)}


def test_an_advised_trial_is_asked_to_end() -> None:
    found = actions(advised(), jobs=[job_of(0)], **ONE)
    assert found == [RequestPrune(0, "median [since 2030-01-01T12:00:00+00:00]")]


def test_a_trial_whose_newest_report_is_its_best_is_spared() -> None:
    assert actions(advised(best_report=(300, 0.9)), jobs=[job_of(0)], **ONE) == []


def test_the_guard_can_be_switched_off() -> None:
    spec = spec_of(parallelism=1, pruner={"name": "median", "keepImprovingAlignment": False})
    found = actions(advised(best_report=(300, 0.9), spec_hash=hash_of(spec)), jobs=[job_of(0)], spec=spec)
    assert [type(a) for a in found] == [RequestPrune]


def test_a_trial_is_asked_once() -> None:
    asked = advised(prune_requested="median [since 2030-01-01T11:59:00+00:00]")
    assert actions(asked, jobs=[job_of(0)], **ONE) == []


def test_a_trial_that_does_not_listen_is_stopped_then_told_pruned() -> None:
    asked = advised(prune_requested="median [since 2030-01-01T11:50:00+00:00]")
    job = job_of(0)
    assert actions(asked, jobs=[job], **ONE) == [StopJob(job.name, StopReason.PRUNED)]
    ended = replace(job, phase=JobPhase.FAILED, exit_code=75, stopping=StopReason.PRUNED, ended_at=at(0))
    found = actions(asked, jobs=[ended], **ONE)
    assert [type(a) for a in found] == [RecordAttempt, TellTrial]
    tell = found[1]
    assert isinstance(tell, TellTrial)
    assert tell.state is TrialState.PRUNED


def test_a_trial_that_finished_before_it_heard_is_complete() -> None:
    asked = advised(prune_requested="median [since 2030-01-01T11:59:00+00:00]")
    job = job_of(0, 1, JobPhase.SUCCEEDED, result=result_of("complete", 0.3))
    tell = actions(asked, jobs=[job])[1]
    assert isinstance(tell, TellTrial)
    assert tell.state is TrialState.COMPLETE


# --- stalling


def test_a_job_without_progress_is_killed() -> None:
    job = job_of(0, started_at=at(-600))
    assert actions(trial_of(0), jobs=[job], **ONE) == [KillJob(job.name, StopReason.STALLED)]


def test_a_job_with_progress_is_not_killed_before_its_time_and_looked_at_in_time() -> None:
    job = job_of(0, started_at=at(-5000), progress=progress_at(-590))
    found = plan(observed_of([trial_of(0)], [job], **ONE))
    assert found.actions == ()
    assert found.requeue_after == pytest.approx(10.0)
    assert list(plan(replace(found_at(trial_of(0), job), now=at(10))).actions) == [
        KillJob(job.name, StopReason.STALLED)
    ]


def found_at(trial: Any, job: ObservedJob) -> Observed:
    return observed_of([trial], [job], **ONE)


def test_progress_of_an_earlier_attempt_is_not_this_ones() -> None:
    trial = trial_of(0, progress=progress_at(-1000, attempt=1), attempts=(attempt_of(1, Cause.DISRUPTION),))
    assert actions(trial, jobs=[job_of(0, 2, started_at=at(-30))], **ONE) == []


def test_progress_reported_through_the_store_counts() -> None:
    job = job_of(0, started_at=at(-5000))
    assert actions(trial_of(0, progress=progress_at(-5)), jobs=[job], **ONE) == []


def test_a_time_that_is_none_does_not_end_the_pass() -> None:
    progress = progress_at(0).model_copy(update={"updated_at": 1e300})
    assert actions(trial_of(0), jobs=[job_of(0, progress=progress)], **ONE) == []


def test_a_pending_job_waits_for_a_place_as_long_as_it_takes() -> None:
    pending = job_of(0, 1, JobPhase.PENDING, reason="Unschedulable", created_at=at(-100_000))
    assert actions(trial_of(0), jobs=[pending], **ONE) == []


def test_a_job_whose_image_never_comes_is_killed() -> None:
    pending = job_of(0, 1, JobPhase.PENDING, reason="ImagePullBackOff", created_at=at(-601))
    assert actions(trial_of(0), jobs=[pending], **ONE) == [KillJob(pending.name, StopReason.IMAGE_PULL)]


def test_a_long_preparation_is_not_a_stall() -> None:
    job = job_of(-1, purpose=Purpose.PREPARE, started_at=at(-100_000))
    assert actions(jobs=[job], dataset_ready=False) == []


# --- suspend, interrupt, end


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"spec": spec_of(suspend=True)}, StopReason.SUSPENDED),
        ({"interrupted": True}, StopReason.INTERRUPTED),
    ],
)
def test_a_halt_stops_what_runs_and_begins_nothing(fields: dict[str, Any], reason: StopReason) -> None:
    job = job_of(0)
    assert actions(trial_of(0), trial_of(1), jobs=[job], **fields) == [StopJob(job.name, reason)]
    stopping = replace(job, stopping=reason)
    assert actions(trial_of(0), trial_of(1), jobs=[stopping], **fields) == []
    ended = replace(stopping, phase=JobPhase.FAILED, exit_code=75, ended_at=at(0))
    found = actions(trial_of(0), jobs=[ended], **fields)
    assert [type(a) for a in found] == [RecordAttempt, DeleteJob]
    assert recorded(found).attempt.cause is Cause.DISRUPTION


def test_a_halted_study_prepares_nothing() -> None:
    assert actions(dataset_ready=False, interrupted=True) == []


GOAL = spec_of(goal=0.5)
BEST = complete(0, 0.3, spec_hash=hash_of())
OUT = {"spec": GOAL, "promoted": "trial/0/checkpoints/step-00000100"}


def test_running_trials_are_stopped_when_the_study_ends() -> None:
    job = job_of(1)
    assert actions(BEST, trial_of(1), jobs=[job], **OUT) == [StopJob(job.name, StopReason.STUDY_FINISHED)]


@pytest.mark.parametrize(("report", "state"), [((10, 0.5), TrialState.PRUNED), (None, TrialState.FAIL)])
def test_a_stopped_trial_is_told_pruned_when_it_has_a_report(report: Any, state: TrialState) -> None:
    stopped = trial_of(1, last_report=report, attempts=(attempt_of(1, Cause.DISRUPTION),))
    found = actions(BEST, stopped, **OUT)
    assert [type(a) for a in found] == [TellTrial]
    tell = found[0]
    assert isinstance(tell, TellTrial)
    assert tell.state is state
    assert tell.message == "stopped: the study has ended"


def test_nothing_starts_in_the_pass_whose_tell_may_end_the_study() -> None:
    good = job_of(0, 1, JobPhase.SUCCEEDED, result=result_of("complete", 0.3))
    due = trial_of(1, attempts=(attempt_of(1, Cause.DISRUPTION),))
    found = actions(trial_of(0), due, jobs=[good], spec=GOAL)
    assert [type(a) for a in found] == [RecordAttempt, TellTrial]


def test_draining_trials_go_on_and_are_retried() -> None:
    fields = {**OUT, "spec": spec_of(goal=0.5, onFinish="Drain")}
    assert actions(BEST, trial_of(1), jobs=[job_of(1)], **fields) == []
    assert actions(BEST, trial_of(1, attempts=(attempt_of(1),)), **fields) == [start(1, 2)]


def test_a_settled_study_plans_nothing_and_need_not_be_looked_at() -> None:
    settled = plan(observed_of([BEST], **OUT))
    assert settled.actions == ()
    assert settled.ended
    assert settled.requeue_after is None


def test_a_study_that_waits_is_looked_at_again_by_and_by() -> None:
    waiting = plan(observed_of([trial_of(0)], [job_of(0, progress=progress_at(-1))], **ONE))
    assert waiting.requeue_after == RESYNC_SECONDS
    dated = spec_of(parallelism=1, activeDeadlineSeconds=3610)
    trial = trial_of(0, spec_hash=hash_of(dated))
    assert plan(observed_of([trial], [job_of(0)], spec=dated)).requeue_after == pytest.approx(10.0)


# --- best voice and final training


def test_a_new_best_is_published_while_the_search_goes_on() -> None:
    found = actions(complete(0, 0.5), complete(1, 0.3), promoted="trial/0/checkpoints/step-00000100")
    assert found == [AskTrial(2), AskTrial(3), PromoteBest(Purpose.TRIAL, 1, "checkpoints/step-00000100")]


FULL = spec_of(maxTrials=1, parallelism=1, fixedParameters={"epochs": 8}, finalTraining={"enabled": True, "epochs": 50, "parameters": {"ema_decay": 0.9}})  # fmt: skip
SEARCHED = complete(0, 0.3, spec_hash=hash_of(FULL))
PUBLISHED = "trial/0/checkpoints/step-00000100"


def test_a_publication_that_goes_on_is_waited_for_and_one_that_failed_is_tried_again_later() -> None:
    world = observed_of([BEST], **{**OUT, "promoted": ""})
    (voice,) = plan(world).actions
    assert isinstance(voice, PromoteBest)
    under_way = plan(replace(world, publication=Publication(voice.source, attempt=1)))
    assert (under_way.actions, under_way.ended) == ((), False)
    failed_now = replace(
        world, publication=Publication(voice.source, 1, failed_at=world.now, message="no space left")
    )
    waiting = plan(failed_now)
    assert (waiting.actions, waiting.ended) == ((), False)
    assert waiting.requeue_after == pytest.approx(5, rel=0.11)
    assert (
        "publishing the best voice (attempt 1 failed: no space left)" in waiting.status.conditions[0].message
    )
    later = replace(failed_now, now=world.now + timedelta(seconds=6))
    assert plan(later).actions == (replace(voice, attempt=2),)
    another = replace(world, publication=Publication("trial/9/checkpoints/x", 3, failed_at=world.now))
    assert plan(another).actions == (voice,)


def test_the_page_beside_the_voice_tells_of_all_trials_in_the_end() -> None:
    world = observed_of(
        [complete(0, 0.3), complete(1, 0.5)], spec=spec_of(maxTrials=2), promoted=PUBLISHED, page_of=1
    )
    voice = PromoteBest(Purpose.TRIAL, 0, "checkpoints/step-00000100", again=True)
    found = plan(world)
    assert (found.actions, found.ended) == ((voice,), False)
    assert EventReason.PUBLISHING_BEST not in {event.reason for event in found.events}
    under_way = plan(replace(world, publication=Publication(voice.source, attempt=1)))
    assert (under_way.actions, under_way.ended) == ((), False)
    for page_of in (2, None):  # As it should be; and a driver whose voices have no page.
        assert plan(replace(world, page_of=page_of)).ended
    searching = replace(world, spec=spec_of(maxTrials=3))
    assert not any(isinstance(action, PromoteBest) for action in plan(searching).actions)


def test_the_final_training_is_fixed_then_started_with_the_best_parameters() -> None:
    assert actions(SEARCHED, spec=FULL, promoted=PUBLISHED) == [RecordFinal(0)]
    assert actions(SEARCHED, spec=FULL, promoted=PUBLISHED, final_trial=0) == [
        CreateJob(
            Purpose.FINAL,
            0,
            1,
            parameters={"epochs": 50, "learning_rate": 0.01, "ema_decay": 0.9},
            spec_hash=hash_of(FULL),
        )
    ]


def test_the_final_result_is_kept_then_published() -> None:
    result = result_of("complete", 0.1, spec=FULL)
    job = job_of(0, 1, JobPhase.SUCCEEDED, purpose=Purpose.FINAL, result=result)
    found = actions(SEARCHED, jobs=[job], spec=FULL, promoted=PUBLISHED, final_trial=0)
    assert [type(a) for a in found] == [RecordAttempt, RecordFinal, DeleteJob]
    kept = found[1]
    assert isinstance(kept, RecordFinal)
    assert type(result).model_validate_json(kept.result_json) == result
    published = actions(SEARCHED, spec=FULL, promoted=PUBLISHED, final_trial=0, final_result=result)
    assert published == [PromoteBest(Purpose.FINAL, 0, "checkpoints/step-00000100")]


def test_a_final_result_that_was_kept_is_not_kept_again() -> None:
    result = result_of("complete", 0.1, spec=FULL)
    job = job_of(0, 1, JobPhase.SUCCEEDED, purpose=Purpose.FINAL, result=result)
    attempts = (attempt_of(1, Cause.FINISHED),)
    fields = {"final_trial": 0, "final_attempts": attempts, "final_result": result}
    published = "final/0/checkpoints/step-00000100"
    assert actions(SEARCHED, jobs=[job], spec=FULL, promoted=published, **fields) == [DeleteJob(job.name)]


def test_a_final_training_that_is_worse_than_the_search_is_not_published() -> None:
    result = result_of("complete", 0.9, spec=FULL)
    ended = plan(observed_of([SEARCHED], spec=FULL, promoted=PUBLISHED, final_trial=0, final_result=result))
    assert ended.actions == ()
    assert ended.ended


def test_the_final_training_is_retried_by_the_same_rules() -> None:
    crashed = (attempt_of(1, ended=-6),)
    found = actions(SEARCHED, spec=FULL, promoted=PUBLISHED, final_trial=0, final_attempts=crashed)
    assert [(a.purpose, a.attempt) for a in found if isinstance(a, CreateJob)] == [(Purpose.FINAL, 2)]
    waiting = (attempt_of(1, ended=0),)
    assert actions(SEARCHED, spec=FULL, promoted=PUBLISHED, final_trial=0, final_attempts=waiting) == []


def test_the_final_training_stays_with_its_trial() -> None:
    spec = FULL.model_copy(update={"max_trials": 2})
    better = complete(1, 0.1, spec_hash=hash_of(FULL))
    found = actions(SEARCHED, better, spec=spec, promoted=PUBLISHED, final_trial=0)
    assert [(a.purpose, a.trial) for a in found if isinstance(a, CreateJob)] == [(Purpose.FINAL, 0)]


# --- storage away


def test_without_storage_jobs_run_on_and_only_a_halt_or_a_stall_is_acted_upon() -> None:
    away: dict[str, Any] = {"storage": Storage(ready=False, message="no answer")}
    job, ended = job_of(0), job_of(1, 1, JobPhase.SUCCEEDED, result=result_of("complete", 0.3))
    assert actions(trial_of(0), trial_of(1), trial_of(2), jobs=[job, ended], **away) == []
    assert actions(jobs=[job], **away) == []
    assert actions(jobs=[job], interrupted=True, **away) == [StopJob(job.name, StopReason.INTERRUPTED)]
    assert actions(jobs=[job_of(0, started_at=at(-600))], **away) == [KillJob(job.name, StopReason.STALLED)]


# --- events


def events(*trials: Any, jobs: Any = (), **fields: Any) -> list[tuple[str, str]]:
    found = plan(observed_of(trials, jobs, **fields)).events
    return [(event.reason.value, event.message) for event in found]


def test_a_retry_is_told_with_its_cause_and_its_wait() -> None:
    job = job_of(0, 1, JobPhase.FAILED, message="boom")
    told = [event for event in plan(observed_of([trial_of(0)], [job])).events if event.trial == 0]
    assert [(e.kind, e.reason) for e in told] == [("Warning", EventReason.TRIAL_RETRY)]
    assert told[0].message == "Trial 0 failed (attempt 1): crashed: boom; Transient, attempt 2 in 5 s"


def test_a_disruption_is_no_warning() -> None:
    job = job_of(0, 1, JobPhase.FAILED, exit_code=75)
    assert not [e for e in plan(observed_of([trial_of(0)], [job])).events if e.kind == "Warning"]


def test_the_last_failure_is_told_once() -> None:
    trial = trial_of(0, attempts=(attempt_of(1), attempt_of(2)))
    job = job_of(0, 3, JobPhase.FAILED, message="boom")
    told = [e for e in plan(observed_of([trial], [job])).events if e.kind == "Warning"]
    assert [e.reason for e in told] == [EventReason.TRIAL_FAILED]


def test_a_new_best_is_told_when_the_status_changes() -> None:
    first = plan(observed_of([complete(0, 0.5)]))
    assert EventReason.NEW_BEST in {e.reason for e in first.events}
    again = plan(replace(observed_of([complete(0, 0.5)]), status=first.status))
    assert EventReason.NEW_BEST not in {e.reason for e in again.events}


def test_the_end_and_the_reopening_of_a_study_are_told() -> None:
    ended = plan(observed_of([BEST], **OUT))
    assert (EventReason.STUDY_SUCCEEDED, "GoalReached: trial 0 has 0.3, the goal is 0.5") in {
        (e.reason, e.message) for e in ended.events
    }
    reopened = replace(observed_of([BEST], **{**OUT, "spec": spec_of(goal=0.1)}), status=ended.status)
    assert EventReason.STUDY_REOPENED in {e.reason for e in plan(reopened).events}


def test_a_failed_study_is_a_warning() -> None:
    found = plan(observed_of([failed(0), failed(1), failed(2)])).events
    assert ("Warning", EventReason.STUDY_FAILED) in {(e.kind, e.reason) for e in found}


def test_storage_is_told_when_it_goes_and_when_it_comes_back() -> None:
    gone = plan(observed_of(storage=Storage(ready=False, message="no answer")))
    assert [(e.kind, e.reason) for e in gone.events if "Storage" in e.reason] == [
        ("Warning", EventReason.STORAGE_UNAVAILABLE)
    ]
    back = plan(replace(observed_of(), status=gone.status))
    assert EventReason.STORAGE_BACK in {e.reason for e in back.events}


def test_people_read_a_prune_note_without_its_moment() -> None:
    note = prune_note("median: 0.9 > 0.5 at step 300", at(0))
    assert reason_of(f"pruned: {note}") == "pruned: median: 0.9 > 0.5 at step 300"
    assert reason_of("asked by a person [since yesterday") == "asked by a person [since yesterday"
