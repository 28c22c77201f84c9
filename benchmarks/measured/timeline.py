"""When Jobs were created and ended, by the clock of whoever watches: the moment at which the API server's event arrives."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import urllib3.exceptions

from support.api_server import ApiServer, Object

PURPOSE = "tacotune.dev/purpose"
STUDY = "tacotune.dev/study"


@dataclass(slots=True)
class Span:
    """One Job; moments are seconds of one monotonic clock, None while nothing was seen."""

    namespace: str
    study: str
    trial: int
    created: float
    pod_ended: float | None = None
    """Its pod's phase became Succeeded or Failed."""
    terminal: float | None = None
    """Its condition Complete or Failed, or its deletion, whichever was seen first."""

    @property
    def finished(self) -> float | None:
        """The first sign that it is over."""
        return min((moment for moment in (self.pod_ended, self.terminal) if moment is not None), default=None)


@dataclass
class Timeline:
    """Jobs of trials, as two watches see them."""

    api: ApiServer
    selector: str
    spans: dict[str, Span] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=threading.Condition)

    @contextlib.contextmanager
    def watching(self) -> Iterator["Timeline"]:
        """Watch until the block ends."""
        over = threading.Event()
        threads, watches = [], []
        for path, take in (("/apis/batch/v1/jobs", self._job), ("/api/v1/pods", self._pod)):
            version = self.api.get(path, labelSelector=self.selector)["metadata"]["resourceVersion"]
            watch = self.api.watch(path, labelSelector=self.selector, resourceVersion=version)
            watches.append(watch)
            threads.append(threading.Thread(target=self._follow, args=(watch, take, over), daemon=True))
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            over.set()
            for watch in watches:
                watch.close()
            for thread in threads:
                thread.join(5)

    def wait(self, done: Callable[[], bool], within: float) -> None:
        """Until something is true of the spans.

        Raises:
            TimeoutError: It never was.
        """
        with self.changed:
            if not self.changed.wait_for(done, within):
                raise TimeoutError(f"not within {within:.0f} s; {len(self.spans)} Jobs were seen")

    def of(self, namespace: str, study: str) -> list[Span]:
        """One study's, in the order of their creation."""
        spans = [s for s in self.spans.values() if (s.namespace, s.study) == (namespace, study)]
        return sorted(spans, key=lambda span: span.created)

    def _follow(
        self, watch: object, take: Callable[[float, str, Object], None], over: threading.Event
    ) -> None:
        try:
            for change, thing in watch:  # type: ignore[attr-defined]
                now = time.monotonic()
                with self.changed:
                    take(now, change, thing)
                    self.changed.notify_all()
        except (OSError, urllib3.exceptions.HTTPError, ValueError):
            if not over.is_set():
                raise

    def _job(self, now: float, change: str, job: Object) -> None:
        metadata = job["metadata"]
        labels = metadata.get("labels", {})
        if labels.get(PURPOSE) != "trial":
            return
        key = f"{metadata['namespace']}/{metadata['name']}"
        if key not in self.spans:
            self.spans[key] = Span(
                metadata["namespace"], labels[STUDY], int(labels["tacotune.dev/trial"]), now
            )
        span = self.spans[key]
        conditions = {
            c["type"] for c in job.get("status", {}).get("conditions") or [] if c["status"] == "True"
        }
        if span.terminal is None and (change == "DELETED" or conditions & {"Complete", "Failed"}):
            span.terminal = now

    def _pod(self, now: float, _: str, pod: Object) -> None:
        name = pod["metadata"].get("labels", {}).get("batch.kubernetes.io/job-name", "")
        span = self.spans.get(f"{pod['metadata']['namespace']}/{name}")
        if (
            span is not None
            and span.pod_ended is None
            and pod["status"].get("phase") in {"Succeeded", "Failed"}
        ):
            span.pod_ended = now


def turnovers(spans: list[Span], parallelism: int, end: Callable[[Span], float | None]) -> list[float]:
    """Seconds from each free slot to the Job that took it: slots are taken in the order in which they came free.

    Args:
        spans: Of one study, by creation.
        parallelism: Slots.
        end: Which moment of a Job frees its slot.
    """
    freed = sorted(moment for span in spans if (moment := end(span)) is not None)
    taken = [span.created for span in spans[parallelism:]]
    return [start - free for free, start in zip(freed, taken, strict=False)]
