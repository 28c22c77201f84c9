"""What a scrape of the operator finds, by Prometheus's own text format."""

import asyncio
import socket

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from support.builders import NOW, attempt_of, complete, job_of, observed_of, study_of, trial_of
from support.fakes import Backend, FakeClock, FakeCluster, FakeStore
from tacotune.api.conditions import Phase
from tacotune.api.status import TTSStudyStatus
from tacotune.controller.reconcile import Outcome, Reconciler
from tacotune.engine.measures import Pace
from tacotune.engine.observed import Cause, JobPhase, Observed, Storage
from tacotune.handlers.metrics import Meters
from tacotune.handlers.queue import Key, WorkQueue
from tacotune.ports import Busy, ClusterUnavailable, StorageUnavailable, TransientError

KEY, OTHER = Key("voices", "ruslan"), Key("voices", "anna")
Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def scraped(meters: Meters) -> Series:
    text = generate_latest(meters.registry).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(meters: Meters, name: str, **labels: str) -> float | None:
    return scraped(meters).get((name, tuple(sorted(labels.items()))))


def names_of(meters: Meters, study: str) -> set[str]:
    return {name for name, labels in scraped(meters) if ("study", study) in labels}


def outcome_of(observed: Observed, status: TTSStudyStatus | None = None) -> Outcome:
    return Outcome(status or TTSStudyStatus(), (), None, (), observed)


def pass_over(meters: Meters, observed: Observed) -> Outcome:
    backend = Backend(observed)
    outcome = Reconciler(FakeStore(backend), FakeCluster(backend), FakeClock(backend)).run_once(study_of())
    meters.looked(KEY, outcome)
    return outcome


def test_a_study_is_told_by_its_status_and_its_rows() -> None:
    meters = Meters()
    retried = (attempt_of(1), attempt_of(2, Cause.FINISHED, gpu_seconds=60.0))
    pass_over(meters, observed_of([complete(0, 0.25, attempts=retried), trial_of(1)]))
    study = {"namespace": "voices", "study": "ruslan"}
    assert value(meters, "tacotune_studies", phase="Running") == 1
    assert value(meters, "tacotune_studies", phase="Failed") == 0
    assert value(meters, "tacotune_study_phase", phase="Running", **study) == 1
    assert value(meters, "tacotune_study_phase", phase="Failed", **study) is None
    assert value(meters, "tacotune_trials", state="succeeded", **study) == 1
    assert value(meters, "tacotune_best_value", **study) == 0.25
    assert value(meters, "tacotune_study_storage_ready", **study) == 1
    assert value(meters, "tacotune_attempts_total", cause="Transient", **study) == 1
    assert value(meters, "tacotune_retries_total", **study) == 1
    assert value(meters, "tacotune_gpu_seconds_total", outcome="useful", **study) == 60
    assert value(meters, "tacotune_study_info", objective="tts_score", direction="Minimize", **study) == 1


def test_the_series_of_a_deleted_study_disappear_and_no_others() -> None:
    meters = Meters()
    for key in (KEY, OTHER):
        running = TTSStudyStatus(phase=Phase.RUNNING)
        meters.looked(key, outcome_of(observed_of([complete(0, 0.25)]), running))
    there = names_of(meters, "ruslan")
    assert there == names_of(meters, "anna") != set()
    meters.forget(KEY)
    assert names_of(meters, "ruslan") == set()
    assert names_of(meters, "anna") == there
    assert value(meters, "tacotune_studies", phase="Running") == 1
    meters.forget(KEY)


def test_a_new_process_says_nothing_about_rows_that_it_cannot_read() -> None:
    meters = Meters()
    away = Storage(ready=False, message="no answer")
    meters.looked(KEY, outcome_of(observed_of(storage=away)))
    assert not any(name == "tacotune_attempts_total" for name, _ in scraped(meters)), "not nought: unknown"
    meters.looked(KEY, outcome_of(observed_of([complete(0, 0.25)])))
    meters.looked(KEY, outcome_of(observed_of(storage=away)))
    study = {"namespace": "voices", "study": "ruslan"}
    assert value(meters, "tacotune_attempts_total", cause="Finished", **study) == 1


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (StorageUnavailable("away"), "StorageUnavailable"),
        (ClusterUnavailable("away"), "ClusterUnavailable"),
        (TransientError("busy"), "Transient"),
        (ZeroDivisionError(), "Unexpected"),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else "",
)
def test_a_look_that_fails_is_counted_by_a_closed_set_of_reasons(error: Exception, reason: str) -> None:
    meters = Meters()

    def fail(key: Key) -> float | None:
        raise error

    seconds = iter([1.0, 3.5])
    with pytest.raises(type(error)):
        meters.watched(fail, lambda: next(seconds))(KEY)
    assert value(meters, "tacotune_reconcile_errors_total", reason=reason) == 1
    assert value(meters, "tacotune_reconcile_seconds_sum") == 2.5
    reasons = {dict(labels)["reason"] for name, labels in scraped(meters) if name.endswith("errors_total")}
    assert reasons == {"StorageUnavailable", "ClusterUnavailable", "Transient", "Unexpected"}


def test_a_look_that_succeeds_gives_back_what_it_found() -> None:
    meters = Meters()
    assert meters.watched(lambda _: 5.0)(KEY) == 5.0
    assert value(meters, "tacotune_reconcile_seconds_count") == 1
    assert value(meters, "tacotune_reconcile_errors_total", reason="Unexpected") == 0


def test_asking_is_told_apart_from_other_storage_calls() -> None:
    meters = Meters()
    meters.timing("ask", 0.5)
    meters.timing("trials", 0.25)
    assert value(meters, "tacotune_ask_seconds_sum") == 0.5
    assert value(meters, "tacotune_storage_seconds_sum", operation="trials") == 0.25
    assert value(meters, "tacotune_storage_seconds_sum", operation="ask") is None


def test_it_leads_while_it_works_and_its_queue_has_a_depth() -> None:
    async def scenario() -> None:
        meters, queue = Meters(), WorkQueue()
        assert value(meters, "tacotune_leader") == 0
        meters.works(queue)
        queue.add(KEY)
        queue.add(OTHER)
        assert (value(meters, "tacotune_leader"), value(meters, "tacotune_queue_depth")) == (1, 2)
        meters.rests()
        assert value(meters, "tacotune_leader") == 0

    asyncio.run(scenario())


def test_failed_notifications_are_there_before_the_first_one() -> None:
    meters = Meters()
    assert value(meters, "tacotune_notification_failures_total", channel="telegram") == 0
    meters.notification_failed("telegram")
    assert value(meters, "tacotune_notification_failures_total", channel="telegram") == 1


def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as other:
        other.bind(("0.0.0.0", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(Busy, match=rf"--metrics-port {port}: .*in use; choose another one, or 0"):
            Meters().serve(port)


def test_waits_are_observed_once_and_carried_from_pass_to_pass() -> None:
    meters = Meters()
    pending = observed_of([trial_of(0)], [job_of(0, 1, JobPhase.PENDING)])
    pace = meters.passed(outcome_of(pending), Pace(), NOW)
    for _ in range(2):
        pace = meters.passed(outcome_of(observed_of([trial_of(0)], [job_of(0, 1)])), pace, NOW)
    assert value(meters, "tacotune_queue_wait_seconds_sum", purpose="trial") == 10
    assert value(meters, "tacotune_queue_wait_seconds_count", purpose="trial") == 1
    assert value(meters, "tacotune_queue_wait_seconds_count", purpose="final") == 0
    assert value(meters, "tacotune_turnover_seconds_count") == 0
