"""S4: a study goes on after its operator or its database was gone; nothing finished is lost, nothing is asked twice."""

from collections.abc import Iterator
from typing import Any

import optuna
import pytest

from support.postgres import sever
from support.stores import (
    ATTENTION,
    LEARNING_RATE,
    LOCATION_KERNEL,
    engine_on,
    run_trials,
    space_of,
    store_on,
)
from tacotune.adapters.optuna_engine import OptunaEngine
from tacotune.adapters.postgres import EmbeddedPostgres
from tacotune.engine.observed import TrialState
from tacotune.ports import InvalidStudy, StorageUnavailable

pytestmark = pytest.mark.postgres

HASH = "sha256:0"
SPEC = space_of(LEARNING_RATE, ATTENTION, LOCATION_KERNEL, sampler={"startupTrials": 3})


@pytest.fixture
def engine(postgres_dsn: str) -> Iterator[OptunaEngine]:
    with engine_on(postgres_dsn) as engine:
        yield engine


def test_a_new_operator_finds_the_study_as_the_old_one_left_it(postgres_dsn: str) -> None:
    with engine_on(postgres_dsn) as engine:
        store = store_on(engine, SPEC)
        run_trials(store, range(5), lambda parameters: float(str(parameters["learning_rate"])))
        store.ask(5, HASH)
        before, record = list(store.trials()), store.record()
    with engine_on(postgres_dsn) as engine:
        store = store_on(engine, SPEC)
        assert list(store.trials()) == before
        assert store.record() == record
        store.tell(5, TrialState.COMPLETE, [0.5])
        run_trials(store, [6], lambda _: 0.5)
        trials = store.trials()
    assert [trial.number for trial in trials] == list(range(7))
    assert list(trials[:5]) == before[:5]


class CutOffError(Exception):
    """The operator dies here."""


@pytest.mark.parametrize("initial", [[], [{"learning_rate": 1e-3}]], ids=["new trial", "enqueued trial"])
def test_wherever_an_ask_is_cut_off_the_next_one_asks_the_same_trial_once(
    engine: OptunaEngine, monkeypatch: pytest.MonkeyPatch, initial: list[Any]
) -> None:
    """Every write of an ask is cut off before it, and another time after it."""
    spec = space_of(LEARNING_RATE, ATTENTION, LOCATION_KERNEL, initialTrials=initial)
    asked = store_on(engine, spec, "undisturbed")
    asked.ask(0, HASH)
    wanted = asked.trials()[0].parameters
    writes = ("create_new_trial", "set_trial_param", "set_trial_system_attr", "set_trial_user_attr")
    cuts = 0
    for write in (*writes, "set_trial_state_values"):
        for after in (False, True):
            name = f"{write}-{after}"
            store = store_on(engine, spec, name)
            real = getattr(engine.storage, write)

            def cut(*arguments: Any, real: Any = real, after: bool = after, **named: Any) -> None:
                if after:
                    real(*arguments, **named)
                raise CutOffError

            with monkeypatch.context() as patch:
                patch.setattr(engine.storage, write, cut)
                try:
                    store.ask(0, HASH)
                except CutOffError:
                    cuts += 1
            store = store_on(engine, spec, name)
            assert store.ask(0, HASH) == 0
            (trial,) = store.trials()
            assert trial.parameters_complete, name
            assert trial.state is TrialState.RUNNING
            assert trial.spec_hash == HASH
            assert trial.parameters == wanted
    assert cuts >= (6 if initial else 2)


def test_a_trial_that_other_hands_left_without_parameters_is_seen(engine: OptunaEngine) -> None:
    store = store_on(engine, SPEC)
    optuna.load_study(study_name="default.voice.01234567", storage=engine.storage).ask()
    (trial,) = store.trials()
    assert (trial.state, trial.parameters_complete) == (TrialState.RUNNING, False)
    assert store.ask(0, HASH) == 0
    assert store.ask(1, HASH) == 1
    store.tell(0, TrialState.FAIL, [], message="cut off while it was asked")
    assert [t.state for t in store.trials()] == [TrialState.FAIL, TrialState.RUNNING]


