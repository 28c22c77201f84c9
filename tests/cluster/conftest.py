"""A real API server for the whole run, the TTSStudy definition on it, and a namespace for each test."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.api_server import ApiServer, Object
from support.chart import PROGRAMS as CHART_PROGRAMS
from support.chart import Chart
from support.cluster_study import ClusterStudy
from support.control_plane import PROGRAMS, ControlPlane
from support.eventually import eventually
from support.operator_process import Operator
from support.postgres import postgres_dsn, postgres_server
from support.pretend_kubelet import PretendKubelet
from support.toolchain import ToolchainError, build
from tacotune.api import names
from tacotune.api.yaml_tree import plain, read_documents

__all__ = ["postgres_dsn", "postgres_server"]

OTHER = "TACOTUNE_TEST_KUBECONFIG"
"""Names the kubeconfig of a cluster that is to be used instead; the tests leave their definition on it."""
DEFINITION = Path(__file__).parents[2] / "crds" / "ttsstudies.yaml"


def pytest_configure() -> None:
    """Let `kill` and `timeout` end a run as Ctrl-C does, so that everything that was started is ended."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build what is missing before the first test's time begins, and in view: it takes minutes, once on a machine."""
    asked = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    programs = list(PROGRAMS) if "kubeconfig" in asked and not os.environ.get(OTHER) else []
    if "chart" in asked:
        programs += CHART_PROGRAMS
    if not programs:
        return
    capture = session.config.pluginmanager.getplugin("capturemanager")
    try:
        with capture.global_and_fixture_disabled():
            build(programs)
    except ToolchainError as error:
        pytest.exit(str(error), returncode=error.code)


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """The session's own cluster; tests that ask for it by name stop and start parts of it, or act as other users."""
    if os.environ.get(OTHER):
        pytest.skip(f"works on a control plane of its own, and {OTHER} names another cluster")
    os.environ["NO_PROXY"] = ",".join(filter(None, [os.environ.get("NO_PROXY"), "127.0.0.1"]))
    with ControlPlane(build(PROGRAMS), tmp_path_factory.mktemp("control-plane")) as plane:
        yield plane


@pytest.fixture(scope="session")
def chart() -> Chart:
    """The Helm chart of this checkout."""
    return Chart(build(CHART_PROGRAMS))


@pytest.fixture(scope="session")
def kubeconfig(request: pytest.FixtureRequest) -> Path:
    """Of an administrator."""
    if other := os.environ.get(OTHER):
        return Path(other)
    plane: ControlPlane = request.getfixturevalue("control_plane")
    return plane.kubeconfig


@pytest.fixture(scope="session")
def api(kubeconfig: Path) -> ApiServer:
    """The API server, with the TTSStudy definition on it."""
    server = ApiServer(kubeconfig)
    (document,) = read_documents(DEFINITION.read_text("utf-8"))
    assert document.root is not None
    definition: Object = plain(document.root)
    server.apply(definition)
    path = f"{server.collection(definition)}/{definition['metadata']['name']}"

    def served() -> bool:
        conditions = server.get(path).get("status", {}).get("conditions") or []
        established = ("Established", "True") in {(c["type"], c["status"]) for c in conditions}
        return established and server.request("GET", f"/apis/{names.API_VERSION}/{names.PLURAL}").ok

    eventually(served, within=30)
    return server


@pytest.fixture
def namespace(api: ApiServer) -> Iterator[str]:
    """A namespace of the test's own, ready for pods."""
    yield from fresh_namespace(api)


@pytest.fixture(scope="module")
def module_namespace(api: ApiServer) -> Iterator[str]:
    """A namespace that the tests of one module share."""
    yield from fresh_namespace(api)


def fresh_namespace(api: ApiServer) -> Iterator[str]:
    """Make a namespace, wait until pods can be made in it, and have it deleted in the end."""
    created = api.create(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "tacotune-test-"}}
    )
    assert created.ok, created
    name: str = created.body["metadata"]["name"]
    path = f"/api/v1/namespaces/{name}"
    eventually(lambda: api.request("GET", f"{path}/serviceaccounts/default").ok, within=30)
    yield name
    api.request("DELETE", path)


@pytest.fixture
def operator(kubeconfig: Path, postgres_dsn: str, tmp_path: Path, study: ClusterStudy) -> Iterator[Operator]:
    """The operator of the test's namespace, with an empty database. Before it ends it lets the test's study go."""
    with Operator(kubeconfig, postgres_dsn, tmp_path / "operator.log", "-n", study.namespace) as running:
        yield running
        running.start()
        study.let_go()


@pytest.fixture
def kubelet(api: ApiServer, namespace: str) -> PretendKubelet:
    """Of the test's namespace."""
    return PretendKubelet(api, namespace)


@pytest.fixture
def study(api: ApiServer, namespace: str) -> ClusterStudy:
    """A study that is yet to be created."""
    return ClusterStudy(api, namespace)
