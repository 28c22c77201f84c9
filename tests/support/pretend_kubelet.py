"""A kubelet without a node: it sets the status of pods, and the real Job controller draws its conclusions.

Step by step for tests that stand at one moment, or by itself for tests that want studies to run to their end:

    kubelet.start("demo-0-0"); kubelet.finish("demo-0-0", exit_code=64)

    with kubelet.running_all(lambda pod: Ending(message=result_of(pod))):
        eventually(lambda: phase(study) == "Succeeded")
"""

import contextlib
import heapq
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import urllib3.exceptions

from support.api_server import STRATEGIC, ApiServer, Object
from support.eventually import eventually
from support.pod_stream import PodStream

NODE: Final = "pretend-node"
"""Named in pods, so that they end with grace as on a node. There is none; the control plane of the tests does not mind."""
RETRY_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Ending:
    """How a container ends."""

    exit_code: int = 0
    message: str = ""
    """The termination message."""
    reason: str = ""
    """`Completed` or `Error` when empty; `OOMKilled` for one."""
    seconds: float = 0.0
    """How long it runs before, where the kubelet works by itself."""


class PretendKubelet:
    """The pods of one namespace, or of all."""

    def __init__(self, api: ApiServer, namespace: str | None = None) -> None:
        self._api = api
        self._path = f"/api/v1/namespaces/{namespace}/pods" if namespace else "/api/v1/pods"

    def pods(self, selector: str = "") -> list[Object]:
        """Those that are there, the oldest first."""
        items: list[Object] = self._api.get(self._path, labelSelector=selector)["items"]
        return sorted(items, key=lambda pod: pod["metadata"]["creationTimestamp"])

    def pod(self, job: str, within: float = 60) -> Object:
        """The newest pod of a Job that has not ended, as soon as there is one."""

        def found() -> Object | None:
            live = [p for p in self.pods(f"batch.kubernetes.io/job-name={job}") if not _ended(p)]
            return live[-1] if live else None

        pod = eventually(found, within)
        assert pod is not None
        return pod

    def start(self, job: str) -> Object:
        """The container runs."""
        return self._start(self.pod(job))

    def finish(self, job: str, ending: Ending | None = None) -> None:
        """The container ends by itself, or by the signal that its pod's deletion has sent."""
        self._finish(self.pod(job), ending or Ending())

    def disrupt(self, job: str, reason: str = "EvictionByEvictionAPI") -> None:
        """The platform takes the pod away."""
        condition = _condition("DisruptionTarget", "True", reason, "taken away by the test")
        self._finish(self.pod(job), Ending(exit_code=143), [condition])

    def hold(self, job: str, reason: str = "ImagePullBackOff", message: str = "") -> None:
        """The container cannot start."""
        waiting = {"waiting": {"reason": reason, "message": message}}
        self._write(
            self.pod(job), {"phase": "Pending", "containerStatuses": _containers(self.pod(job), waiting)}
        )

    def leave_unscheduled(self, job: str, message: str = "0/1 nodes are available") -> None:
        """No node has room for the pod."""
        condition = _condition("PodScheduled", "False", "Unschedulable", message)
        self._write(self.pod(job), {"phase": "Pending", "conditions": [condition]})

    @contextlib.contextmanager
    def running_all(self, ending: Callable[[Object], Ending], selector: str = "") -> Iterator[None]:
        """Start every pod that comes, and end it as `ending(pod)` says; pods that are deleted end with exit code 75."""
        stream = PodStream(self._api, self._path, selector)
        errors: list[BaseException] = []

        def work() -> None:
            try:
                self._attend(stream, ending)
            except BaseException as error:  # noqa: BLE001  told to the test, which waits for something else
                errors.append(error)

        thread = threading.Thread(target=work, name="pretend-kubelet")
        thread.start()
        try:
            with stream.open():
                yield
        finally:
            thread.join()
        if errors:
            raise errors[0]

    def _attend(self, stream: PodStream, ending: Callable[[Object], Ending]) -> None:
        seen: set[str] = set()
        ends: list[tuple[float, int, Object, Ending]] = []
        while True:
            try:
                pod = stream.queue.get(timeout=max(0.0, ends[0][0] - time.monotonic()) if ends else None)
            except queue.Empty:
                _, number, started, how = heapq.heappop(ends)
                try:
                    self._finish(started, how)
                except urllib3.exceptions.HTTPError:  # The server is away.
                    heapq.heappush(ends, (time.monotonic() + RETRY_SECONDS, number, started, how))
                continue
            if pod is None:
                return
            uid = pod["metadata"]["uid"]
            if _ended(pod):
                continue
            # Where the server is away the stream brings the pod once more, when it is back.
            with contextlib.suppress(urllib3.exceptions.HTTPError):
                if "deletionTimestamp" in pod["metadata"]:
                    self._finish(pod, Ending(exit_code=75))
                elif uid not in seen:
                    started, how = self._start(pod), ending(pod)
                    seen.add(uid)
                    heapq.heappush(ends, (time.monotonic() + how.seconds, len(seen), started, how))

    def _start(self, pod: Object) -> Object:
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": pod["metadata"]["name"]},
            "target": {"apiVersion": "v1", "kind": "Node", "name": NODE},
        }
        self._api.request("POST", f"{_path(pod)}/binding", binding)
        running = {"running": {"startedAt": _now()}}
        return self._write(
            pod,
            {
                "phase": "Running",
                "startTime": _now(),
                "containerStatuses": _containers(pod, running, ready=True),
                "conditions": [_condition("Ready", "True")],
            },
        )

    def _finish(self, pod: Object, ending: Ending, conditions: list[Object] | None = None) -> None:
        terminated = {
            "exitCode": ending.exit_code,
            "reason": ending.reason or ("Error" if ending.exit_code else "Completed"),
            "message": ending.message,
            "startedAt": pod.get("status", {}).get("startTime") or _now(),
            "finishedAt": _now(),
        }
        status: Object = {
            "phase": "Failed" if ending.exit_code else "Succeeded",
            "containerStatuses": _containers(pod, {"terminated": terminated}),
            "conditions": [*(conditions or []), _condition("Ready", "False")],
        }
        written = self._write(pod, status)
        # Of a pod that is gone by now there is nothing to write, and nothing to take away.
        if "deletionTimestamp" in written.get("metadata", {}):
            self._api.request("DELETE", _path(pod), {"gracePeriodSeconds": 0})

    def _write(self, pod: Object, status: Object) -> Object:
        # Of that very pod: another one of the same name is a conflict.
        patch = {"metadata": {"uid": pod["metadata"]["uid"]}, "status": status}
        return self._api.request("PATCH", f"{_path(pod)}/status", patch, content=STRATEGIC).body


def _path(pod: Object) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"


def _ended(pod: Object) -> bool:
    return pod.get("status", {}).get("phase") in {"Succeeded", "Failed"}


def _containers(pod: Object, state: dict[str, Any], *, ready: bool = False) -> list[Object]:
    return [
        {
            "name": container["name"],
            "image": container["image"],
            "imageID": "",
            "restartCount": 0,
            "ready": ready,
            "started": ready,
            "state": state,
        }
        for container in pod["spec"]["containers"]
    ]


def _condition(kind: str, status: str, reason: str = "", message: str = "") -> Object:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": _now(),
    }


def _now() -> str:
    return datetime.fromtimestamp(time.time(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
