"""The fake behind the planner's tests keeps the promises that the real store keeps."""

import pytest

from support.builders import observed_of
from support.fakes import Backend, FakeStore
from support.port_contracts import PlannerStoreContract


class TestFakeStore(PlannerStoreContract):
    @pytest.fixture
    def store(self) -> FakeStore:
        return FakeStore(Backend(observed_of()))
