"""Observe, plan, act on fake ports: crashes between any two writes, ports that go away, edits, and the order of writes."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from support.builders import NAME, observed_of, spec_of, study_of
from support.fakes import Backend, FakeClock, FakeCluster, FakeStore, Killed
from support.world import Fate
from tacotune.api.conditions import ConditionType, Phase, Reason, find_condition
from tacotune.api.hashing import spec_hash
from tacotune.api.names import job_name
from tacotune.api.status import TTSStudyStatus
from tacotune.api.study import TTSStudy
from tacotune.controller.reconcile import Outcome, Reconciler
from tacotune.engine.actions import AskTrial, CreateJob, DeleteJob, RecordAttempt, StopJob, TellTrial
from tacotune.engine.events import EventReason
from tacotune.engine.observed import Attempt, Cause, Purpose, TrialState
from tacotune.ports import ClusterUnavailable, InvalidStudy, Launch, StorageUnavailable

SUCCEED = (Fate.SUCCEED,)


class Driver:
    """What `local` and the operator do: pass after pass, a new process after each kill."""

    def __init__(self, study: TTSStudy, fates: Sequence[Fate] = SUCCEED, **fields: Any) -> None:
        self.study = study
        self.backend = Backend(
            observed_of(spec=study.spec, dataset_ready=False, started_at=None), fates, **fields
        )
        self.outcomes: list[Outcome] = []
        self.restart()

    def restart(self) -> None:
        """A new process: nothing is remembered but the written status."""
        self.reconciler = Reconciler(
            FakeStore(self.backend), FakeCluster(self.backend), FakeClock(self.backend)
        )

    @property
    def status(self) -> TTSStudyStatus | None:
        return self.outcomes[-1].status if self.outcomes else None

    def once(self, **options: Any) -> Outcome:
        outcome = self.reconciler.run_once(self.study, previous_status=self.status, **options)
        self.outcomes.append(outcome)
        return outcome

    def run(self, until: Callable[[Outcome], bool] = lambda o: o.ended, **options: Any) -> Outcome:
        for _ in range(500):
            try:
                outcome = self.once(**options)
            except Killed:
                self.restart()
                continue
            if until(outcome):
                return outcome
            if not outcome.actions:
                self.backend.advance(max(outcome.requeue_after or 1.0, 1.0))
        raise AssertionError("the study never gets there")

    def warnings(self) -> list[str]:
        return [e.message for o in self.outcomes for e in o.events if e.kind == "Warning"]

    def reasons(self) -> list[EventReason]:
        return [e.reason for o in self.outcomes for e in o.events]


def end_of(driver: Driver) -> object:
    world = driver.backend.world
    return (
        [(t.number, t.state, t.values, [(a.number, a.cause) for a in t.attempts]) for t in world.trials],
        world.final_trial,
        world.promoted,
        world.jobs,
        driver.outcomes[-1].status.phase,
    )


FULL = study_of(maxTrials=3, finalTraining={"enabled": True, "epochs": 50})
MIXED = (Fate.SUCCEED, Fate.CRASH, Fate.PREEMPT, Fate.EARLY_STOP, Fate.NAN)


def test_a_study_runs_from_nothing_to_a_published_voice() -> None:
    driver = Driver(FULL)
    outcome = driver.run()
    assert outcome.status.phase is Phase.SUCCEEDED
    assert outcome.requeue_after is None
    assert outcome.idle
    world = driver.backend.world
    assert [t.state for t in world.trials] == [TrialState.COMPLETE] * 3
    assert world.promoted.startswith("final/")
    told = driver.reasons()
    assert told.count(EventReason.TRIAL_STARTED) == told.count(EventReason.TRIAL_FINISHED) == 3
    assert told[-1] is EventReason.STUDY_SUCCEEDED
    assert EventReason.STUDY_STARTED in told


def test_a_settled_pass_does_nothing() -> None:
    driver = Driver(FULL)
    driver.run()
    writes = driver.backend.writes
    again = driver.once()
    assert (again.actions, again.events, driver.backend.writes) == ((), (), writes)


@pytest.mark.parametrize("fates", [SUCCEED, MIXED], ids=["all succeed", "mixed fates"])
@pytest.mark.parametrize("after", [False, True], ids=["before the write", "after the write"])
def test_s6_a_kill_at_any_write_leads_to_the_same_end(fates: tuple[Fate, ...], after: bool) -> None:
    straight = Driver(FULL, fates)
    straight.run()
    for write in range(straight.backend.writes):
        driver = Driver(FULL, fates, fail_at=write, fail_after=after)
        driver.run()
        assert end_of(driver) == end_of(straight), f"killed at write {write}"
        told = [a.trial for a in driver.backend.done if isinstance(a, TellTrial)]
        assert sorted(told) == [0, 1, 2], f"killed at write {write}"


def test_s4_an_interrupted_study_goes_on_and_repeats_nothing() -> None:
    driver = Driver(study_of(maxTrials=4), (Fate.SUCCEED,))
    driver.run(until=lambda o: o.status.trials.succeeded >= 1 and o.status.trials.running >= 1)
    done = {t.number: t.values for t in driver.backend.world.trials if t.state.finished}
    left = driver.run(until=lambda o: o.idle, interrupted=True)
    assert left.status.phase is Phase.SUSPENDED
    kept = [t for t in driver.backend.world.trials if t.state is TrialState.RUNNING]
    assert kept
    assert all(t.attempts[-1].cause is Cause.DISRUPTION for t in kept)
    driver.restart()
    launched = len(driver.backend.launches)
    driver.run()
    world = driver.backend.world
    assert len(world.trials) == 4
    assert {t.number: t.values for t in world.trials if t.number in done} == done
    resumed = [one for one in driver.backend.launches[launched:] if one.purpose is Purpose.TRIAL]
    assert not {one.trial for one in resumed} & set(done)
    assert {one.trial for one in resumed if one.attempt == 2} == {t.number for t in kept}


def test_s8_fail_fail_ok_gives_the_value_after_two_waits_and_two_warnings() -> None:
    driver = Driver(study_of(maxTrials=1, parallelism=1), (Fate.CRASH, Fate.CRASH, Fate.SUCCEED))
    outcome = driver.run()
    (trial,) = driver.backend.world.trials
    assert trial.state is TrialState.COMPLETE
    assert [a.cause for a in trial.attempts] == [Cause.TRANSIENT, Cause.TRANSIENT, Cause.FINISHED]
    waits = [o.requeue_after for o in driver.outcomes if o.status.trials.retrying and not o.actions]
    assert len(waits) == 2
    assert waits[0] is not None
    assert waits[1] is not None
    assert 5 <= waits[0] <= 5.5
    assert 10 <= waits[1] <= 11
    assert [w.split(":")[0] for w in driver.warnings()] == [
        "Trial 0 failed (attempt 1)",
        "Trial 0 failed (attempt 2)",
    ]
    assert outcome.status.best is not None
    assert outcome.status.best.trial == 0


def test_s8_a_trial_that_fails_three_times_fails_and_the_study_goes_on() -> None:
    driver = Driver(study_of(maxTrials=2, parallelism=1), (Fate.CRASH, Fate.CRASH, Fate.CRASH, Fate.SUCCEED, Fate.SUCCEED, Fate.SUCCEED))  # fmt: skip
    outcome = driver.run()
    assert [t.state for t in driver.backend.world.trials] == [TrialState.FAIL, TrialState.COMPLETE]
    assert outcome.status.phase is Phase.SUCCEEDED


def test_s8_a_study_of_failures_fails_and_has_no_best() -> None:
    driver = Driver(study_of(maxTrials=2), (Fate.CRASH,))
    outcome = driver.run()
    assert outcome.status.phase is Phase.FAILED
    assert outcome.status.best is None
    assert driver.backend.world.promoted == ""


def test_s8_pruned_and_diverged_trials_are_never_retried() -> None:
    driver = Driver(study_of(maxTrials=3), (Fate.DIVERGE, Fate.SUCCEED))
    driver.run()
    assert all(len(t.attempts) == 1 for t in driver.backend.world.trials if t.state is TrialState.PRUNED)
    assert any(t.state is TrialState.PRUNED for t in driver.backend.world.trials)


def test_s10_a_result_without_a_value_is_never_complete() -> None:
    driver = Driver(study_of(maxTrials=2), (Fate.NAN,))
    driver.run()
    assert {t.state for t in driver.backend.world.trials} == {TrialState.FAIL}


def test_s11_an_edit_never_reaches_a_running_trial() -> None:
    driver = Driver(study_of(maxTrials=8, parallelism=4), (Fate.CRASH, Fate.SUCCEED))
    driver.run(until=lambda o: o.status.trials.running == 4)
    before = {t.number: t.spec_hash for t in driver.backend.world.trials}
    edited = spec_of(maxTrials=8, parallelism=4, fixedParameters={"epochs": 99})
    driver.study = study_of(edited)
    driver.run()
    first, second = spec_hash(spec_of()), spec_hash(edited)
    assert first != second
    assert {t.number: t.spec_hash for t in driver.backend.world.trials if t.number in before} == before
    for launch in driver.backend.launches:
        if launch.purpose is Purpose.TRIAL:
            assert launch.spec_hash == (first if launch.trial in before else second)
    assert {one.attempt for one in driver.backend.launches if one.trial in before} == {1, 2}


def test_the_launch_carries_all_parameters_together() -> None:
    driver = Driver(study_of(maxTrials=1, parallelism=1, fixedParameters={"epochs": 8}))
    driver.run()
    (launch,) = [one for one in driver.backend.launches if one.purpose is Purpose.TRIAL]
    assert launch.parameters == {"epochs": 8, "learning_rate": 0.01}
    assert launch.storage_trial_id == 1000


def test_final_training_and_preparation_report_nothing_into_the_store() -> None:
    driver = Driver(FULL)
    driver.run()
    others = [one for one in driver.backend.launches if one.purpose is not Purpose.TRIAL]
    assert {one.purpose for one in others} == {Purpose.PREPARE, Purpose.FINAL}
    assert all(one.storage_trial_id is None for one in others)


def test_attempts_are_recorded_before_their_job_is_deleted() -> None:
    driver = Driver(FULL, MIXED)
    driver.run()
    recorded: set[str] = set()
    deleted: list[str] = []
    for action in driver.backend.done:
        if isinstance(action, RecordAttempt):
            name = job_name(NAME, action.purpose.value, action.trial, action.attempt.number)
            recorded.add(name)
        if isinstance(action, DeleteJob):
            assert action.name in recorded
            deleted.append(action.name)
    assert sorted(deleted) == sorted(recorded)


def test_an_exhausted_space_ends_the_asking_and_the_study() -> None:
    driver = Driver(study_of(maxTrials=6, parallelism=3), space=4)
    outcome = driver.run()
    assert len(driver.backend.world.trials) == 4
    succeeded = find_condition(outcome.status.conditions, ConditionType.SUCCEEDED)
    assert succeeded is not None
    assert succeeded.reason is Reason.SPACE_EXHAUSTED
    # After the ask that found nothing no further one was made in that pass.
    asks = [a.expected_number for a in driver.backend.done if isinstance(a, AskTrial)]
    assert asks == [0, 1, 2, 3, 4]


# --- ports that go away


def test_while_the_storage_is_away_jobs_run_on_and_nothing_finished_is_lost() -> None:
    driver = Driver(study_of(maxTrials=2))
    driver.run(until=lambda o: o.status.trials.running == 2)
    driver.backend.storage_away = True
    for _ in range(10):
        outcome = driver.once()
        driver.backend.advance(5)
        assert outcome.actions == ()
        assert outcome.status.trials.total == 2
        stored = find_condition(outcome.status.conditions, ConditionType.STORAGE_READY)
        assert stored is not None
        assert stored.status == "False"
    assert all(job.phase.ended for job in driver.backend.world.jobs)
    driver.backend.storage_away = False
    assert driver.run().status.phase is Phase.SUCCEEDED
    told = driver.reasons()
    assert told.count(EventReason.STORAGE_UNAVAILABLE) == told.count(EventReason.STORAGE_BACK) == 1


def test_a_suspend_is_carried_out_without_storage() -> None:
    driver = Driver(study_of(maxTrials=2))
    driver.run(until=lambda o: o.status.trials.running == 2)
    driver.backend.storage_away = True
    assert {type(a) for a in driver.once(interrupted=True).actions} == {StopJob}


def test_storage_that_goes_away_in_the_middle_of_a_pass_ends_the_pass() -> None:
    def gone() -> BaseException:
        return StorageUnavailable("connection reset", retry_after=2.0)

    driver = Driver(study_of(maxTrials=2), fail_at=4, failure=gone)
    outcome = driver.run(until=lambda o: o.error is not None)
    assert outcome.requeue_after == 2.0
    stored = find_condition(outcome.status.conditions, ConditionType.STORAGE_READY)
    assert stored is not None
    assert (stored.status, stored.message) == ("False", "connection reset")
    assert EventReason.STORAGE_UNAVAILABLE in {e.reason for e in outcome.events}
    assert driver.run().status.phase is Phase.SUCCEEDED


class Quota(FakeCluster):
    """Refuses a Job while another one is there."""

    def create_job(self, launch: Launch) -> None:
        if launch.purpose is Purpose.TRIAL and self.backend.world.jobs:
            raise ClusterUnavailable("exceeded quota: jobs", retry_after=10.0)
        super().create_job(launch)


def test_a_quota_that_counts_ended_jobs_does_not_hold_a_study_up() -> None:
    driver = Driver(study_of(maxTrials=3, parallelism=1))
    store, cluster, clock = FakeStore(driver.backend), Quota(driver.backend), FakeClock(driver.backend)
    driver.reconciler = Reconciler(store, cluster, clock)
    assert driver.run().status.trials.succeeded == 3


def test_events_tell_only_what_was_done_before_an_error() -> None:
    def gone() -> BaseException:
        return ClusterUnavailable("quota", retry_after=3.0)

    driver = Driver(study_of(maxTrials=2))
    driver.run(until=lambda o: sum(isinstance(a, AskTrial) for a in o.actions) == 2)
    driver.backend.fail_at = driver.backend.writes + 1
    driver.backend.failure = gone
    outcome = driver.once()
    assert [type(a) for a in outcome.actions] == [CreateJob]
    assert [e.trial for e in outcome.events if e.reason is EventReason.TRIAL_STARTED] == [0]
    assert outcome.requeue_after == 3.0
    driver.once()
    assert [e.trial for e in driver.outcomes[-1].events if e.reason is EventReason.TRIAL_STARTED] == [1]


def test_without_the_cluster_nothing_is_decided_and_nothing_is_forgotten() -> None:
    driver = Driver(study_of(maxTrials=2))
    before = driver.run(until=lambda o: o.status.trials.running == 2)
    driver.backend.cluster_away = True
    outcome = driver.once(interrupted=True)
    assert isinstance(outcome.error, ClusterUnavailable)
    assert (outcome.actions, outcome.requeue_after, outcome.status) == ((), 3.0, before.status)
    assert not outcome.idle, "an interrupted driver must not leave while it cannot see what runs"
    driver.backend.cluster_away = False
    assert driver.run().status.phase is Phase.SUCCEEDED


def test_a_study_that_contradicts_its_rows_is_invalid_and_comes_right_with_them() -> None:
    driver = Driver(
        study_of(maxTrials=2), invalid="direction is Maximize in the store, Minimize in the manifest"
    )
    outcome = driver.once()
    assert isinstance(outcome.error, InvalidStudy)
    assert outcome.status.phase is Phase.FAILED
    succeeded = find_condition(outcome.status.conditions, ConditionType.SUCCEEDED)
    assert succeeded is not None
    assert (succeeded.reason, succeeded.message) == (Reason.INVALID_SPEC, driver.backend.invalid)
    assert outcome.requeue_after is None
    assert [e.reason for e in outcome.events] == [EventReason.STUDY_FAILED]
    assert driver.once().events == ()
    driver.backend.invalid = ""
    assert driver.run().status.phase is Phase.SUCCEEDED


def test_a_wish_to_try_again_forgives_a_refused_dataset() -> None:
    driver = Driver(study_of(maxTrials=1, parallelism=1))
    refused = Attempt(
        1, Cause.PERMANENT, driver.backend.world.now, exit_code=65, message="3 files are silent"
    )
    driver.backend.write(RecordAttempt(Purpose.PREPARE, -1, refused))
    assert driver.once().ended
    FakeClock(driver.backend).tick(10)
    outcome = driver.run(forgive_before=driver.backend.world.now)
    assert outcome.status.phase is Phase.SUCCEEDED
