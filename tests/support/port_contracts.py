"""Promises of `ports.TrialStore` that the planner leans on: kept by the real store, and by the fake that its tests use.

A subclass has a fixture `store`. What is particular to Optuna (sampling, initial trials, ids)
is in tests/integration/test_store_contract.py, and so is telling twice: the fake breaks on it, for no plan may ask for it.
"""

import pytest

from support.builders import attempt_of, result_of, spec_of
from tacotune.engine.observed import Cause, Purpose, TrialState
from tacotune.ports import TrialStore

HASH = "sha256:0"


class PlannerStoreContract:
    """Each test begins with a new study."""

    @pytest.fixture
    def opened(self, store: TrialStore) -> TrialStore:
        store.open(spec_of())
        return store

    def test_a_new_study_is_empty(self, opened: TrialStore) -> None:
        assert list(opened.trials()) == []
        assert opened.record().final_trial is None

    def test_asking_for_a_number_twice_is_asking_once(self, opened: TrialStore) -> None:
        assert opened.ask(0, HASH) == 0
        assert opened.ask(0, HASH) == 0
        (trial,) = opened.trials()
        assert (trial.number, trial.state, trial.parameters_complete) == (0, TrialState.RUNNING, True)
        assert "learning_rate" in trial.parameters

    def test_all_that_was_told_is_kept(self, opened: TrialStore) -> None:
        opened.ask(0, HASH)
        opened.tell(
            0, TrialState.COMPLETE, [0.5], checkpoint="checkpoints/a", metrics={"tts_score": 0.5}, best_step=7
        )
        (trial,) = opened.trials()
        assert (trial.state, trial.values) == (TrialState.COMPLETE, (0.5,))
        assert (trial.checkpoint, dict(trial.metrics), trial.best_step) == (
            "checkpoints/a",
            {"tts_score": 0.5},
            7,
        )

    @pytest.mark.parametrize("state", [TrialState.PRUNED, TrialState.FAIL])
    def test_only_complete_trials_have_values(self, opened: TrialStore, state: TrialState) -> None:
        opened.ask(0, HASH)
        opened.tell(0, state, [])
        assert [(t.state, t.values) for t in opened.trials()] == [(state, ())]

    def test_the_same_attempt_again_replaces_it(self, opened: TrialStore) -> None:
        opened.ask(0, HASH)
        opened.record_attempt(Purpose.TRIAL, 0, attempt_of(1, Cause.TRANSIENT))
        opened.record_attempt(Purpose.TRIAL, 0, attempt_of(1, Cause.DISRUPTION))
        opened.record_attempt(Purpose.TRIAL, 0, attempt_of(2, Cause.FINISHED))
        (trial,) = opened.trials()
        assert [(a.number, a.cause) for a in trial.attempts] == [(1, Cause.DISRUPTION), (2, Cause.FINISHED)]

    def test_attempts_of_the_dataset_and_the_final_training_are_the_studys(self, opened: TrialStore) -> None:
        opened.record_attempt(Purpose.PREPARE, -1, attempt_of(1, Cause.FINISHED))
        opened.record_attempt(Purpose.FINAL, 0, attempt_of(1, Cause.TRANSIENT))
        record = opened.record()
        assert [a.cause for a in record.prepare_attempts] == [Cause.FINISHED]
        assert [a.cause for a in record.final_attempts] == [Cause.TRANSIENT]

    def test_the_decision_to_prune_stays_with_the_trial(self, opened: TrialStore) -> None:
        opened.ask(0, HASH)
        opened.request_prune(0, "median: 1.5 at step 100")
        assert [t.prune_requested for t in opened.trials()] == ["median: 1.5 at step 100"]

    def test_the_final_training_is_fixed_and_then_has_a_result(self, opened: TrialStore) -> None:
        opened.ask(0, HASH)
        opened.record_final(0)
        assert (opened.record().final_trial, opened.record().final_result) == (0, None)
        result = result_of("complete", 0.25)
        opened.record_final(0, result.model_dump_json(by_alias=True))
        assert opened.record().final_result == result
