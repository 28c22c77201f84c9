"""Every pruner's advice, given on stored values: step by step, the same after a restart, never with several objectives."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from support.stores import LEARNING_RATE, engine_on, space_of, store_on
from tacotune.adapters.optuna_engine import OptunaEngine
from tacotune.adapters.optuna_store import OptunaStore
from tacotune.api.study import TTSStudySpec
from tacotune.engine.observed import TrialState

pytestmark = pytest.mark.postgres

HASH = "sha256:0"
_names = (f"voice-{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def engine(module_postgres_dsn: str) -> Iterator[OptunaEngine]:
    with engine_on(module_postgres_dsn) as engine:
        yield engine


def pruned_by(name: str, **fields: Any) -> TTSStudySpec:
    """A spec with a pruner, random trials, and room for many."""
    return space_of(
        LEARNING_RATE,
        sampler={"name": "random"},
        pruner={"name": name, **fields},
        maxTrials=100,
        parallelism=9,
    )


def report(engine: OptunaEngine, store: OptunaStore, number: int, curve: Mapping[int, float]) -> None:
    """What the trial's reporter does."""
    for step, value in curve.items():
        engine.storage.set_trial_intermediate_value(store.storage_trial_id(number), step, value)


def with_history(
    engine: OptunaEngine, spec: TTSStudySpec, curves: Sequence[Mapping[int, float]], name: str
) -> OptunaStore:
    """A study with complete trials of these curves."""
    store = store_on(engine, spec, name)
    for number, curve in enumerate(curves):
        store.ask(number, HASH)
        report(engine, store, number, curve)
        store.trials()
        store.tell(number, TrialState.COMPLETE, [list(curve.values())[-1]])
    return store


def advice(store: OptunaStore) -> dict[int, str]:
    """Reasons by trial."""
    return {trial.number: trial.prune_advised for trial in store.trials() if trial.prune_advised}


GOOD = [{10: 0.5, 20: 0.3, 30: 0.2}, {10: 0.6, 20: 0.4, 30: 0.3}, {10: 0.7, 20: 0.5, 30: 0.4}]
BAD = {10: 0.9, 20: 0.95, 30: 0.9}

TABLE: dict[str, tuple[dict[str, Any], Mapping[int, float], str]] = {
    "median prunes what is worse than the middle": (
        {"name": "median", "startupTrials": 3},
        {10: 0.9},
        "median: 0.9 at step 10",
    ),
    "median spares what is better": ({"name": "median", "startupTrials": 3}, {10: 0.55}, ""),
    "median waits for its trials": ({"name": "median", "startupTrials": 4}, BAD, ""),
    "median waits for its steps": ({"name": "median", "startupTrials": 3, "warmupSteps": 20}, {10: 0.9}, ""),
    "median looks at intervals": (
        {"name": "median", "startupTrials": 3, "intervalSteps": 30},
        {1: 0.1, 10: 0.9},
        "",
    ),
    "median prunes NaN": (
        {"name": "median", "startupTrials": 3},
        {10: float("nan")},
        "median: nan at step 10",
    ),
    "percentile keeps the best quarter": (
        {"name": "percentile", "startupTrials": 3, "percentile": 25},
        {10: 0.58},
        "percentile: 0.58 at step 10",
    ),
    "percentile keeps the best three quarters": (
        {"name": "percentile", "startupTrials": 3, "percentile": 75},
        {10: 0.62},
        "",
    ),
    "patient waits": ({"name": "patient", "startupTrials": 3, "patience": 2}, BAD, ""),
    "patient loses patience": (
        {"name": "patient", "startupTrials": 3, "patience": 1},
        {10: 0.9, 20: 0.95, 30: 0.95},
        "patient: 0.95 at step 30",
    ),
    "threshold prunes above": ({"name": "threshold", "upper": 0.8}, {10: 0.9}, "threshold: 0.9 at step 10"),
    "threshold prunes below": ({"name": "threshold", "lower": 0.2}, {10: 0.1}, "threshold: 0.1 at step 10"),
    "threshold spares between": ({"name": "threshold", "lower": 0.2, "upper": 0.8}, {10: 0.5}, ""),
    "halving prunes below the best third": (
        {"name": "successiveHalving", "minResource": 10},
        {10: 0.9},
        "successiveHalving: 0.9 at step 10",
    ),
    "halving spares the best": ({"name": "successiveHalving", "minResource": 10}, {10: 0.1}, ""),
    "halving waits for its rung": ({"name": "successiveHalving", "minResource": 40}, BAD, ""),
    "hyperband of one bracket halves": (
        {"name": "hyperband", "minResource": 10, "maxResource": 10},
        {10: 0.9},
        "hyperband: 0.9 at step 10",
    ),
    "none never prunes": ({"name": "none"}, BAD, ""),
}