def test_a_database_that_comes_back_is_used_again(
    engine: OptunaEngine, postgres_server: EmbeddedPostgres, postgres_dsn: str
) -> None:
    store = store_on(engine, SPEC)
    run_trials(store, range(2), lambda _: 0.5)
    store.ask(2, HASH)
    before = list(store.trials())
    back = sever(postgres_server, postgres_dsn)
    with pytest.raises(StorageUnavailable):
        store.trials()
    with pytest.raises(StorageUnavailable):
        store.record()
    with pytest.raises(StorageUnavailable):
        store.ask(3, HASH)
    with pytest.raises(StorageUnavailable):
        store.tell(2, TrialState.COMPLETE, [0.5])
    store.open(SPEC)
    back()
    assert list(store.trials()) == before
    store.tell(2, TrialState.COMPLETE, [0.25])
    assert store.ask(3, HASH) == 3
    assert [trial.values for trial in store.trials()] == [(0.5,), (0.5,), (0.25,), ()]


def test_rows_that_somebody_dropped_make_the_study_begin_anew(engine: OptunaEngine) -> None:
    store, other = store_on(engine, SPEC), store_on(engine, SPEC)
    run_trials(store, range(2), lambda _: 0.5)
    other.delete()
    with pytest.raises(StorageUnavailable, match="no longer stored"):
        store.trials()
    store.open(SPEC)
    assert list(store.trials()) == []


def test_dropping_a_study_leaves_the_others(engine: OptunaEngine) -> None:
    store, other = store_on(engine, SPEC), store_on(engine, SPEC, "other")
    for each in (store, other):
        run_trials(each, range(2), lambda _: 0.5)
    before = list(other.trials())
    store.delete()
    assert list(other.trials()) == before


def test_finished_trials_are_read_and_translated_once(
    engine: OptunaEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_on(engine, SPEC)
    run_trials(store, range(5), lambda _: 0.5)
    store.ask(5, HASH)
    first = store.trials()
    read: list[int] = []
    database = engine.storage._backend  # type: ignore[attr-defined]
    real = database._build_frozen_trial_from_trial_model

    def build(model: Any) -> Any:
        read.append(model.number)
        return real(model)

    monkeypatch.setattr(database, "_build_frozen_trial_from_trial_model", build)
    second = store.trials()
    assert read == [5]
    assert all(a is b for a, b in zip(first[:5], second[:5], strict=True))


def test_warm_start_asks_the_best_of_earlier_studies_first(engine: OptunaEngine) -> None:
    earlier = store_on(
        engine, space_of({"name": "learning_rate", "float": {"low": 1e-6, "high": 1.0}}, ATTENTION), "old"
    )
    asked = run_trials(earlier, range(6), lambda parameters: float(str(parameters["learning_rate"])))
    spec = space_of(
        LEARNING_RATE,
        ATTENTION,
        initialTrials=[{"learning_rate": 3e-3, "attention": "dca"}],
        warmStart={"fromStudies": ["old"], "topTrials": 3},
    )
    store = store_on(engine, spec)
    assert [trial.state for trial in store.trials()] == [TrialState.WAITING] * 4
    for number in range(4):
        store.ask(number, HASH)
    best = sorted(asked, key=lambda parameters: float(str(parameters["learning_rate"])))[:3]
    clipped = [{**p, "learning_rate": min(float(str(p["learning_rate"])), 1e-1)} for p in best]
    assert [dict(t.parameters) for t in store.trials()] == [
        {"learning_rate": 3e-3, "attention": "dca"},
        *clipped,
    ]


def test_warm_start_needs_the_study_it_names(engine: OptunaEngine) -> None:
    with pytest.raises(InvalidStudy, match=r"warmStart\.fromStudies: namespace default has no study 'old'"):
        store_on(engine, space_of(LEARNING_RATE, warmStart={"fromStudies": ["old"]}))
