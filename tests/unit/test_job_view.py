"""A Job and its pods, as the API server shows them, become one observed attempt."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tacotune.adapters.job_view import deleted_by_others, observed_job, unannounced
from tacotune.adapters.kube_logs import parse
from tacotune.api.trial_contract import ResultState
from tacotune.engine.classify import classify
from tacotune.engine.observed import Cause, JobPhase, ObservedJob, Purpose

LABELS = {
    "tacotune.dev/study": "demo",
    "tacotune.dev/purpose": "trial",
    "tacotune.dev/trial": "3",
    "tacotune.dev/attempt": "2",
}
CREATED, STARTED, ENDED = (f"2030-01-01T12:0{minute}:00Z" for minute in (0, 1, 5))


def job(*conditions: tuple[str, str], suspended_by: str = "", labels: Any = LABELS, **status: Any) -> Any:
    annotations = {"tacotune.dev/stopping": suspended_by} if suspended_by else {}
    return {
        "metadata": {
            "name": "demo-3-2",
            "labels": labels,
            "annotations": annotations,
            "creationTimestamp": CREATED,
        },
        "spec": {
            "completions": 2,
            "template": {"spec": {"containers": [{"resources": {"limits": {"nvidia.com/gpu": "4"}}}]}},
        },
        "status": {
            "conditions": [
                {"type": kind, "status": "True", "reason": reason, "lastTransitionTime": ENDED}
                for kind, reason in conditions
            ],
            **status,
        },
    }


def pod(phase: str, state: Any = None, *conditions: Any, created: str = CREATED, index: str = "") -> Any:
    annotations = {"batch.kubernetes.io/job-completion-index": index} if index else {}
    return {
        "metadata": {
            "name": f"demo-3-2-{created[-3:-1]}",
            "labels": {**LABELS, "batch.kubernetes.io/job-name": "demo-3-2"},
            "annotations": annotations,
            "creationTimestamp": created,
        },
        "status": {
            "phase": phase,
            "conditions": list(conditions),
            "containerStatuses": [] if state is None else [{"name": "trainer", "state": state}],
        },
    }


def terminated(code: int, message: str = "", reason: str = "Error") -> Any:
    return {
        "terminated": {
            "exitCode": code,
            "reason": reason,
            "message": message,
            "startedAt": STARTED,
            "finishedAt": ENDED,
        }
    }


def seen(job_: Any, *pods: Any) -> ObservedJob:
    found = observed_job(job_, pods)
    assert found is not None
    return found


DISRUPTED = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no GPU"}
RESULT = json.dumps({"state": "complete", "specHash": "sha256:1", "values": [0.25]})


def test_a_finished_attempt_brings_its_result() -> None:
    found = seen(job(("Complete", "")), pod("Succeeded", terminated(0, RESULT, "Completed")))
    assert (found.name, found.purpose, found.trial, found.attempt) == ("demo-3-2", Purpose.TRIAL, 3, 2)
    assert (found.phase, found.exit_code) == (JobPhase.SUCCEEDED, 0)
    assert found.result is not None
    assert (found.result.state, found.result.values) == (ResultState.COMPLETE, [0.25])
    assert found.started_at == datetime(2030, 1, 1, 12, 1, tzinfo=UTC)
    assert found.ended_at == datetime(2030, 1, 1, 12, 5, tzinfo=UTC)
    assert found.gpus == 8, "four in each of two pods"


def test_a_preparation_has_no_trial() -> None:
    labels = {"tacotune.dev/purpose": "prepare", "tacotune.dev/attempt": "1"}
    assert seen(job(labels=labels)).trial == -1


def test_a_job_that_is_no_attempt_is_passed_over() -> None:
    assert observed_job(job(labels={"tacotune.dev/study": "demo"}), []) is None


FAILURES = {
    "a bad configuration fails at once": (
        job(("Failed", "PodFailurePolicy")), [pod("Failed", terminated(64, '{"state": "failed", "exitCode": 64, "message": "no"}'))],
        Cause.PERMANENT, "bad configuration: no",
    ),
    "the kernel's word for want of memory": (
        job(("Failed", "BackoffLimitExceeded")), [pod("Failed", terminated(137, reason="OOMKilled"))],
        Cause.OUT_OF_MEMORY, "killed for want of memory",
    ),
    "the trainer's word for want of the GPU's memory": (
        job(("Failed", "BackoffLimitExceeded")),
        [pod("Failed", terminated(70, '{"exitCode": 70, "message": "CUDA", "cudaOutOfMemory": true}'))],
        Cause.OUT_OF_MEMORY, "GPU out of memory: CUDA",
    ),
    "another SIGKILL is no want of memory": (
        job(("Failed", "BackoffLimitExceeded")), [pod("Failed", terminated(137))],
        Cause.TRANSIENT, "ended with exit 137, Killed",
    ),
    "a crash shows the last line it wrote": (
        job(("Failed", "BackoffLimitExceeded")), [pod("Failed", terminated(1, "Traceback\nboom\n"))],
        Cause.TRANSIENT, "crashed: boom",
    ),
    "a pod taken away by the platform": (
        job(("Failed", "BackoffLimitExceeded")), [pod("Failed", terminated(143), DISRUPTED)],
        Cause.DISRUPTION, "ended by the platform: DisruptionTarget",
    ),
    "a pod that is gone with its node": (
        job(("Failed", "BackoffLimitExceeded")), [],
        Cause.DISRUPTION, "ended by the platform: NodeLost",
    ),
    "a pod that checkpointed after SIGTERM": (
        job(("Failed", "BackoffLimitExceeded")), [pod("Failed", terminated(75))],
        Cause.DISRUPTION, "stopped: deadline or SIGTERM",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("job_", "pods", "cause", "message"), FAILURES.values(), ids=FAILURES.keys())
def test_a_failed_attempt_has_the_cause_of_the_table(
    job_: Any, pods: Any, cause: Cause, message: str
) -> None:
    found = seen(job_, *pods)
    assert found.phase is JobPhase.FAILED
    ending = classify(found, spec_hash="sha256:1")
    assert (ending.cause, ending.message.split(": trial")[0]) == (cause, message)


def test_of_several_workers_the_one_that_failed_tells_why() -> None:
    workers = [
        pod("Failed", terminated(143), index="0"),
        pod("Failed", terminated(64, '{"message": "bad"}'), index="1"),
        pod("Succeeded", terminated(0, RESULT), index="2"),
    ]
    found = seen(job(("Failed", "PodFailurePolicy")), *workers)
    assert found.exit_code in {64, 143}
    assert found.exit_code != 0


WAITING = {
    "no image": (pod("Pending", {"waiting": {"reason": "ImagePullBackOff", "message": "no such"}}), "ImagePullBackOff", "no such"),
    "no room": (pod("Pending", None, UNSCHEDULABLE), "Unschedulable", "no GPU"),
    "on its way": (pod("Pending", {"waiting": {"reason": "ContainerCreating"}}), "", ""),
}  # fmt: skip


@pytest.mark.parametrize(("pod_", "reason", "message"), WAITING.values(), ids=WAITING.keys())
def test_a_pod_that_has_not_started_is_pending_and_says_why(pod_: Any, reason: str, message: str) -> None:
    found = seen(job(), pod_)
    assert (found.phase, found.reason, found.message) == (JobPhase.PENDING, reason, message)


def test_a_job_that_its_queue_holds_back_is_pending_and_no_failure() -> None:
    found = seen(job(("Suspended", "JobSuspended")))
    assert (found.phase, found.reason) == (JobPhase.PENDING, "Suspended")


def test_a_job_that_we_suspend_has_ended_when_its_pod_has() -> None:
    ours = job(("Suspended", "JobSuspended"), suspended_by="Suspended")
    assert seen(ours, pod("Running", {"running": {"startedAt": STARTED}})).phase is JobPhase.RUNNING
    assert seen({**ours, "status": {**ours["status"], "terminating": 1}}).phase is JobPhase.PENDING
    ended = seen(ours)
    assert (ended.phase, ended.stopping, ended.reason) == (JobPhase.FAILED, "Suspended", "Suspended")
    assert classify(ended, spec_hash="").cause is Cause.DISRUPTION


def test_a_replaced_pod_does_not_speak_for_the_job() -> None:
    taken = pod("Failed", terminated(143), DISRUPTED, created="2030-01-01T12:00:10Z")
    fresh = pod("Running", {"running": {"startedAt": STARTED}}, created="2030-01-01T12:00:20Z")
    assert seen(job(active=1), fresh, taken).phase is JobPhase.RUNNING


def test_a_pod_whose_job_was_deleted_still_runs() -> None:
    orphan = pod("Running", {"running": {"startedAt": STARTED}})
    (found,) = deleted_by_others([orphan, pod("Succeeded", terminated(0))], [])
    assert (found.name, found.trial, found.phase, found.stopping) == (
        "demo-3-2",
        3,
        JobPhase.RUNNING,
        "JobDeleted",
    )
    assert list(deleted_by_others([orphan], [job()])) == []


def test_the_last_line_of_a_log_shows_when_and_where() -> None:
    found = parse("2030-01-01T12:00:07.123456789Z   step 25/60  epoch 3.1  loss 4.89", attempt=2)
    assert found is not None
    assert (found.step, found.total_steps, found.attempt) == (25, 60, 2)
    assert datetime.fromtimestamp(found.updated_at, UTC) == datetime(2030, 1, 1, 12, 0, 7, tzinfo=UTC)
    as_json = '2030-01-01T12:00:07Z {"level": "INFO", "message": "step  5/60  epoch 0.1", "trial": 3}'
    spoken = parse(as_json, attempt=1)
    assert spoken is not None
    assert (spoken.step, spoken.total_steps) == (5, 60)
    quiet = parse("2030-01-01T12:00:07Z evaluation", attempt=1)
    assert quiet is not None
    assert quiet.step == 0
    assert parse("", attempt=1) is None


def test_a_job_has_succeeded_as_soon_as_all_its_pods_have() -> None:
    """The Job controller takes about a second to say so, in which the GPU would stand idle."""
    done = pod("Succeeded", terminated(0, RESULT, "Completed"))
    early = job()
    assert seen(early, done, pod("Running", index="1")).phase is JobPhase.RUNNING
    ended = seen(early, done, pod("Succeeded", terminated(0), index="1"))
    assert (ended.phase, ended.exit_code) == (JobPhase.SUCCEEDED, 0)
    assert ended.result is not None


def test_a_job_whose_pod_failed_waits_for_the_word_of_the_job_controller() -> None:
    assert seen(job(), pod("Failed", terminated(1))).phase is JobPhase.PENDING


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("", ""),
        ("no JSON", ""),
        ('{"state": "published", "exitCode": 0}', ""),
        ('{"state": "published", "exitCode": 0, "unannounced": "403 Forbidden"}', "403 Forbidden"),
    ],
)
def test_a_voice_shown_to_nobody_is_the_publishing_pods_last_word(message: str, said: str) -> None:
    terminated = pod("Succeeded", {"terminated": {"exitCode": 0, "message": message}})
    assert unannounced([pod("Running"), terminated], "demo-3-2") == said
    assert unannounced([terminated], "demo-publish-0") == ""
