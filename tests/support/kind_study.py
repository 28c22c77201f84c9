"""A small study with the real trainer on the kind cluster, spoken to with kubectl as a person would."""

import json
from typing import Any

from support.eventually import eventually
from support.namespace import Namespace, Object
from support.study_files import manifest

SECONDS = 400.0
"""Longest wait for anything: two cores train, serve and test at the same time."""
DASHBOARDS = ("mlflow", "tensorboard", "optuna", "demo")
LONG = {"epochs": 400, "max_steps": 80}
"""A trial that is still running when something happens to it."""


class KindStudy:
    """One TTSStudy called `tiny`."""

    def __init__(self, namespace: Namespace) -> None:
        self.namespace = namespace

    def create(self, **changes: Any) -> "KindStudy":
        """Apply the manifest; a volume of one node, limits that two trials fit into."""
        checkpoints = {
            "everySteps": 5,
            "keep": 2,
            "volume": {"accessModes": ["ReadWriteOnce"], "size": "1Gi"},
        }
        # Four pages beside each study are for the tests of pages.
        changes.setdefault("dashboards", {kind: {"enabled": False} for kind in DASHBOARDS})
        document = manifest("tiny", checkpoints=checkpoints, **changes)
        trainer = document["spec"]["trainer"]
        trainer.setdefault("resources", {"requests": {"cpu": "100m", "memory": "512Mi"}})
        self.namespace.apply(document)
        return self

    def edit(self, **spec: Any) -> None:
        """As `kubectl patch`."""
        self.namespace.kubectl("patch", "tts/tiny", "--type=merge", "-p", json.dumps({"spec": spec}))

    @property
    def status(self) -> Object:
        found: Object = self.namespace.get("tts/tiny").get("status", {})
        return found

    def condition(self, kind: str) -> str:
        """`True`, `False`, or nothing while it is unknown."""
        return next((c["status"] for c in self.status.get("conditions", []) if c["type"] == kind), "")

    def ends(self, phase: str = "Succeeded") -> Object:
        """Wait for its end; the status then."""

        def ended() -> Object | None:
            status = self.status
            return status if status.get("phase") in {"Succeeded", "Failed"} else None

        status = eventually(ended, within=SECONDS, every=1)
        assert status is not None
        assert status["phase"] == phase, status
        return status

    def pod(self, trial: int) -> str:
        """Name of the running pod of a trial, as soon as it has written a checkpoint."""

        def found() -> str | None:
            selector = f"tacotune.dev/study=tiny,tacotune.dev/trial={trial}"
            pods = json.loads(self.namespace.kubectl("get", "pods", "-l", selector, "-o", "json"))["items"]
            running = [p["metadata"]["name"] for p in pods if p["status"]["phase"] == "Running"]
            if not running or "step " not in self.namespace.kubectl("logs", running[-1]):
                return None
            return str(running[-1])

        name = eventually(found, within=SECONDS, every=1)
        assert name is not None
        return name

    def attempts(self) -> list[str]:
        """Names of all attempts that were ever started, by the events that tell of them."""
        events = json.loads(self.namespace.kubectl("get", "events", "-o", "json"))["items"]
        return sorted({e["involvedObject"]["name"] for e in events if e["reason"] == "SuccessfulCreate"})

    def events(self) -> list[str]:
        """Reasons of the study's own events."""
        events = json.loads(self.namespace.kubectl("get", "events", "-o", "json"))["items"]
        return [e["reason"] for e in events if e["involvedObject"]["kind"] == "TTSStudy"]
