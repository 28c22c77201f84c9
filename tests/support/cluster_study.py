"""A TTSStudy on a real API server, with the trainers' words spoken by the test."""

import json
from collections.abc import Callable
from typing import Any

from support.api_server import PATCH, ApiServer, Object
from support.eventually import eventually
from support.pretend_kubelet import Ending

SPEC: Object = {
    "searchSpace": [{"name": "learning_rate", "float": {"low": 1e-4, "high": 1e-2, "log": True}}],
    "sampler": {"name": "random", "seed": 1},
    "maxTrials": 3,
    "parallelism": 2,
    "retry": {"backoff": {"initialSeconds": 0.2, "maxSeconds": 1}},
    "dataset": {"speech": {"utterances": 32, "validation": 4}},
    "trainer": {"preset": "tiny"},
}
SECONDS = 60.0
"""Longest wait for anything; a busy machine takes its time."""


class ClusterStudy:
    """One study, and what it leaves in its namespace."""

    def __init__(self, api: ApiServer, namespace: str, name: str = "demo") -> None:
        self.api = api
        self.namespace = namespace
        self.name = name
        self.path = f"/apis/tacotune.dev/v1alpha1/namespaces/{namespace}/ttsstudies/{name}"

    def create(self, annotations: dict[str, str] | None = None, **spec: Any) -> "ClusterStudy":
        made = self.api.create(self._manifest(spec, annotations=annotations or {}), self.namespace)
        assert made.ok, made.body
        return self

    def apply(self, **spec: Any) -> None:
        """What `kubectl apply` does with the manifest, the study being there or not."""
        self.api.apply(self._manifest(spec), self.namespace)

    def _manifest(self, spec: Object, **metadata: Any) -> Object:
        return {
            "apiVersion": "tacotune.dev/v1alpha1",
            "kind": "TTSStudy",
            "metadata": {"name": self.name, **metadata},
            "spec": SPEC | spec,
        }

    def edit(self, **spec: Any) -> None:
        answer = self.api.request("PATCH", self.path, {"spec": spec}, content=PATCH)
        assert answer.ok, answer.body

    def annotate(self, **annotations: str) -> None:
        marks = {f"tacotune.dev/{name.replace('_', '-')}": value for name, value in annotations.items()}
        answer = self.api.request("PATCH", self.path, {"metadata": {"annotations": marks}}, content=PATCH)
        assert answer.ok, answer.body

    def delete(self) -> None:
        assert self.api.request("DELETE", self.path).ok

    def let_go(self) -> None:
        """Delete it with its pods, and wait until the operator has released it: its namespace could not go otherwise."""
        if not self.exists:
            return
        self.delete()
        pods = f"/api/v1/namespaces/{self.namespace}/pods"
        for pod in self._list("/api/v1", "pods"):
            self.api.request("DELETE", f"{pods}/{pod['metadata']['name']}", {"gracePeriodSeconds": 0})
        eventually(lambda: not self.exists, within=SECONDS)

    @property
    def exists(self) -> bool:
        return self.api.request("GET", self.path).ok

    @property
    def status(self) -> Object:
        found: Object = self.api.get(self.path).get("status", {})
        return found

    def condition(self, kind: str) -> Object:
        """A condition; empty while there is none."""
        found: Object = next((c for c in self.status.get("conditions", []) if c["type"] == kind), {})
        return found

    def reaches(self, phase: str, within: float = SECONDS) -> Object:
        """Wait for a phase; the status then."""

        def there() -> Object | None:
            status = self.status
            return status if status.get("phase") == phase else None

        found = eventually(there, within)
        assert found is not None
        return found

    def jobs(self) -> list[str]:
        """Names of its Jobs."""
        return sorted(job["metadata"]["name"] for job in self._list("/apis/batch/v1", "jobs"))

    def job(self, name: str) -> Object:
        return self.api.get(f"/apis/batch/v1/namespaces/{self.namespace}/jobs/{name}")

    def has_job(self, name: str) -> bool:
        return name in self.jobs()

    def config_maps(self) -> list[str]:
        """Names of its attempts' documents."""
        return sorted(found["metadata"]["name"] for found in self._list("/api/v1", "configmaps"))

    def claim(self) -> Object | None:
        answer = self.api.request(
            "GET", f"/api/v1/namespaces/{self.namespace}/persistentvolumeclaims/{self.name}-checkpoints"
        )
        return answer.body if answer.ok else None

    def events(self) -> list[tuple[str, str, str]]:
        """(type, reason, message), the oldest first."""
        items = self.api.get(f"/api/v1/namespaces/{self.namespace}/events")["items"]
        own = [e for e in items if e["involvedObject"]["name"] == self.name]
        return [
            (e["type"], e["reason"], e["message"])
            for e in sorted(own, key=lambda e: e["metadata"]["creationTimestamp"])
        ]

    def _list(self, root: str, plural: str) -> list[Object]:
        selector = f"tacotune.dev/study={self.name}"
        items: list[Object] = self.api.get(
            f"{root}/namespaces/{self.namespace}/{plural}", labelSelector=selector
        )["items"]
        return items

    def document(self, pod: Object) -> Object:
        """The trial document that a pod was given."""
        name = pod["metadata"]["labels"]["batch.kubernetes.io/job-name"]
        found: Object = json.loads(
            self.api.get(f"/api/v1/namespaces/{self.namespace}/configmaps/{name}")["data"]["trial.json"]
        )
        return found

    def trains(self, trial: Callable[[Object], Ending] | None = None) -> Callable[[Object], Ending]:
        """What pods do: prepare and publish at once, and train as the given function of the trial document says."""

        def ending(pod: Object) -> Ending:
            if pod["metadata"]["labels"].get("tacotune.dev/purpose") not in {"trial", "final"}:
                return Ending()
            return (trial or complete)(self.document(pod))

        return ending


def complete(document: Object, *, seconds: float = 0.0, state: str = "complete") -> Ending:
    """A trial that ends well, or in another state that is no failure; its learning rate is its value."""
    value = document["parameters"]["learning_rate"]
    result = {
        "contract": "tacotune.dev/result/v1",
        "study": document["study"]["name"],
        "trial": document["trial"],
        "attempt": document["attempt"],
        "specHash": document["specHash"],
        "state": state,
        "message": "trained 10 of 10 steps",
        "values": [value],
        "metrics": {"tts_score": value},
        "bestStep": 10,
        "checkpoint": "checkpoints/step-00000010",
    }
    return Ending(message=json.dumps(result), seconds=seconds)


def failed(code: int, message: str, **fields: Any) -> Ending:
    """A trial that ends with the trainer's last word."""
    word = {"state": "failed", "exitCode": code, "message": message}
    return Ending(exit_code=code, message=json.dumps(word), **fields)
