"""The pages of a study on a real API server: an operator that serves them, a volume that is bound, pods that answer."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from support.api_server import STRATEGIC, ApiServer, Object
from support.cluster_study import SECONDS, ClusterStudy
from support.eventually import eventually
from support.operator_process import Operator

KINDS = ("mlflow", "tensorboard", "optuna", "demo")
IMAGE = "tacotune/dashboards:test"
URLS = (
    *("--reader-storage", "postgresql://reader:hidden-1@postgres/optuna"),
    *("--mlflow-storage", "postgresql://mlflow:hidden-2@postgres/mlflow"),
)


def serving(kubeconfig: Path, dsn: str, log: Path, *options: str, **dashboards: Any) -> Operator:
    """An operator that serves pages; to be started."""
    document = json.dumps({"image": IMAGE, **dashboards})
    return Operator(kubeconfig, dsn, log, *URLS, "--dashboards", document, *options)


class Pages:
    """What a test does to the pages of a study, and sees of them."""

    def __init__(self, api: ApiServer, study: ClusterStudy) -> None:
        self._api = api
        self._study = study

    def bind_volume(self) -> None:
        """What a provisioner does once the first pod that mounts the claim has a node."""
        claim = eventually(self._study.claim, within=SECONDS)
        assert claim is not None
        volume = {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": f"{self._study.namespace}-{self._study.name}"},
            "spec": {
                "accessModes": claim["spec"]["accessModes"],
                "capacity": {"storage": "1Ti"},
                "claimRef": {"namespace": self._study.namespace, "name": claim["metadata"]["name"]},
                "hostPath": {"path": "/nowhere"},
                "persistentVolumeReclaimPolicy": "Retain",
                "storageClassName": claim["spec"].get("storageClassName", ""),
            },
        }
        self._api.apply(volume)

        def bound() -> bool:
            found = self._study.claim() or {}
            return bool(found.get("status", {}).get("phase") == "Bound")

        eventually(bound, within=SECONDS)

    def object(self, plural: str, kind: str, root: str = "/api/v1") -> Object | None:
        path = f"{root}/namespaces/{self._study.namespace}/{plural}/{self._study.name}-{kind}"
        answer = self._api.request("GET", path)
        return answer.body if answer.ok else None

    def deployment(self, kind: str) -> Object | None:
        return self.object("deployments", kind, "/apis/apps/v1")

    def there(self, kind: str) -> Object:
        """Its Deployment, as soon as there is one."""
        found = eventually(lambda: self.deployment(kind), within=SECONDS)
        assert found is not None
        return found

    def pod(self, kind: str) -> Object:
        """Its pod, as soon as there is one that stays."""

        def found() -> Object | None:
            selector = f"tacotune.dev/study={self._study.name},tacotune.dev/dashboard={kind}"
            items = self._api.get(f"/api/v1/namespaces/{self._study.namespace}/pods", labelSelector=selector)[
                "items"
            ]
            return next((pod for pod in items if "deletionTimestamp" not in pod["metadata"]), None)

        pod = eventually(found, within=SECONDS)
        assert pod is not None
        return pod

    def answers(self, kind: str, *, ready: bool = True, **state: Any) -> None:
        """Its pod's readiness probe is answered with 200, or not (any more)."""
        pod = self.pod(kind)
        container = {
            "name": "dashboard",
            "image": IMAGE,
            "imageID": "",
            "restartCount": 0,
            "ready": ready,
            "started": True,
            "state": {"running": {"startedAt": _now()}},
            **state,
        }
        condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": _now()}
        status = {"phase": "Running", "containerStatuses": [container], "conditions": [condition]}
        path = f"/api/v1/namespaces/{self._study.namespace}/pods/{pod['metadata']['name']}/status"
        answer = self._api.request("PATCH", path, {"status": status}, content=STRATEGIC)
        assert answer.ok, answer.body

    def ends_idle(self, kind: str) -> None:
        """It has ended because nobody looked, and the kubelet has started it again."""
        said = {
            "exitCode": 0,
            "reason": "Completed",
            "message": '{"state":"idle"}\n',
            "startedAt": _now(),
            "finishedAt": _now(),
        }
        self.answers(kind, ready=False, lastState={"terminated": said})

    def status(self, kind: str) -> Object:
        """What the study's status says of it; empty before."""
        rows = self._study.status.get("dashboards", [])
        found: Object = next((row for row in rows if row["name"] == kind), {})
        return found


def _now() -> str:
    return datetime.fromtimestamp(time.time(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
