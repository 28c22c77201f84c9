"""`tacotune operator`: kopf lists and watches, and every event only puts a study's key into the queue.

kopf stores nothing in the cluster for us: no annotations, no finalizer of its own, no peering. What it saw is never trusted
for a decision either: a pass reads the API server itself.
"""

import asyncio
from typing import Any

import kopf

from tacotune.adapters.kube_api import KubeApi
from tacotune.api import names
from tacotune.handlers.metrics import Meters
from tacotune.handlers.passes import StudyPasses
from tacotune.handlers.queue import Key, WorkQueue
from tacotune.handlers.settings import OperatorSettings
from tacotune.handlers.signs import ENDED, Signs, signs_of
from tacotune.handlers.workers import Workers
from tacotune.ports import Clock

RESYNC_SECONDS = 60.0
OURS = f"{names.LABEL_MANAGED_BY}=tacotune"


class Watch:
    """What changes in the cluster, as keys in the queue."""

    def __init__(self) -> None:
        self.queue = WorkQueue()
        self._seen: dict[Key, Any] = {}
        self._signs: dict[str, Signs] = {}
        """Of each Job and pod that bears any, by uid."""

    def study(self, event: Any) -> None:
        """A study: our own status writes are no reason to look at it again."""
        body = event["object"]
        metadata = body["metadata"]
        key = Key(metadata["namespace"], metadata["name"])
        mark = (
            metadata.get("uid"),
            metadata.get("generation"),
            metadata.get("deletionTimestamp"),
            metadata.get("annotations"),
            metadata.get("finalizers"),
        )
        if event["type"] == "DELETED":
            self._seen.pop(key, None)
        elif self._seen.get(key) == mark:
            return
        else:
            self._seen[key] = mark
        self.queue.add(key)

    def child(self, event: Any) -> None:
        """A Job or a pod of a study, when there is something new about it; most events bring nothing but times and counts."""
        metadata = event["object"]["metadata"]
        name, uid = metadata.get("labels", {}).get(names.LABEL_STUDY), metadata["uid"]
        before = self._signs.get(uid, ())
        if event["type"] == "DELETED":
            self._signs.pop(uid, None)
            news = not ENDED.intersection(before)
        else:
            signs = signs_of(event["object"])
            if signs:
                self._signs[uid] = signs
            news = signs != before
        if name and news:
            self.queue.add(Key(metadata["namespace"], name))

    def resync(self) -> None:
        """Look at every study, whatever was missed."""
        self._signs.clear()  # Those of objects whose end was missed would stay for ever.
        for key in self._seen:
            self.queue.add(key)


def registry_of(
    api: KubeApi, settings: OperatorSettings, clock: Clock, meters: Meters
) -> kopf.OperatorRegistry:
    """All handlers of the operator."""
    registry = kopf.OperatorRegistry()
    passes = StudyPasses(api, settings, clock, meters)
    running: dict[str, Any] = {}

    @kopf.on.startup(registry=registry)
    async def start(settings: kopf.OperatorSettings, **_: Any) -> None:
        configure(settings)
        watch = running["watch"] = Watch()
        running["workers"] = Workers(watch.queue, meters.watched(passes.run_once), count=settings_.workers)
        meters.works(watch.queue)
        running["resync"] = asyncio.create_task(resync(watch))

    # By the same client, so that kopf is whoever the passes are.
    kopf.on.login(registry=registry)(kopf.login_via_client)

    @kopf.on.cleanup(registry=registry)
    async def stop(**_: Any) -> None:
        running["resync"].cancel()
        await running["workers"].stop()
        meters.rests()
        await asyncio.to_thread(passes.close)

    @kopf.on.event(names.GROUP, names.VERSION, names.PLURAL, registry=registry)
    async def study(event: Any, **_: Any) -> None:
        running["watch"].study(event)

    @kopf.on.event("batch", "v1", "jobs", registry=registry)
    async def job(event: Any, **_: Any) -> None:
        running["watch"].child(event)

    @kopf.on.event("v1", "pods", registry=registry)
    async def pod(event: Any, **_: Any) -> None:
        running["watch"].child(event)

    @kopf.on.probe(id="queue", registry=registry)
    async def queue(**_: Any) -> int:
        if not running["workers"].alive:
            raise kopf.PermanentError("a worker has ended")
        return len(running["watch"].queue)

    settings_ = settings
    return registry


def configure(settings: kopf.OperatorSettings) -> None:
    """Let kopf inform, and do nothing else."""
    settings.watching.label_selectors["batch", "v1", "jobs"] = OURS
    settings.watching.label_selectors["v1", "pods"] = OURS
    settings.watching.server_timeout = 600
    settings.watching.client_timeout = 660
    settings.networking.connect_timeout = 10
    settings.networking.request_timeout = 60
    settings.posting.enabled = False
    # What is watched is known, and looking for more would need rights on CRDs and namespaces.
    settings.scanning.disabled = True


async def resync(watch: Watch) -> None:
    """Look at every study now and then."""
    while True:
        await asyncio.sleep(RESYNC_SECONDS)
        watch.resync()


def run_operator(
    api: KubeApi, settings: OperatorSettings, clock: Clock, *, liveness: str, metrics_port: int
) -> None:
    """Run until SIGTERM; passes that run then end whole.

    Args:
        api: The API server that passes talk to.
        settings: Of this process.
        clock: The time.
        liveness: URL under which the probe is answered; empty: nowhere.
        metrics_port: Where Prometheus scrapes; 0: nowhere.

    Raises:
        Busy: The metrics' port is taken.
    """
    meters = Meters()
    if metrics_port:
        meters.serve(metrics_port)
    kopf.run(
        registry=registry_of(api, settings, clock, meters),
        standalone=True,
        clusterwide=not settings.namespaces,
        namespaces=settings.namespaces,
        liveness_endpoint=liveness or None,
    )
