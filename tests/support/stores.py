"""Stores and specs for tests on a real Postgres."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from support.builders import spec_of
from tacotune.adapters.optuna_engine import OptunaEngine
from tacotune.adapters.optuna_store import OptunaStore
from tacotune.api import names
from tacotune.api.study import TTSStudySpec
from tacotune.api.study_key import StudyKey
from tacotune.engine.observed import ParameterValue, TrialState

START = datetime(2030, 1, 1, 12, tzinfo=UTC)

LEARNING_RATE = {"name": "learning_rate", "float": {"low": 1e-5, "high": 1e-1, "log": True}}
ATTENTION = {"name": "attention", "categorical": {"choices": ["location", "dca"]}}
LOCATION_KERNEL = {
    "name": "location_kernel",
    "int": {"low": 1, "high": 31, "step": 2},
    "when": {"parameter": "attention", "in": ["location"]},
}
DROPOUT = {"name": "prenet_dropout", "float": {"low": 0.0, "high": 0.5, "step": 0.1}}


class TickingClock:
    """A second later at every look."""

    def __init__(self) -> None:
        self._looks = 0

    def now(self) -> datetime:
        """START, then a second after it, and so on."""
        self._looks += 1
        return START + timedelta(seconds=self._looks - 1)


@contextmanager
def engine_on(dsn: str, sleep: Callable[[float], None] | None = None) -> Iterator[OptunaEngine]:
    """An engine that is closed in the end. Without a `sleep` nothing may wait."""
    engine = OptunaEngine(dsn, sleep=_never if sleep is None else sleep)
    try:
        yield engine
    finally:
        engine.close()


def store_on(engine: OptunaEngine, spec: TTSStudySpec | None = None, name: str = "voice") -> OptunaStore:
    """A store; opened when a spec is given."""
    store = OptunaStore(engine, StudyKey("default", name, "0123456789abcdef"), TickingClock())
    if spec is not None:
        store.open(spec)
    return store


def space_of(*parameters: Mapping[str, Any], **fields: Any) -> TTSStudySpec:
    """A spec with these parameters."""
    return spec_of(searchSpace=list(parameters), **fields)


def run_trials(
    store: OptunaStore, numbers: Sequence[int], value: Callable[[Mapping[str, ParameterValue]], float]
) -> list[Mapping[str, ParameterValue]]:
    """Ask and tell one trial after the other; returns what was asked."""
    asked = []
    for number in numbers:
        assert store.ask(number, "sha256:0") == number
        parameters = store.trials()[number].parameters
        asked.append(parameters)
        store.tell(number, TrialState.COMPLETE, [value(parameters)])
    return asked


def _never(seconds: float) -> None:
    raise AssertionError(f"waited {seconds} s")


def trials_in(dsn: str) -> int:
    """Rows of trials in a whole database, read past Optuna."""
    engine = create_engine(dsn, poolclass=NullPool)
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM trials")).scalar_one())


def spec_hashes_in(dsn: str) -> list[str]:
    """The snapshot that each trial of a whole database was asked under, by number."""
    query = "SELECT value_json FROM trial_user_attributes WHERE key = :key ORDER BY trial_id"
    engine = create_engine(dsn, poolclass=NullPool)
    with engine.connect() as connection:
        rows = connection.execute(text(query), {"key": names.ATTRIBUTE_SPEC_HASH})
        return [str(json.loads(value)) for (value,) in rows]
