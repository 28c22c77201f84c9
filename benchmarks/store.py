"""How long the operator's storage takes: ask, tell and a pass's reading, on the embedded Postgres, as the study grows.

    python benchmarks/store.py                  # TPE, 0, 100 and 1000 finished trials, 8 running
    python benchmarks/store.py --sampler gp --sizes 0 50

Medians of `--repeat` calls in milliseconds. Finished trials are written straight into the storage, with 20 reports each.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import optuna

from tacotune.adapters.optuna_engine import OptunaEngine
from tacotune.adapters.optuna_store import OptunaStore
from tacotune.adapters.postgres import EmbeddedPostgres
from tacotune.adapters.search import SearchSpace
from tacotune.api.study import TTSStudySpec
from tacotune.api.study_key import StudyKey
from tacotune.engine.observed import TrialState

SPACE = [
    {"name": "learning_rate", "float": {"low": 5e-5, "high": 2e-3, "log": True}},
    {"name": "guided_attention_weight", "float": {"low": 0.5, "high": 20, "log": True}},
    {"name": "weight_decay", "float": {"low": 1e-8, "high": 1e-3, "log": True}},
    {"name": "prenet_dropout", "float": {"low": 0.0, "high": 0.5}},
    {"name": "batch_size", "int": {"low": 8, "high": 64, "log": True}},
    {"name": "lr_schedule", "categorical": {"choices": ["constant", "exponential", "cosine"]}},
]


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Current time, in UTC."""
        return datetime.fromtimestamp(time.time(), UTC)


def fill(
    engine: OptunaEngine, study: str, spec: TTSStudySpec, count: int, state: optuna.trial.TrialState
) -> None:
    space, draw = SearchSpace(spec.search_space), random.Random(count)
    study_id = engine.storage.get_study_id_from_name(study)
    sampler = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=count))
    for _ in range(count):
        trial = sampler.ask()
        parameters = space.suggest(trial)
        finished = state.is_finished()
        engine.storage.create_new_trial(
            study_id,
            optuna.trial.create_trial(
                state=state,
                values=[draw.random()] if finished else None,
                params=parameters,
                distributions=space.distributions,
                user_attrs={"tacotune:specHash": "sha256:0", "tacotune:metrics": {"alignment": 0.5}},
                intermediate_values={step: draw.random() for step in range(20)} if finished else {},
            ),
        )


def milliseconds(call: Callable[[int], object], repeat: int) -> float:
    taken = []
    for index in range(repeat):
        begin = time.perf_counter()
        call(index)
        taken.append(1000 * (time.perf_counter() - begin))
    return statistics.median(taken)


def measure(dsn: str, sampler: str, size: int, running: int, repeat: int) -> dict[str, float]:
    spec = TTSStudySpec.model_validate(
        {
            "searchSpace": [p for p in SPACE if sampler != "cmaes" or "categorical" not in p],
            "sampler": {"name": sampler},
            "pruner": {"name": "median"},
            "dataset": {"speech": {}},
            "maxTrials": 100_000,
        }
    )
    engine = OptunaEngine(dsn)
    key = StudyKey("default", f"{sampler}-{size}", "benchmark")
    store = OptunaStore(engine, key, SystemClock())
    store.open(spec)
    fill(engine, key.storage_name, spec, size, optuna.trial.TrialState.COMPLETE)
    fill(engine, key.storage_name, spec, running, optuna.trial.TrialState.RUNNING)
    begin = time.perf_counter()
    next_number = len(store.trials())
    first = 1000 * (time.perf_counter() - begin)
    found = {"first read": first, "trials": milliseconds(lambda _: store.trials(), repeat)}
    found["ask"] = milliseconds(lambda index: store.ask(next_number + index, "sha256:0"), repeat)
    found["tell"] = milliseconds(
        lambda index: store.tell(
            next_number + index,
            TrialState.COMPLETE,
            [0.5],
            message="trained",
            metrics={"alignment": 0.5},
            checkpoint="c",
        ),
        repeat,
    )
    engine.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sampler", default="tpe")
    parser.add_argument("--sizes", type=int, nargs="+", default=[0, 100, 1000])
    parser.add_argument("--running", type=int, default=8)
    parser.add_argument("--repeat", type=int, default=10)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder) / "postgres") as server:
        print(f"{given.sampler}, {given.running} trials running, milliseconds")
        print(f"{'finished':>8} {'first read':>10} {'trials()':>9} {'ask()':>7} {'tell()':>7}")
        for size in given.sizes:
            found = measure(server.dsn, given.sampler, size, given.running, given.repeat)
            print(
                f"{size:>8} {found['first read']:>10.0f} {found['trials']:>9.1f} {found['ask']:>7.1f} {found['tell']:>7.1f}"
            )


if __name__ == "__main__":
    main()
