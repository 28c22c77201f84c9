"""Every sampler: proposals lie in the space, are new, respect conditions, and do not depend on restarts."""

import itertools
import math
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any

import pytest
from optuna.trial import TrialState as OptunaState
from optuna.trial import create_trial

from support.stores import (
    ATTENTION,
    DROPOUT,
    LEARNING_RATE,
    LOCATION_KERNEL,
    engine_on,
    run_trials,
    space_of,
    store_on,
)
from tacotune.adapters import samplers
from tacotune.adapters.optuna_engine import OptunaEngine
from tacotune.adapters.samplers import ask_seed, check_sampler
from tacotune.api.study import TTSStudySpec
from tacotune.api.tuning import Sampler
from tacotune.engine.observed import ParameterValue, TrialState
from tacotune.ports import InvalidStudy

pytestmark = pytest.mark.postgres

HASH = "sha256:0"
NUMBERS = ({"name": "batch_size", "int": {"low": 8, "high": 64, "log": True}}, LEARNING_RATE, DROPOUT)
CONDITIONAL = (LEARNING_RATE, ATTENTION, LOCATION_KERNEL)
SPACES: dict[str, tuple[dict[str, Any], ...]] = {
    "tpe": CONDITIONAL,
    "gp": (LEARNING_RATE, ATTENTION, DROPOUT),
    "cmaes": NUMBERS,
    "nsgaii": CONDITIONAL,
    "nsgaiii": CONDITIONAL,
    "qmc": CONDITIONAL,
    "random": CONDITIONAL,
    "grid": (ATTENTION, DROPOUT, {"name": "batch_size", "int": {"low": 8, "high": 32, "step": 8}}),
}
TRIALS = {"gp": 5}
_names = (f"voice-{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def engine(module_postgres_dsn: str) -> Iterator[OptunaEngine]:
    with engine_on(module_postgres_dsn) as engine:
        yield engine


def sampled(name: str, seed: int = 42, **fields: Any) -> TTSStudySpec:
    """A spec for a sampler, which learns after three trials."""
    return space_of(
        *SPACES[name], sampler={"name": name, "seed": seed, "startupTrials": 3}, maxTrials=100, **fields
    )


def loss(parameters: Mapping[str, ParameterValue]) -> float:
    """Something to learn: best at a small rate, a large dropout, and `dca`."""
    rate = parameters.get("learning_rate", 1e-3)
    dropout, attention = parameters.get("prenet_dropout", 0.0), parameters.get("attention")
    assert isinstance(rate, float)
    assert isinstance(dropout, float)
    return abs(math.log10(rate) + 3) + (0.5 - dropout) + (0.3 if attention == "location" else 0.0)


@pytest.mark.parametrize("name", SPACES)
def test_proposals_are_new_in_the_space_and_the_same_after_restarts(engine: OptunaEngine, name: str) -> None:
    spec, count = sampled(name), TRIALS.get(name, 7)
    asked = run_trials(store_on(engine, spec, next(_names)), range(count), loss)
    restarted, study = [], next(_names)
    for number in range(count):
        restarted += run_trials(store_on(engine, spec, study), [number], loss)
    assert restarted == asked

    assert len({repr(sorted(parameters.items())) for parameters in asked}) == count
    for parameters in asked:
        chosen: dict[str, ParameterValue] = {}
        for parameter in spec.search_space:
            assert (parameter.name in parameters) == parameter.applies(chosen)
            if parameter.name in parameters:
                assert parameter.contains(parameters[parameter.name])
                chosen[parameter.name] = parameters[parameter.name]
        assert chosen == parameters


@pytest.mark.parametrize("name", ["tpe", "cmaes", "qmc", "random", "grid"])
def test_another_seed_asks_other_trials(engine: OptunaEngine, name: str) -> None:
    runs = [
        run_trials(store_on(engine, sampled(name, seed), next(_names)), range(2), loss) for seed in (1, 2)
    ]
    assert runs[0] != runs[1]


@pytest.mark.parametrize("name", ["tpe", "nsgaii", "qmc", "random", "grid"])
def test_a_finite_space_is_asked_to_its_end_and_no_further(engine: OptunaEngine, name: str) -> None:
    space = (ATTENTION, {"name": "reduction_factor", "int": {"low": 1, "high": 3}})
    spec = space_of(*space, sampler={"name": name, "startupTrials": 2}, maxTrials=100)
    store = store_on(engine, spec, next(_names))
    asked = run_trials(store, range(6), lambda parameters: float(str(parameters["reduction_factor"])))
    assert {(p["attention"], p["reduction_factor"]) for p in asked} == {
        (attention, factor) for attention in ("location", "dca") for factor in (1, 2, 3)
    }
    assert store.ask(6, HASH) is None
    assert store.record().space_exhausted
    assert len(store.trials()) == 6


def test_a_finite_space_with_conditions_is_asked_to_its_end(engine: OptunaEngine) -> None:
    kernel = {**LOCATION_KERNEL, "int": {"low": 15, "high": 31, "step": 8}}
    spec = space_of(ATTENTION, kernel, sampler={"name": "random"}, maxTrials=100)
    store = store_on(engine, spec, next(_names))
    asked = run_trials(store, range(4), lambda _: 0.5)
    assert store.ask(4, HASH) is None
    assert sorted(map(str, asked)) == sorted(
        map(
            str,
            [{"attention": "dca"}, *({"attention": "location", "location_kernel": k} for k in (15, 23, 31))],
        )
    )


def test_failed_and_running_trials_are_not_repeated(engine: OptunaEngine) -> None:
    store = store_on(engine, space_of(ATTENTION, sampler={"name": "tpe"}, maxTrials=100), next(_names))
    store.ask(0, HASH)
    store.tell(0, TrialState.FAIL, [])
    assert store.ask(1, HASH) == 1
    assert store.ask(2, HASH) is None
    assert {trial.parameters["attention"] for trial in store.trials()} == {"location", "dca"}


def test_steps_are_counted_in_cells_not_in_last_bits(engine: OptunaEngine) -> None:
    """0.1 + 0.2 is not 0.3, and still the same cell of the grid."""
    spec = space_of(
        DROPOUT, initialTrials=[{"prenet_dropout": 0.3}], sampler={"name": "tpe", "startupTrials": 1}
    )
    store = store_on(engine, spec.model_copy(update={"max_trials": 100}), next(_names))
    asked = run_trials(store, range(6), loss)
    assert sorted(round(float(str(p["prenet_dropout"])), 6) for p in asked) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert store.ask(6, HASH) is None


def test_an_enqueued_trial_equal_to_an_earlier_one_is_crossed_out(engine: OptunaEngine) -> None:
    spec = space_of(ATTENTION, LEARNING_RATE, initialTrials=[{"attention": "dca", "learning_rate": 1e-3}])
    store = store_on(engine, spec, next(_names))
    store.ask(0, HASH)
    opened = store._get()
    twin = create_trial(
        state=OptunaState.WAITING, system_attrs={"fixed_params": dict(store.trials()[0].parameters)}
    )
    opened.storage.create_new_trial(opened.study_id, twin)
    assert store.ask(1, HASH) == 1
    assert [trial.state for trial in store.trials()] == [TrialState.RUNNING, TrialState.PRUNED]
    assert store.ask(2, HASH) == 2


def test_several_objectives_are_sampled(engine: OptunaEngine) -> None:
    for name in ("tpe", "nsgaii"):
        spec = sampled(
            name, objectives=[{"metric": "tts_score"}, {"metric": "stop_f1", "direction": "Maximize"}]
        )
        store = store_on(engine, spec, next(_names))
        for number in range(6):
            assert store.ask(number, HASH) == number
            store.tell(number, TrialState.COMPLETE, [loss(store.trials()[number].parameters), 0.1 * number])
        assert [len(trial.values) for trial in store.trials()] == [2] * 6


def test_tpe_learns(engine: OptunaEngine) -> None:
    """Not a benchmark: after its random trials it asks in the better half far more often than chance."""
    spec = space_of(LEARNING_RATE, sampler={"name": "tpe", "startupTrials": 8}, maxTrials=100)
    asked = run_trials(store_on(engine, spec, next(_names)), range(20), loss)
    close = [abs(math.log10(float(str(p["learning_rate"]))) + 3) < 1 for p in asked[8:]]
    assert sum(close) >= 9


@pytest.mark.parametrize("name", ["gp", "cmaes"])
def test_a_sampler_whose_library_is_missing_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(samplers, "find_spec", lambda _: None)
    with pytest.raises(InvalidStudy, match=rf"sampler\.name: {name} needs .*: pip install"):
        check_sampler(Sampler(name=name))  # type: ignore[arg-type]
    assert find_spec("cmaes") is not None


def test_seeds_differ_by_study_trial_and_draw() -> None:
    seeds = {ask_seed(seed, number, draw) for seed in range(3) for number in range(3) for draw in range(3)}
    assert len(seeds) == 27
    assert all(0 <= seed < 2**32 for seed in seeds)


def test_a_range_off_its_step_ends_at_the_last_cell(engine: OptunaEngine) -> None:
    space = (
        {"name": "a", "int": {"low": 1, "high": 6, "step": 2}},
        {"name": "b", "float": {"low": 0.0, "high": 0.25, "step": 0.1}},
    )
    store = store_on(engine, space_of(*space, sampler={"name": "grid"}, maxTrials=100), next(_names))
    asked = run_trials(store, range(9), lambda _: 0.5)
    assert {p["a"] for p in asked} == {1, 3, 5}
    assert {p["b"] for p in asked} == {0.0, 0.1, 0.2}
    assert store.ask(9, HASH) is None
