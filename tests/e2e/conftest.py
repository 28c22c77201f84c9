"""The end-to-end tests share one kind cluster, which stays up afterwards (`make kind-down` takes it down)."""

import uuid
from collections.abc import Iterator

import pytest

from support.kind import cluster, session
from support.namespace import Namespace


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The time that a first cluster takes is not the test's."""
    for item in items:
        if "/e2e/" in str(item.path):
            item.add_marker(pytest.mark.timeout(600, func_only=True))


@pytest.fixture(scope="session")
def kind() -> None:
    """The cluster with all images."""
    session.up()


@pytest.fixture
def namespace(kind: None) -> Iterator[Namespace]:
    """A namespace that takes everything with it; restricted pods only, as a careful cluster has it."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", name)
    cluster.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    yield Namespace(name)
    cluster.kubectl("delete", "namespace", name, "--wait=false")
