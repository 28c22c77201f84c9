"""The end-to-end tests share one kind cluster with the chart in it; both stay afterwards (`make kind-down` takes them down)."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from support.kind import cluster, session
from support.kind.release import NAMESPACE
from support.kind_study import KindStudy
from support.namespace import Namespace


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The time that a first cluster takes is not the test's."""
    for item in items:
        if "/e2e/" in str(item.path):
            item.add_marker(pytest.mark.timeout(600, func_only=True))


@pytest.fixture(scope="session")
def kind() -> None:
    """The cluster with images and chart of this checkout."""
    session.up()


@pytest.fixture(scope="session")
def release(kind: None) -> Namespace:
    """Where the operator and its Postgres are."""
    return Namespace(NAMESPACE)


@pytest.fixture
def namespace(kind: None) -> Iterator[Namespace]:
    """A namespace that takes everything with it."""
    with _namespace() as made:
        yield made


@pytest.fixture
def study(namespace: Namespace) -> Iterator[KindStudy]:
    """A study that is yet to be created; the operator lets it go in the end."""
    with _study(namespace) as made:
        yield made


@pytest.fixture
def neighbour(kind: None) -> Iterator[KindStudy]:
    """A study of the same name in another namespace."""
    with _namespace() as namespace, _study(namespace) as made:
        yield made


@contextmanager
def _namespace() -> Iterator[Namespace]:
    """Restricted pods only, as a careful cluster has it."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", name)
    cluster.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    try:
        yield Namespace(name)
    finally:
        cluster.kubectl("delete", "namespace", name, "--wait=false")


@contextmanager
def _study(namespace: Namespace) -> Iterator[KindStudy]:
    try:
        yield KindStudy(namespace)
    finally:
        namespace.kubectl("delete", "tts", "--all", "--timeout=120s")
