"""The rows that are written past Optuna's API are those that its API would have written."""

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from support.stores import engine_on
from tacotune.adapters import trial_rows
from tacotune.adapters.optuna_engine import OptunaEngine

pytestmark = pytest.mark.postgres

END = datetime(2030, 1, 1, 12, tzinfo=UTC)
NOTES = {"tacotune:message": "it's done: 100 %", "tacotune:metrics": {"mcd": 2.5}, "tacotune:bestStep": 7}


@pytest.fixture(scope="module")
def engine(module_postgres_dsn: str) -> Iterator[OptunaEngine]:
    with engine_on(module_postgres_dsn) as engine:
        yield engine


def running(engine: OptunaEngine, objectives: int, reports: Sequence[float]) -> tuple[optuna.Study, int]:
    """A study with one running trial; the trial's id."""
    study = optuna.create_study(storage=engine.storage, directions=["minimize"] * objectives)
    trial = study.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
    for step, value in enumerate(reports):
        engine.storage.set_trial_intermediate_value(trial._trial_id, step, value)
    return study, trial._trial_id


def ended(engine: OptunaEngine, trial_id: int) -> FrozenTrial:
    return engine.storage.get_trial(trial_id)


@pytest.mark.parametrize(
    ("state", "values", "reports"),
    [
        (TrialState.COMPLETE, [0.25], []),
        (TrialState.COMPLETE, [0.25, -3.0], [0.5]),
        (TrialState.PRUNED, [], [0.5, 0.75]),
        (TrialState.PRUNED, [], [0.5, math.nan]),
        (TrialState.PRUNED, [], []),
        (TrialState.FAIL, [], [0.5]),
    ],
)
def test_a_trial_ends_as_optuna_would_end_it(
    engine: OptunaEngine, state: TrialState, values: list[float], reports: list[float]
) -> None:
    objectives = max(len(values), 1)
    theirs, their_id = running(engine, objectives, reports)
    for key, note in NOTES.items():
        engine.storage.set_trial_user_attr(their_id, key, note)
    theirs.tell(0, values or None, state=state)
    _, our_id = running(engine, objectives, reports)
    with engine.transaction() as connection:
        assert trial_rows.finish(connection, our_id, state, values, NOTES, ended=END, objectives=objectives)
    expected, found = ended(engine, their_id), ended(engine, our_id)
    assert (found.state, found.values, found.user_attrs) == (
        expected.state,
        expected.values,
        expected.user_attrs,
    )
    # Local and without a zone, as Optuna has it.
    assert expected.datetime_complete is not None
    assert expected.datetime_complete.tzinfo is None
    assert found.datetime_complete == END.astimezone().replace(tzinfo=None)


def test_a_pruned_trial_of_several_objectives_gets_no_value(engine: OptunaEngine) -> None:
    _, trial_id = running(engine, 2, [0.5])
    with engine.transaction() as connection:
        trial_rows.finish(connection, trial_id, TrialState.PRUNED, [], {}, ended=END, objectives=2)
    assert ended(engine, trial_id).values is None


def test_an_infinite_last_report_is_no_value(engine: OptunaEngine) -> None:
    _, trial_id = running(engine, 1, [math.inf])
    with engine.transaction() as connection:
        trial_rows.finish(connection, trial_id, TrialState.PRUNED, [], {}, ended=END)
    assert ended(engine, trial_id).values is None


def test_a_finished_trial_is_left_as_it_is(engine: OptunaEngine) -> None:
    _, trial_id = running(engine, 1, [])
    with engine.transaction() as connection:
        assert trial_rows.finish(connection, trial_id, TrialState.COMPLETE, [1.0], {"a": 1}, ended=END)
    with engine.transaction() as connection:
        assert not trial_rows.finish(connection, trial_id, TrialState.FAIL, [], {"a": 2}, ended=END)
        assert not trial_rows.write_attributes(connection, trial_id, {"a": 3})
    trial = ended(engine, trial_id)
    assert (trial.state, trial.values, trial.user_attrs) == (TrialState.COMPLETE, [1.0], {"a": 1})


def test_attributes_are_written_over_and_read_back(engine: OptunaEngine) -> None:
    study, trial_id = running(engine, 1, [])
    with engine.transaction() as connection:
        assert trial_rows.read_attribute(connection, trial_id, "a") is None
        assert trial_rows.write_attributes(connection, trial_id, {"a": [1], "b": None})
        assert trial_rows.write_attributes(connection, trial_id, {"a": [1, 2]})
        assert trial_rows.read_attribute(connection, trial_id, "a") == [1, 2]
        assert trial_rows.state_of(connection, study._study_id, 0) is TrialState.RUNNING
        assert trial_rows.state_of(connection, study._study_id, 1) is None
    assert ended(engine, trial_id).user_attrs == {"a": [1, 2], "b": None}


def test_a_trial_that_is_not_there_is_said_to_be_so(engine: OptunaEngine) -> None:
    with pytest.raises(KeyError), engine.transaction() as connection:
        trial_rows.write_attributes(connection, 10**8, {"a": 1})
