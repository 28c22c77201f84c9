"""S10: what is no number is never a score, and never becomes the best."""

import math
from collections.abc import Iterator

import optuna
import pytest

from support.stores import LEARNING_RATE, engine_on, run_trials, space_of, store_on
from tacotune.adapters.optuna_engine import OptunaEngine
from tacotune.engine.observed import TrialState

pytestmark = pytest.mark.postgres

NOT_FINITE = [math.nan, math.inf, -math.inf]


@pytest.fixture(scope="module")
def engine(module_postgres_dsn: str) -> Iterator[OptunaEngine]:
    with engine_on(module_postgres_dsn) as engine:
        yield engine


@pytest.mark.parametrize("direction", ["Minimize", "Maximize"])
def test_the_best_trial_is_the_best_finite_one(engine: OptunaEngine, direction: str) -> None:
    store = store_on(engine, space_of(LEARNING_RATE, objective={"direction": direction}), direction.lower())
    run_trials(
        store, range(2), lambda parameters: 1.0 if float(str(parameters["learning_rate"])) > 0 else 0.0
    )
    for number, value in enumerate(NOT_FINITE, start=2):
        store.ask(number, "sha256:0")
        store.tell(number, TrialState.COMPLETE, [value], message="trained")
    states = [trial.state for trial in store.trials()]
    assert states == [TrialState.COMPLETE] * 2 + [TrialState.FAIL] * 3
    study = optuna.load_study(study_name=f"default.{direction.lower()}.01234567", storage=engine.storage)
    assert study.best_value == 1.0
    assert study.best_trial.number in {0, 1}
    assert "no finite value" in study.trials[2].user_attrs["tacotune:message"]


@pytest.mark.parametrize("value", NOT_FINITE, ids=str)
def test_one_of_several_objectives_is_enough_to_fail(engine: OptunaEngine, value: float) -> None:
    spec = space_of(LEARNING_RATE, objectives=[{"metric": "tts_score"}, {"metric": "mcd_dtw"}])
    store = store_on(engine, spec, f"front-{value}".replace("-inf", "-minus"))
    store.ask(0, "sha256:0")
    store.tell(0, TrialState.COMPLETE, [0.5, value])
    assert store.trials()[0].state is TrialState.FAIL


@pytest.mark.parametrize("value", NOT_FINITE, ids=str)
def test_reports_that_are_no_numbers_are_the_newest_and_never_the_best(
    engine: OptunaEngine, value: float
) -> None:
    store = store_on(engine, space_of(LEARNING_RATE), f"reports{value}")
    store.ask(0, "sha256:0")
    for step, reported in ((10, 0.5), (20, 0.25), (30, value)):
        engine.storage.set_trial_intermediate_value(store.storage_trial_id(0), step, reported)
    (trial,) = store.trials()
    assert trial.best_report == (20, 0.25)
    assert trial.last_report is not None
    assert trial.last_report[0] == 30
    assert str(trial.last_report[1]) == str(value)


def test_a_pruned_trial_with_nothing_but_nan_stays_pruned_and_without_value(engine: OptunaEngine) -> None:
    store = store_on(engine, space_of(LEARNING_RATE), "pruned")
    store.ask(0, "sha256:0")
    engine.storage.set_trial_intermediate_value(store.storage_trial_id(0), 10, math.nan)
    store.tell(0, TrialState.PRUNED, [])
    (trial,) = store.trials()
    assert (trial.state, trial.values, trial.best_report) == (TrialState.PRUNED, (), None)