@pytest.mark.parametrize(("pruner", "curve", "reason"), TABLE.values(), ids=TABLE)
def test_a_running_trial_is_judged(
    engine: OptunaEngine, pruner: dict[str, Any], curve: Mapping[int, float], reason: str
) -> None:
    name = next(_names)
    spec = pruned_by(**pruner)
    store = with_history(engine, spec, GOOD, name)
    store.ask(3, HASH)
    report(engine, store, 3, curve)
    wanted = {3: reason} if reason else {}
    assert advice(store) == wanted
    assert advice(store) == wanted, "a second look changes nothing"
    assert advice(store_on(engine, spec, name)) == wanted, "nor does a restart"


def test_greater_is_better_when_the_study_says_so(engine: OptunaEngine) -> None:
    spec = pruned_by("median", startupTrials=3).model_copy(
        update={"objective": space_of(LEARNING_RATE, objective={"direction": "Maximize"}).objective}
    )
    store = with_history(engine, spec, GOOD, next(_names))
    for number, value in ((3, 0.9), (4, 0.1)):
        store.ask(number, HASH)
        report(engine, store, number, {10: value})
    assert advice(store) == {4: "median: 0.1 at step 10"}
    assert store.trials()[4].best_report == (10, 0.1)


def test_steps_that_come_together_are_judged_one_by_one(engine: OptunaEngine) -> None:
    """The median rule looks at the newest step only: at 30 this trial is good again, at 20 it was not."""
    store = with_history(engine, pruned_by("median", startupTrials=3, warmupSteps=20), GOOD, next(_names))
    store.ask(3, HASH)
    report(engine, store, 3, {10: 0.9, 20: 0.8, 30: 0.1})
    assert advice(store) == {3: "median: 0.8 at step 20"}


def test_a_better_step_takes_the_advice_back(engine: OptunaEngine) -> None:
    store = with_history(engine, pruned_by("median", startupTrials=3), GOOD, next(_names))
    store.ask(3, HASH)
    report(engine, store, 3, {10: 0.9})
    assert advice(store) == {3: "median: 0.9 at step 10"}
    report(engine, store, 3, {20: 0.1})
    assert advice(store) == {}


def test_what_is_reported_again_after_a_resume_is_not_judged_again(engine: OptunaEngine) -> None:
    store = with_history(engine, pruned_by("threshold", upper=0.8), [], next(_names))
    store.ask(0, HASH)
    report(engine, store, 0, {10: 0.5, 20: 0.5})
    assert advice(store) == {}
    report(engine, store, 0, {10: 0.9})
    assert advice(store) == {}


def test_a_rung_is_lost_by_a_trial_only_once_its_end_is_decided(engine: OptunaEngine) -> None:
    """Between the advice and the decision a crash may come: then the question is asked again."""
    name, spec = next(_names), pruned_by("successiveHalving", minResource=10)
    store = with_history(engine, spec, [{10: 0.5}, {10: 0.1}], name)
    store.ask(2, HASH)
    report(engine, store, 2, {10: 0.3})

    def rungs() -> dict[int, Any]:
        trials = engine.storage.get_all_trials(store._get().study_id, deepcopy=False)
        return {t.number: t.system_attrs.get("completed_rung_0") for t in trials}

    assert advice(store) == {2: "successiveHalving: 0.3 at step 10"}
    assert rungs() == {0: 0.5, 1: 0.1, 2: None}
    store = store_on(engine, spec, name)
    assert advice(store) == {2: "successiveHalving: 0.3 at step 10"}
    store.request_prune(2, advice(store)[2])
    assert rungs() == {0: 0.5, 1: 0.1, 2: 0.3}


def test_finished_and_waiting_trials_get_no_advice(engine: OptunaEngine) -> None:
    store = store_on(engine, pruned_by("threshold", upper=0.5), next(_names))
    store.ask(0, HASH)
    report(engine, store, 0, {10: 0.9})
    store.tell(0, TrialState.COMPLETE, [0.9])
    assert advice(store) == {}


def test_a_pruner_changed_on_the_way_judges_from_then_on(engine: OptunaEngine) -> None:
    spec = pruned_by("none")
    store = with_history(engine, spec, GOOD, next(_names))
    store.ask(3, HASH)
    report(engine, store, 3, {10: 0.9})
    assert advice(store) == {}
    store.open(pruned_by("median", startupTrials=3))
    assert advice(store) == {3: "median: 0.9 at step 10"}
