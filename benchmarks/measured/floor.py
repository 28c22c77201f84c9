"""The floor: the very Jobs of a study, created by a loop that knows nothing but when a slot is free."""

import contextlib
import copy
import queue
import threading
import time
from collections.abc import Iterator
from typing import Any

import urllib3.exceptions

from measured.timeline import Span
from support.api_server import ApiServer, Object, Watch

LABEL = "turnover.tacotune.dev/floor"


def _until_closed(watch: Watch) -> Iterator[tuple[str, Object]]:
    with contextlib.suppress(urllib3.exceptions.HTTPError):
        yield from watch


class Floor:
    """A study's Job and ConfigMap, to be made again and again under other names."""

    def __init__(self, api: ApiServer, namespace: str, job: Object, config: Object) -> None:
        self._api = api
        self._namespace = namespace
        self._job = job
        self._config = config

    def run(self, count: int, parallelism: int, within: float) -> list[Span]:
        """Run so many Jobs, so many at a time; each next one is created when a Job is seen to have ended."""
        ended: queue.SimpleQueue[tuple[str, float, str]] = queue.SimpleQueue()
        path = f"/apis/batch/v1/namespaces/{self._namespace}/jobs"
        selector = f"{LABEL}=true"
        version = self._api.get(path, labelSelector=selector)["metadata"]["resourceVersion"]
        watch = self._api.watch(path, labelSelector=selector, resourceVersion=version)

        def follow() -> None:
            for change, job in _until_closed(watch):
                now = time.monotonic()
                name = job["metadata"]["name"]
                if change == "ADDED":
                    ended.put(("created", now, name))
                conditions = job.get("status", {}).get("conditions") or []
                if change == "MODIFIED" and any(
                    c["type"] in {"Complete", "Failed"} and c["status"] == "True" for c in conditions
                ):
                    ended.put(("terminal", now, name))

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        spans: dict[str, Span] = {}
        started = 0
        deadline = time.monotonic() + within
        try:
            while started < parallelism:
                self._create(started)
                started += 1
            while sum(span.terminal is not None for span in spans.values()) < count:
                what, now, name = ended.get(timeout=max(deadline - time.monotonic(), 0.1))
                if what == "created":
                    spans[name] = Span(self._namespace, "floor", len(spans), now)
                elif spans[name].terminal is None:
                    spans[name].terminal = now
                    if started < count:
                        self._create(started)
                        started += 1
                    self._delete(name)
        finally:
            watch.close()
            thread.join(5)
        return sorted(spans.values(), key=lambda span: span.created)

    def _create(self, number: int) -> None:
        name = f"floor-{number}"
        config, job = copy.deepcopy(self._config), copy.deepcopy(self._job)
        for thing in (config, job):
            thing["metadata"] = {"name": name, "namespace": self._namespace, "labels": {LABEL: "true"}}
        job.pop("status", None)
        spec = job["spec"]
        for field in ("selector", "manualSelector"):
            spec.pop(field, None)
        spec["template"]["metadata"] = {"labels": {LABEL: "true"}}
        for volume in spec["template"]["spec"]["volumes"]:
            if "configMap" in volume:
                volume["configMap"]["name"] = name
        for thing in (config, job):
            made = self._api.create(thing, self._namespace)
            assert made.ok, made.body

    def _delete(self, name: str) -> None:
        options: dict[str, Any] = {"propagationPolicy": "Background"}
        self._api.request("DELETE", f"/apis/batch/v1/namespaces/{self._namespace}/jobs/{name}", options)
        self._api.request("DELETE", f"/api/v1/namespaces/{self._namespace}/configmaps/{name}")
