"""The store that is timed keeps the promises of the one within, and tells of each call."""

from itertools import count

import pytest

from support.builders import observed_of, spec_of
from support.fakes import Backend, FakeStore
from support.port_contracts import PlannerStoreContract
from tacotune.adapters.timed_store import TimedStore
from tacotune.ports import StorageUnavailable, TrialStore


class TestTimedStore(PlannerStoreContract):
    @pytest.fixture
    def store(self) -> TimedStore:
        return TimedStore(FakeStore(Backend(observed_of())), lambda _operation, _seconds: None)


def test_every_call_is_told_with_its_seconds_and_failed_ones_too() -> None:
    told: list[tuple[str, float]] = []
    backend = Backend(observed_of())
    ticks = count()
    store = TimedStore(FakeStore(backend), lambda *call: told.append(call), lambda: float(next(ticks)))
    store.open(spec_of())
    store.ask(0, "sha256:0")
    backend.storage_away = True
    with pytest.raises(StorageUnavailable):
        store.trials()
    assert told == [("open", 1.0), ("ask", 1.0), ("trials", 1.0)]


def test_no_method_of_the_port_is_left_out() -> None:
    wanted = {name for name in vars(TrialStore) if not name.startswith("_")}
    assert wanted <= set(vars(TimedStore))
