"""The end-to-end tests share one kind cluster, which stays up afterwards (`make kind-down` takes it down)."""

import uuid
from collections.abc import Iterator

import pytest

from support.chart import CHART, PROGRAMS
from support.kind import cluster, paths, session
from support.kind.processes import run
from support.kind_study import KindStudy
from support.namespace import Namespace
from support.toolchain import build

RELEASE = "tacotune-system"
VALUES = (
    "image.tag=e2e",
    "trainer.image.tag=e2e",
    "postgresql.embedded.image.repository=tacotune/postgres",
    "postgresql.embedded.image.tag=e2e",
    "postgresql.embedded.persistence.size=1Gi",
    "operator.extraArgs={--poll-seconds=1}",
)


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


@pytest.fixture(scope="session")
def release(kind: None) -> Iterator[Namespace]:
    """The chart, installed by helm as a person would; it goes with the session, the cluster stays."""
    helm = str(build(PROGRAMS) / "helm")
    where = ("--kubeconfig", str(paths.kubeconfig()), "--namespace", RELEASE)
    values = [word for value in VALUES for word in ("--set", value)]
    run(
        "helm install",
        [
            helm,
            "upgrade",
            "--install",
            "tacotune",
            str(CHART),
            "--create-namespace",
            "--wait",
            "--timeout=5m",
            *where,
            *values,
        ],
    )
    yield Namespace(RELEASE)
    run("helm uninstall", [helm, "uninstall", "tacotune", "--wait", *where])


@pytest.fixture
def study(release: Namespace, namespace: Namespace) -> Iterator[KindStudy]:
    """A study that is yet to be created; the operator lets it go in the end."""
    yield KindStudy(namespace)
    namespace.kubectl("delete", "tts", "--all", "--timeout=120s")
