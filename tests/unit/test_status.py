"""The status: what was observed, in few words and never above 32 KiB."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.builders import (
    NOW,
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
from tacotune.api.conditions import Condition, ConditionType, Phase, Reason, find_condition
from tacotune.api.status import DashboardStatus, TTSStudyStatus
from tacotune.engine.observed import Cause, JobPhase, Observed, Purpose, Storage, TrialState
from tacotune.engine.plan import plan
from tacotune.engine.status import fit


def status_of(*trials: Any, jobs: Any = (), **fields: Any) -> TTSStudyStatus:
    return plan(observed_of(trials, jobs, **fields)).status


def condition(status: TTSStudyStatus, kind: ConditionType) -> Condition:
    found = find_condition(status.conditions, kind)
    assert found is not None
    return found


def test_trials_are_counted_by_what_they_do() -> None:
    status = status_of(
        complete(0, 0.5),
        trial_of(1, TrialState.PRUNED),
        failed(2),
        trial_of(3),
        trial_of(4),
        trial_of(5),
        trial_of(6, attempts=(attempt_of(1, ended=0),)),
        trial_of(7, TrialState.WAITING),
        jobs=[job_of(3), job_of(4, 1, JobPhase.PENDING)],
        spec=spec_of(maxTrials=40, parallelism=4),
    )
    counts = status.trials
    assert (counts.total, counts.succeeded, counts.pruned, counts.failed) == (7, 1, 1, 1)
    assert (counts.running, counts.pending, counts.retrying) == (1, 2, 1)
    assert status.progress == "3/40"


def test_active_trials_say_what_they_do() -> None:
    status = status_of(
        trial_of(0),
        trial_of(1),
        trial_of(2, attempts=(attempt_of(1, ended=0, message="crashed: boom"),)),
        trial_of(3),
        jobs=[
            job_of(0, 2, progress=progress_at(0, step=70)),
            job_of(1, 1, JobPhase.PENDING, reason="Unschedulable"),
            job_of(3, 1, stopping="Suspended"),
        ],
        spec=spec_of(parallelism=4),
    )
    assert [(a.trial, a.attempt, a.state, a.step, a.message) for a in status.active] == [
        (0, 2, "Running", 70, ""),
        (1, 1, "Pending", None, "Unschedulable"),
        (2, 2, "Retrying", None, "crashed: boom"),
        (3, 1, "Stopping", None, "Suspended"),
    ]


@pytest.mark.parametrize(("direction", "best"), [("Minimize", 1), ("Maximize", 2)])
def test_the_best_trial_knows_its_direction(direction: str, best: int) -> None:
    spec = spec_of(objective={"metric": "alignment", "direction": direction}, maxTrials=9)
    trials = [complete(i, v) for i, v in enumerate((0.5, 0.1, 0.9, 0.3))]
    status = status_of(*trials, spec=spec)
    assert status.best is not None
    assert status.best.trial == best
    assert status.best.parameters == {"learning_rate": 0.01}
    assert status.best.checkpoint == "checkpoints/step-00000100"


def test_a_value_that_is_not_finite_is_never_the_best() -> None:
    assert status_of(complete(0, float("nan")), complete(1, float("-inf"))).best is None


def test_recent_failures_are_the_ten_newest_and_no_disruptions() -> None:
    trials = [trial_of(i, TrialState.FAIL, attempts=(attempt_of(1, ended=i - 100),)) for i in range(15)]
    trials.append(trial_of(15, attempts=(attempt_of(1, Cause.DISRUPTION, ended=0),)))
    status = status_of(*trials, spec=spec_of(maxTrials=50))
    assert [f.trial for f in status.recent_failures] == list(range(14, 4, -1))
    assert status.disruptions == 1


def test_attempts_and_gpu_seconds_count_what_ended_and_what_runs() -> None:
    status = status_of(
        complete(0, 0.5, attempts=(attempt_of(1, Cause.FINISHED, gpu_seconds=100.0),)),
        trial_of(1),
        jobs=[job_of(1, started_at=at(-10), gpus=2)],
        prepare_attempts=(attempt_of(1, Cause.FINISHED),),
        final_attempts=(attempt_of(1, Cause.DISRUPTION, gpu_seconds=7.0),),
    )
    assert status.attempts == 4
    assert status.gpu_seconds == 127.0
    assert status.disruptions == 1


PHASES = [
    ("an empty study runs", {}, Phase.RUNNING, Reason.TRIALS_RUNNING),
    ("a study without a dataset prepares", {"dataset_ready": False}, Phase.PREPARING, Reason.PREPARING),
    ("a suspended study is suspended", {"spec": spec_of(suspend=True)}, Phase.SUSPENDED, Reason.SUSPENDED),
    ("an interrupted study is suspended", {"interrupted": True}, Phase.SUSPENDED, Reason.SUSPENDED),
]


@pytest.mark.parametrize(("fields", "phase", "reason"), [p[1:] for p in PHASES], ids=[p[0] for p in PHASES])
def test_the_phase_follows_the_verdict(fields: dict[str, Any], phase: Phase, reason: Reason) -> None:
    status = status_of(**fields)
    assert status.phase is phase
    assert condition(status, ConditionType.SUCCEEDED).reason is reason


def test_an_ended_study_has_a_time_of_completion_that_stays() -> None:
    observed = observed_of(
        [complete(0, 0.5)],
        spec=spec_of(maxTrials=1, parallelism=1),
        promoted="trial/0/checkpoints/step-00000100",
    )
    status = plan(observed).status
    assert status.phase is Phase.SUCCEEDED
    assert condition(status, ConditionType.SUCCEEDED).status == "True"
    assert status.completion_time == at(-900)
    later = plan(replace(observed, now=at(500), status=status)).status
    assert later.completion_time == status.completion_time
    assert later.conditions == status.conditions
    reopened = plan(replace(observed, spec=spec_of(maxTrials=2), status=status)).status
    assert reopened.completion_time is None
    assert condition(reopened, ConditionType.SUCCEEDED).status == "False"


def test_a_study_that_ended_without_a_trial_keeps_its_time_of_completion_too() -> None:
    observed = observed_of(spec=spec_of(activeDeadlineSeconds=3600))
    status = plan(observed).status
    assert status.completion_time == NOW
    assert plan(replace(observed, now=at(500), status=status)).status.completion_time == NOW


def test_suspended_is_true_only_when_nothing_runs_any_more() -> None:
    spec = spec_of(suspend=True)
    stopping = status_of(trial_of(0), jobs=[job_of(0, stopping="Suspended")], spec=spec)
    assert condition(stopping, ConditionType.SUSPENDED).status == "False"
    assert "1 attempt still to stop" in condition(stopping, ConditionType.SUSPENDED).message
    assert condition(status_of(trial_of(0), spec=spec), ConditionType.SUSPENDED).status == "True"


def test_without_storage_the_last_known_status_stays() -> None:
    ended = observed_of(
        [complete(0, 0.5)],
        spec=spec_of(maxTrials=1, parallelism=1),
        promoted="trial/0/checkpoints/step-00000100",
    )
    before = plan(ended).status
    away = plan(
        replace(ended, trials=(), status=before, storage=Storage(ready=False, message="no answer"))
    ).status
    assert condition(away, ConditionType.STORAGE_READY).status == "False"
    assert condition(away, ConditionType.STORAGE_READY).message == "no answer"
    for field in ("phase", "trials", "best", "progress", "completion_time", "attempts", "recent_failures"):
        assert getattr(away, field) == getattr(before, field), field
    assert condition(away, ConditionType.SUCCEEDED) == condition(before, ConditionType.SUCCEEDED)


def test_without_storage_from_the_start_the_study_is_pending() -> None:
    status = status_of(storage=Storage(ready=False, message="no answer"))
    assert status.phase is Phase.PENDING
    assert condition(status, ConditionType.SUCCEEDED).reason is Reason.PENDING


def test_dashboards_are_left_to_who_looks_after_them() -> None:
    boards = [DashboardStatus(name="optuna", url="http://localhost:5002", ready=True)]
    assert status_of(status=TTSStudyStatus(dashboards=boards)).dashboards == boards


# --- time left


def eta(status: TTSStudyStatus) -> float | None:
    left = status.estimated_completion_time
    return None if left is None else (left - NOW).total_seconds()


def measured(number: int, seconds: float) -> Any:
    return complete(number, 0.5 + number, attempts=(attempt_of(1, Cause.FINISHED, lasted=seconds),))


def test_nothing_is_promised_before_a_trial_was_measured() -> None:
    assert eta(status_of(trial_of(0), jobs=[job_of(0)])) is None


def test_the_time_left_is_the_work_left_over_the_slots() -> None:
    # Two of four are done in 100 s each; one has run for 40 s, one is not asked: (60 + 100) / 2.
    running = job_of(2, started_at=at(-40))
    assert eta(status_of(measured(0, 100), measured(1, 100), trial_of(2), jobs=[running])) == 80.0


def test_the_last_trial_is_not_halved() -> None:
    running = job_of(3, started_at=at(-40))
    done = [measured(i, 100) for i in range(3)]
    assert eta(status_of(*done, trial_of(3), jobs=[running])) == 60.0


def test_the_deadline_cuts_the_time_left() -> None:
    spec = spec_of(activeDeadlineSeconds=3610)
    assert eta(status_of(measured(0, 100), spec=spec)) == 10.0


def test_a_suspended_study_promises_nothing() -> None:
    assert eta(status_of(measured(0, 100), spec=spec_of(suspend=True))) is None


FULL = spec_of(maxTrials=1, parallelism=1, fixedParameters={"epochs": 10}, finalTraining={"enabled": True, "epochs": 50})  # fmt: skip


def test_the_final_training_takes_as_much_longer_as_it_has_epochs() -> None:
    assert eta(status_of(measured(0, 100), spec=FULL)) == 500.0


def test_the_final_training_is_measured_once_it_runs() -> None:
    job = job_of(0, purpose=Purpose.FINAL, started_at=at(-30), progress=progress_at(0, step=25))
    assert eta(status_of(measured(0, 100), jobs=[job], spec=FULL, final_trial=0)) == 90.0
    done = status_of(
        measured(0, 100),
        spec=FULL,
        final_trial=0,
        final_result=result_of("complete", 0.1, spec=FULL),
        promoted="final/0/checkpoints/step-00000100",
    )
    assert eta(done) is None


# --- size


texts = st.text(alphabet=st.characters(codec="utf-8"), max_size=600)


@st.composite
def crowded(draw: st.DrawFn) -> Observed:
    """The worst that the API lets through: many parameters of long names and values, many trials, long messages."""
    message = draw(texts) * draw(st.integers(1, 4))
    many = draw(st.integers(1, 100))
    names = [f"{'p' * draw(st.integers(1, 55))}_{i}"[:63] for i in range(many)]
    value = draw(st.text(alphabet="я" + "x", max_size=253))
    spec = spec_of(
        searchSpace=[{"name": f"a{i}", "categorical": {"choices": [value]}} for i in range(many)],
        maxTrials=1000,
        parallelism=1000,
    )
    parameters = dict.fromkeys(names, value)
    running = [
        trial_of(
            i, parameters=parameters, attempts=(attempt_of(1, message=message),), spec_hash=hash_of(spec)
        )
        for i in range(1, draw(st.integers(1, 300)))
    ]
    jobs = [job_of(t.number, 2, JobPhase.PENDING, reason=message) for t in running[::2]]
    boards = [DashboardStatus(name="x" * 63, url=message) for _ in range(8)]
    return observed_of(
        [complete(0, 0.5, parameters=parameters, checkpoint=message), *running],
        jobs,
        spec=spec,
        storage=Storage(ready=draw(st.booleans()), message=message),
        dataset_message=message,
        status=TTSStudyStatus(dashboards=boards),
    )


@settings(max_examples=40, deadline=None)
@given(crowded())
def test_the_status_is_always_below_32_kib(observed: Observed) -> None:
    status = plan(observed).status
    assert len(status.model_dump_json(by_alias=True).encode()) < 32 * 1024
    assert TTSStudyStatus.model_validate_json(status.model_dump_json(by_alias=True)) == status
    assert status.trials.total == len(observed.trials)
    assert len(status.conditions) >= 4


def test_what_fits_is_not_shortened() -> None:
    status = status_of(complete(0, 0.5), trial_of(1), jobs=[job_of(1)])
    assert fit(status) == status
