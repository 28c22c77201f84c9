"""What every `TrialStore` promises. One class, run by each implementation: a fixture named `store` is all that it takes."""

import itertools
import math
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from support.builders import attempt_of, spec_of
from support.port_contracts import PlannerStoreContract
from support.stores import ATTENTION, DROPOUT, LEARNING_RATE, LOCATION_KERNEL, engine_on, space_of, store_on
from tacotune.adapters.optuna_engine import OptunaEngine
from tacotune.adapters.optuna_store import OptunaStore
from tacotune.engine.observed import Cause, Purpose, TrialState
from tacotune.ports import InvalidStudy, StorageUnavailable, TrialStore

pytestmark = pytest.mark.postgres

SPEC = space_of(LEARNING_RATE, ATTENTION, LOCATION_KERNEL)
HASH = "sha256:0"
_names = (f"voice-{number}" for number in itertools.count())


class TrialStoreContract:
    """The promises of `ports.TrialStore`."""

    def test_a_new_study_has_a_beginning_and_no_trials(self, store: TrialStore) -> None:
        store.open(SPEC)
        assert list(store.trials()) == []
        record = store.record()
        assert record.started_at is not None
        assert record.started_at.utcoffset() == timedelta(0)
        assert (record.prepare_attempts, record.final_attempts, record.final_trial) == ((), (), None)
        assert (record.final_result, record.space_exhausted) == (None, False)

    def test_an_unopened_study_cannot_be_used(self, store: TrialStore) -> None:
        with pytest.raises(StorageUnavailable, match="is not open"):
            store.trials()

    def test_the_beginning_is_kept_when_the_study_is_opened_again(self, store: TrialStore) -> None:
        store.open(SPEC)
        started = store.record().started_at
        store.open(SPEC.model_copy(update={"max_trials": 9}))
        assert store.record().started_at == started

    def test_an_asked_trial_runs_with_all_parameters_that_apply(self, store: TrialStore) -> None:
        store.open(SPEC)
        assert [store.ask(number, HASH) for number in range(6)] == list(range(6))
        trials = store.trials()
        assert [trial.number for trial in trials] == list(range(6))
        for trial in trials:
            assert trial.state is TrialState.RUNNING
            assert trial.parameters_complete
            assert trial.spec_hash == HASH
            assert trial.started_at is not None
            assert trial.ended_at is None
            names = {"learning_rate", "attention"}
            assert set(trial.parameters) == (
                names | {"location_kernel"} if trial.parameters["attention"] == "location" else names
            )
        assert {trial.parameters["attention"] for trial in trials} == {"location", "dca"}

    def test_asking_for_a_number_twice_is_asking_once(self, store: TrialStore) -> None:
        store.open(SPEC)
        store.ask(0, HASH)
        asked = store.trials()[0]
        assert store.ask(0, "sha256:later") == 0
        assert list(store.trials()) == [asked]

    def test_a_finished_trial_is_not_asked_again(self, store: TrialStore) -> None:
        store.open(SPEC)
        store.ask(0, HASH)
        store.tell(0, TrialState.FAIL, [])
        assert store.ask(0, HASH) == 0
        assert [trial.state for trial in store.trials()] == [TrialState.FAIL]

    def test_everything_told_is_kept(self, store: TrialStore) -> None:
        store.open(SPEC)
        store.ask(0, HASH)
        store.tell(
            0,
            TrialState.COMPLETE,
            [0.25],
            message="trained",
            metrics={"alignment": 0.9},
            checkpoint="checkpoints/step-00000100",
            best_step=100,
        )
        (trial,) = store.trials()
        assert (trial.state, trial.values) == (TrialState.COMPLETE, (0.25,))
        assert dict(trial.metrics) == {"alignment": 0.9}
        assert (trial.checkpoint, trial.best_step) == ("checkpoints/step-00000100", 100)
        assert trial.ended_at is not None
        assert trial.started_at is not None
        assert trial.ended_at >= trial.started_at

    @pytest.mark.parametrize("state", [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL])
    def test_a_trial_is_told_once(self, store: TrialStore, state: TrialState) -> None:
        store.open(SPEC)
        store.ask(0, HASH)
        store.tell(0, state, [0.5] if state is TrialState.COMPLETE else [])
        told = store.trials()[0]
        store.tell(0, TrialState.COMPLETE, [0.1], message="later", checkpoint="later")
        assert store.trials()[0] == told

    @pytest.mark.parametrize("state", [TrialState.PRUNED, TrialState.FAIL])
    def test_only_complete_trials_have_values(self, store: TrialStore, state: TrialState) -> None:
        store.open(SPEC)
        store.ask(0, HASH)
        store.tell(0, state, [0.5])
        assert (store.trials()[0].state, store.trials()[0].values) == (state, ())

    @pytest.mark.parametrize(
        "values",
        [[math.nan], [math.inf], [-math.inf], [], [0.1, 0.2]],
        ids=["nan", "inf", "-inf", "none", "two"],
    )
    def test_what_is_no_value_never_completes_a_trial(
        self, store: TrialStore, values: Sequence[float]
    ) -> None:
        store.open(SPEC)
        store.ask(0, HASH)
        store.tell(0, TrialState.COMPLETE, values, metrics={"mcd_dtw": math.nan, "alignment": 0.5})
        (trial,) = store.trials()
        assert (trial.state, trial.values) == (TrialState.FAIL, ())
        assert dict(trial.metrics) == {"alignment": 0.5}

    def test_attempts_are_kept_by_purpose_and_number(self, store: TrialStore) -> None:
        store.open(SPEC)
        store.ask(0, HASH)
        first = attempt_of(
            1, Cause.OUT_OF_MEMORY, exit_code=137, overrides={"batch_size": 8}, gpu_seconds=2.5
        )
        second = attempt_of(2, Cause.FINISHED, outcome="complete")
        for purpose, trial in ((Purpose.PREPARE, -1), (Purpose.TRIAL, 0), (Purpose.FINAL, 0)):
            store.record_attempt(purpose, trial, second)
            store.record_attempt(purpose, trial, attempt_of(1, Cause.TRANSIENT))
            store.record_attempt(purpose, trial, first)
        assert store.trials()[0].attempts == (first, second)
        assert store.record().prepare_attempts == (first, second)
        assert store.record().final_attempts == (first, second)

    def test_an_attempt_of_a_finished_trial_is_let_go(self, store: TrialStore) -> None:
        store.open(SPEC)
        store.ask(0, HASH)
        store.tell(0, TrialState.FAIL, [])
        store.record_attempt(Purpose.TRIAL, 0, attempt_of(1))
        assert store.trials()[0].attempts == ()

    def test_the_decision_to_prune_is_left_with_the_trial(self, store: TrialStore) -> None:
        store.open(SPEC)
        store.ask(0, HASH)
        assert store.trials()[0].prune_requested == ""
        store.request_prune(0, "median: 0.9 at step 20")
        assert store.trials()[0].prune_requested == "median: 0.9 at step 20"
        store.tell(0, TrialState.PRUNED, [])
        store.request_prune(0, "later")
        assert store.trials()[0].prune_requested == "median: 0.9 at step 20"

    def test_the_final_training_is_fixed_and_then_has_a_result(self, store: TrialStore) -> None:
        store.open(SPEC)
        store.record_final(3)
        assert (store.record().final_trial, store.record().final_result) == (3, None)
        store.record_final(3, '{"state": "complete", "values": [0.125], "checkpoint": "checkpoints/x"}')
        result = store.record().final_result
        assert result is not None
        assert (result.state, result.values, result.checkpoint) == ("complete", [0.125], "checkpoints/x")

    def test_initial_trials_wait_and_are_asked_first(self, store: TrialStore) -> None:
        initial = [{"learning_rate": 1e-3, "attention": "dca"}, {"learning_rate": 2e-3}]
        store.open(space_of(LEARNING_RATE, ATTENTION, LOCATION_KERNEL, initialTrials=initial))
        assert [trial.state for trial in store.trials()] == [TrialState.WAITING] * 2
        assert [store.ask(number, HASH) for number in (0, 1, 2)] == [0, 1, 2]
        trials = store.trials()
        assert [trial.state for trial in trials] == [TrialState.RUNNING] * 3
        assert dict(trials[0].parameters) == {"learning_rate": 1e-3, "attention": "dca"}
        assert trials[1].parameters["learning_rate"] == 2e-3
        assert "attention" in trials[1].parameters
        assert [trial.spec_hash for trial in trials] == [HASH] * 3

    def test_initial_trials_are_enqueued_once(self, store: TrialStore) -> None:
        spec = space_of(LEARNING_RATE, initialTrials=[{"learning_rate": 1e-3}, {"learning_rate": 1e-3}])
        store.open(spec)
        store.open(spec.model_copy(update={"max_trials": 9}))
        assert len(store.trials()) == 1

    def test_a_spent_space_says_so(self, store: TrialStore) -> None:
        store.open(space_of(ATTENTION, sampler={"name": "random"}))
        assert [store.ask(number, HASH) for number in range(3)] == [0, 1, None]
        assert store.record().space_exhausted
        assert {trial.parameters["attention"] for trial in store.trials()} == {"location", "dca"}

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"objective": {"direction": "Maximize"}}, "directions cannot change"),
            ({"searchSpace": [LEARNING_RATE, ATTENTION]}, "location_kernel is nothing in the manifest"),
            ({"searchSpace": [LEARNING_RATE, ATTENTION, LOCATION_KERNEL, DROPOUT]}, "prenet_dropout is"),
        ],
        ids=["direction", "parameter gone", "parameter new"],
    )
    def test_another_study_of_the_same_name_is_refused(
        self, store: TrialStore, change: dict[str, Any], words: str
    ) -> None:
        store.open(SPEC)
        store.ask(0, HASH)
        changed = spec_of(**{"searchSpace": [LEARNING_RATE, ATTENTION, LOCATION_KERNEL], **change})
        with pytest.raises(InvalidStudy, match=words):
            store.open(changed)
        store.open(SPEC)
        assert len(store.trials()) == 1

    def test_ids_of_the_storage_differ_and_stay(self, store: TrialStore) -> None:
        store.open(SPEC)
        for number in range(2):
            store.ask(number, HASH)
        first, second = store.storage_trial_id(0), store.storage_trial_id(1)
        assert first != second
        assert store.storage_trial_id(0) == first

    def test_a_deleted_study_begins_anew(self, store: TrialStore) -> None:
        store.open(SPEC)
        store.ask(0, HASH)
        store.tell(0, TrialState.COMPLETE, [0.5])
        store.record_final(0)
        store.delete()
        store.open(SPEC)
        assert list(store.trials()) == []
        assert store.record().final_trial is None


