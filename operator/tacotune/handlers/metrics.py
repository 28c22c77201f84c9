"""What the operator tells Prometheus: how it works itself, and, in `study_series`, how the studies do.

Labels are closed sets, but for a study's own. Called by `passes` (after each look), `session` (storage calls) and `operator`.
"""

import time
from collections.abc import Callable
from datetime import datetime
from importlib.metadata import version
from typing import Final

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from tacotune.api.status import TTSStudyStatus
from tacotune.controller.reconcile import Outcome
from tacotune.engine.measures import Pace, keep_pace, measure
from tacotune.engine.observed import Purpose
from tacotune.handlers.queue import Key, WorkQueue
from tacotune.handlers.study_series import StudySeries
from tacotune.ports import Busy, ClusterUnavailable, StorageUnavailable, TransientError

CALLS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
TURNOVERS: Final = (0.25, 0.5, 1, 2, 3, 5, 10, 30, 60, 300, 900)
QUEUE: Final = (1, 2, 5, 15, 30, 60, 300, 900, 1800, 3600, 14400, 43200, 86400)
REASONS: Final = ("StorageUnavailable", "ClusterUnavailable", "Transient", "Unexpected")
CHANNELS: Final = ("telegram", "apprise")


class Meters:
    """All series of one operator process, in a registry of their own. Methods are safe from any thread."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.studies = StudySeries()
        self.registry.register(self.studies)
        ProcessCollector(registry=self.registry)
        own = self.registry
        Gauge("tacotune_build_info", "Always 1; the version as a label.", ["version"], registry=own).labels(
            version("tacotune")
        ).set(1)
        self._leader = Gauge(
            "tacotune_leader",
            "1 while this process works on studies; there is one replica and no lease.",
            registry=own,
        )
        self._depth = Gauge("tacotune_queue_depth", "Studies that wait for a worker.", registry=own)
        self._ask = Histogram(
            "tacotune_ask_seconds",
            "Asking Optuna for a trial, sampler included.",
            buckets=CALLS,
            registry=own,
        )
        self._storage = Histogram(
            "tacotune_storage_seconds",
            "Other calls of the trial storage, failed ones included.",
            ["operation"],
            buckets=CALLS,
            registry=own,
        )
        self._queue_wait = Histogram(
            "tacotune_queue_wait_seconds",
            "From the creation of a Job to the start of its pod.",
            ["purpose"],
            buckets=QUEUE,
            registry=own,
        )
        self._turnover = Histogram(
            "tacotune_turnover_seconds",
            "From the end of a trial's last attempt to the next trial's Job.",
            buckets=TURNOVERS,
            registry=own,
        )
        self._reconcile = Histogram(
            "tacotune_reconcile_seconds",
            "One look at one study, failed ones included.",
            buckets=CALLS,
            registry=own,
        )
        self._errors = Counter(
            "tacotune_reconcile_errors", "Looks at studies that failed.", ["reason"], registry=own
        )
        self._notifications = Counter(
            "tacotune_notification_failures",
            "Notifications that were given up after their retries.",
            ["channel"],
            registry=own,
        )
        # From the first scrape on: increase() does not see a series' first value.
        for reason in REASONS:
            self._errors.labels(reason)
        for channel in CHANNELS:
            self._notifications.labels(channel)
        for purpose in Purpose:
            self._queue_wait.labels(purpose.value)

    def serve(self, port: int) -> None:
        """Answer scrapes on a port, from a thread of its own.

        Raises:
            Busy: The port is taken.
        """
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        try:
            prometheus_client.start_http_server(port, registry=self.registry)
        except OSError as error:
            raise Busy(
                f"--metrics-port {port}: {error.strerror or error}; choose another one, or 0 for none"
            ) from error

    def works(self, queue: WorkQueue) -> None:
        """Workers take keys from this queue from now on."""
        self._depth.set_function(lambda: len(queue))
        self._leader.set(1)

    def rests(self) -> None:
        """They do so no more."""
        self._leader.set(0)

    def timing(self, operation: str, seconds: float) -> None:
        """A call of the storage ended."""
        if operation == "ask":
            self._ask.observe(seconds)
        else:
            self._storage.labels(operation).observe(seconds)

    def watched(
        self, run_once: Callable[[Key], float | None], monotonic: Callable[[], float] = time.monotonic
    ) -> Callable[[Key], float | None]:
        """The same look at a study, timed, and counted when it fails."""

        def timed(key: Key) -> float | None:
            began = monotonic()
            try:
                return run_once(key)
            except Exception as error:
                self._errors.labels(_reason(error)).inc()
                raise
            finally:
                self._reconcile.observe(monotonic() - began)

        return timed

    def passed(self, outcome: Outcome, pace: Pace, now: datetime) -> Pace:
        """A pass was made; what to give with the study's next one.

        Args:
            outcome: What came of it.
            pace: What the study's pass before left.
            now: When it ended.
        """
        pace, waits = keep_pace(pace, outcome.observed, outcome.actions, now=now, ended=outcome.ended)
        for purpose, seconds in waits.queue:
            self._queue_wait.labels(purpose.value).observe(seconds)
        for seconds in waits.turnover:
            self._turnover.observe(seconds)
        return pace

    def looked(self, key: Key, outcome: Outcome) -> None:
        """The passes of one look are over; this is what came of the last one."""
        observed = outcome.observed
        if observed.storage.ready or observed.trials:
            self.studies.measures(key, measure(observed))
        self.studies.status(key, outcome.status)

    def status(self, key: Key, status: TTSStudyStatus) -> None:
        """What stands, or is about to stand, in a study's status."""
        self.studies.status(key, status)

    def forget(self, key: Key) -> None:
        """The study is gone."""
        self.studies.forget(key)

    def notification_failed(self, channel: str) -> None:
        """A notification was given up; `channel` is one of CHANNELS."""
        self._notifications.labels(channel).inc()


def _reason(error: Exception) -> str:
    match error:
        case StorageUnavailable():
            return "StorageUnavailable"
        case ClusterUnavailable():
            return "ClusterUnavailable"
        case TransientError():
            return "Transient"
        case _:
            return "Unexpected"
