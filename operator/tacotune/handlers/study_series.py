"""Prometheus series of studies, made anew at each scrape from what passes left: those of a deleted study are simply not there.

What is stored with a study is a counter where it can only grow, although it is no variable that this process increments: after
a restart it goes on at the number in the database, which `rate()` and `increase()` take as it is meant.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tacotune.api.conditions import ConditionType, Phase, find_condition
from tacotune.api.status import TTSStudyStatus
from tacotune.engine.measures import Measures
from tacotune.handlers.queue import Key

STUDY: Final = ("namespace", "study")
STATES: Final = ("pending", "running", "retrying", "succeeded", "pruned", "failed")


class StudySeries(Collector):
    """All that is known of studies; written by workers' threads, read by the server's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._statuses: dict[Key, TTSStudyStatus] = {}
        self._measures: dict[Key, Measures] = {}

    def status(self, key: Key, status: TTSStudyStatus) -> None:
        """The newest status of a study."""
        with self._lock:
            self._statuses[key] = status

    def measures(self, key: Key, measures: Measures) -> None:
        """What its rows say. While the database is away the last ones stay, as they do in the status."""
        with self._lock:
            self._measures[key] = measures

    def forget(self, key: Key) -> None:
        """The study is gone, and its series go with it."""
        with self._lock:
            self._statuses.pop(key, None)
            self._measures.pop(key, None)

    def collect(self) -> Iterator[Metric]:
        """Called at each scrape."""
        with self._lock:
            statuses, measures = dict(self._statuses), dict(self._measures)
        yield from _of_statuses(statuses)
        yield from _of_measures(measures)


def _of_statuses(statuses: dict[Key, TTSStudyStatus]) -> Iterator[Metric]:
    studies = GaugeMetricFamily("tacotune_studies", "Studies by phase.", labels=["phase"])
    phases = Counter(status.phase for status in statuses.values())
    for known in Phase:
        studies.add_metric([known.value], phases[known])
    yield studies

    phase = GaugeMetricFamily(
        "tacotune_study_phase", "1 for the phase that a study is in.", labels=[*STUDY, "phase"]
    )
    trials = GaugeMetricFamily("tacotune_trials", "Trials of a study by state.", labels=[*STUDY, "state"])
    best = GaugeMetricFamily(
        "tacotune_best_value", "Value of the first objective of a study's best trial.", labels=STUDY
    )
    gpu = GaugeMetricFamily(
        "tacotune_study_gpu_seconds",
        "GPU-seconds a study has used, attempts that run included.",
        labels=STUDY,
    )
    storage = GaugeMetricFamily(
        "tacotune_study_storage_ready", "1 while a study's rows can be read and written.", labels=STUDY
    )
    for key, status in statuses.items():
        phase.add_metric([*key, status.phase.value], 1)
        for state in STATES:
            trials.add_metric([*key, state], getattr(status.trials, state))
        if status.best is not None:
            best.add_metric(key, status.best.value)
        gpu.add_metric(key, status.gpu_seconds)
        ready = find_condition(status.conditions, ConditionType.STORAGE_READY)
        if ready is not None:
            storage.add_metric(key, ready.status == "True")
    yield from (phase, trials, best, gpu, storage)


def _of_measures(measures: dict[Key, Measures]) -> Iterator[Metric]:
    info = GaugeMetricFamily(
        "tacotune_study_info",
        "Always 1; the first objective of a study as labels.",
        labels=[*STUDY, "objective", "direction"],
    )
    attempts = CounterMetricFamily(
        "tacotune_attempts", "Ended attempts by cause, of all purposes.", labels=[*STUDY, "cause"]
    )
    retries = CounterMetricFamily(
        "tacotune_retries", "Attempts started after the first one of the same trial.", labels=STUDY
    )
    gpu = CounterMetricFamily(
        "tacotune_gpu_seconds",
        "GPU-seconds of ended attempts by what their trial came to; counted once it is told.",
        labels=[*STUDY, "outcome"],
    )
    progress = GaugeMetricFamily(
        "tacotune_study_last_progress_timestamp_seconds",
        "When anything of a study last went on: a report, a start or an end.",
        labels=STUDY,
    )
    for key, measured in measures.items():
        info.add_metric([*key, measured.objective, measured.direction], 1)
        for cause, count in measured.attempts.items():
            attempts.add_metric([*key, cause.value], count)
        retries.add_metric(key, measured.retries)
        for outcome, seconds in measured.gpu_seconds.items():
            gpu.add_metric([*key, outcome.value], seconds)
        if measured.progressed_at is not None:
            progress.add_metric(key, measured.progressed_at.timestamp())
    yield from (info, attempts, retries, gpu, progress)