@pytest.fixture(scope="module")
def engine(module_postgres_dsn: str) -> Iterator[OptunaEngine]:
    with engine_on(module_postgres_dsn) as engine:
        yield engine


class TestOptunaStoreForThePlanner(PlannerStoreContract):
    """The promises that the planner's fake keeps too."""

    @pytest.fixture
    def store(self, engine: OptunaEngine) -> OptunaStore:
        return store_on(engine, name=next(_names))


class TestOptunaStore(TrialStoreContract):
    """On Postgres."""

    @pytest.fixture
    def store(self, engine: OptunaEngine) -> OptunaStore:
        return store_on(engine, name=next(_names))


class TestOptunaStoreReopened(TrialStoreContract):
    """On Postgres, by a process that is new at every call: nothing may live in memory alone."""

    @pytest.fixture
    def store(self, engine: OptunaEngine) -> "Reopened":
        return Reopened(engine, next(_names))


class Reopened:
    """Passes each call to a store that was opened for it."""

    def __init__(self, engine: OptunaEngine, name: str) -> None:
        self._engine, self._name = engine, name
        self._spec: Any = None

    def open(self, spec: Any) -> None:
        store_on(self._engine, spec, self._name)
        self._spec = spec

    def __getattr__(self, method: str) -> Any:
        return getattr(store_on(self._engine, self._spec, self._name), method)
