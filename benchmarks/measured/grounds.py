"""Two grounds: a control plane on loopback whose pods are pretended, and the kind cluster with real ones."""

import contextlib
import json
import os
import tempfile
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from support.api_server import ApiServer, Object
from support.cluster_study import complete
from support.control_plane import PROGRAMS, ControlPlane
from support.eventually import eventually
from support.kind import cluster, images, paths
from support.operator_process import Operator
from support.pretend_kubelet import Ending, PretendKubelet
from support.toolchain import build
from tacotune.adapters.postgres import EmbeddedPostgres
from tacotune.api import names
from tacotune.api.yaml_tree import plain, read_documents

DEFINITION: Final = Path(__file__).parents[2] / "crds" / "ttsstudies.yaml"
OURS: Final = f"{names.LABEL_MANAGED_BY}=tacotune"
_AUDIT: Final = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "None", "verbs": ["get", "list", "watch"]}, {"level": "Metadata"}],
}


@dataclass(frozen=True)
class Ground:
    """Where studies run."""

    api: ApiServer
    trainer: dict[str, Any]
    """`spec.trainer` of its studies."""
    writes: Callable[[], Counter[str]] | None
    """Requests of the operator that change something, by verb and resource; None where nobody counts them."""

    def memory(self) -> float:
        """Resident MiB of the operator."""
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            if "operator" in words and any(word.endswith("/tacotune") for word in words):
                return float(process.memory_info().rss / 2**20)
        raise RuntimeError("no operator runs here")

    @contextlib.contextmanager
    def namespace(self) -> Iterator[str]:
        """A new one, deleted in the end with its studies."""
        name = f"turnover-{uuid.uuid4().hex[:6]}"
        made = self.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        assert made.ok, made.body
        path = f"/api/v1/namespaces/{name}"
        eventually(lambda: self.api.request("GET", f"{path}/serviceaccounts/default").ok, within=30)
        try:
            yield name
        finally:
            studies = f"/apis/{names.API_VERSION}/namespaces/{name}/{names.PLURAL}"
            self.api.request("DELETE", studies)
            eventually(lambda: not self.api.get(studies)["items"], within=120)
            self.api.request("DELETE", path)


@contextlib.contextmanager
def pretended(seconds: Callable[[], float], *options: str) -> Iterator[Ground]:
    """A real API server and controllers; pods "run" for so many seconds; the operator is a process of this machine.

    Args:
        seconds: How long the next trial runs.
        options: Further ones of `tacotune operator`.
    """
    os.environ["NO_PROXY"] = ",".join(filter(None, [os.environ.get("NO_PROXY"), "127.0.0.1"]))

    def ending(pod: Object) -> Ending:
        labels = pod["metadata"]["labels"]
        if labels.get(names.LABEL_PURPOSE) not in {"trial", "final"}:
            return Ending()
        path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/configmaps/{labels['batch.kubernetes.io/job-name']}"
        document = json.loads(api.get(path)["data"]["trial.json"])
        # Without a checkpoint nothing is published: one Job per trial, as in the comparison.
        result = json.loads(complete(document).message) | {"checkpoint": None}
        return Ending(message=json.dumps(result), seconds=seconds())

    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tacotune-turnover-")))
        policy, audit = folder / "policy.json", folder / "audit.log"
        policy.write_text(json.dumps(_AUDIT))
        options_of_server = [
            f"--audit-policy-file={policy}",
            f"--audit-log-path={audit}",
            "--audit-log-mode=batch",
        ]
        plane = ControlPlane(build(PROGRAMS), folder, api_server_options=options_of_server)
        stack.enter_context(plane)
        api = ApiServer(plane.kubeconfig)
        (document,) = read_documents(DEFINITION.read_text("utf-8"))
        assert document.root is not None
        api.apply(plain(document.root))
        eventually(lambda: api.request("GET", f"/apis/{names.API_VERSION}/{names.PLURAL}").ok, within=30)
        server = stack.enter_context(EmbeddedPostgres(folder / "postgres"))
        dsn = server.create_database("turnover")
        stack.enter_context(Operator(plane.kubeconfig, dsn, folder / "operator.log", *options))
        stack.enter_context(PretendKubelet(api).running_all(ending, selector=OURS))
        yield Ground(api, {"preset": "tiny"}, lambda: _audited(audit))


@contextlib.contextmanager
def kind(seconds: float) -> Iterator[Ground]:
    """The cluster of `make kind-up` with the chart in it and the image of a trainer that sleeps.

    Args:
        seconds: How long each trial sleeps.
    """
    os.environ["NO_PROXY"] = ",".join(filter(None, [os.environ.get("NO_PROXY"), "127.0.0.1"]))
    folder = paths.REPOSITORY / "tests/images/sleeper"
    sleeper = images.Build("sleeper", folder / "Dockerfile", folder, images.PYTHON)
    images.build_and_load(cluster.docker(), [sleeper])
    container = {"name": names.CONTAINER, "env": [{"name": "SLEEP_SECONDS", "value": str(seconds)}]}
    trainer = {
        "preset": "tiny",
        "image": sleeper.reference,
        "podTemplate": {"spec": {"containers": [container], "terminationGracePeriodSeconds": 10}},
    }
    yield Ground(ApiServer(paths.kubeconfig()), trainer, None)


def _audited(log: Path) -> Counter[str]:
    counts: Counter[str] = Counter()
    for line in log.read_text().splitlines():
        event: dict[str, Any] = json.loads(line)
        agent = event.get("userAgent", "")
        if agent == "tacotune":
            reference = event.get("objectRef", {})
            kind_ = "/".join(filter(None, [reference.get("resource"), reference.get("subresource")]))
            counts[f"{event['verb']} {kind_}"] += 1
    return counts
