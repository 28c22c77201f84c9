"""The table "Retry by cause" of the design, row by row."""

from typing import Any

import pytest

from support.builders import attempt_of, hash_of, job_of, result_of
from tacotune.engine.classify import classify
from tacotune.engine.observed import Cause, JobPhase, Purpose, StopReason

SUCCEEDED, FAILED = JobPhase.SUCCEEDED, JobPhase.FAILED
FINISHED, DISRUPTION, OOM = Cause.FINISHED, Cause.DISRUPTION, Cause.OUT_OF_MEMORY
TRANSIENT, PERMANENT = Cause.TRANSIENT, Cause.PERMANENT


def row(sentence: str, phase: JobPhase, cause: Cause, message: str, /, **job: Any) -> Any:
    return pytest.param(phase, job, cause, message, id=sentence)


TABLE = [
    # finished
    row("exit 0 with a complete result is finished", SUCCEEDED, FINISHED, "complete", result=result_of("complete", 0.3)),
    row("exit 0 with a pruned result is finished", SUCCEEDED, FINISHED, "pruned", result=result_of("pruned")),
    row("a diverged trial is finished and not retried", SUCCEEDED, FINISHED, "diverged", result=result_of("diverged")),
    row("an early stop is finished", SUCCEEDED, FINISHED, "early_stopped", result=result_of("early_stopped", 0.4)),
    row("an infeasible trial is finished", SUCCEEDED, FINISHED, "infeasible", result=result_of("infeasible")),
    row(
        "a result outlives an eviction that came after it",
        FAILED,
        FINISHED,
        "complete",
        exit_code=143,
        reason="DisruptionTarget",
        result=result_of("complete", 0.3),
    ),
    row(
        "a result outlives our own kill for stalling",
        FAILED,
        FINISHED,
        "complete",
        exit_code=137,
        stopping=StopReason.STALLED,
        result=result_of("complete", 0.3),
    ),
    row("a prepared dataset needs no result", SUCCEEDED, FINISHED, "prepared", purpose=Purpose.PREPARE),
    # disruption
    row("an evicted pod is a disruption", FAILED, DISRUPTION, "DisruptionTarget", exit_code=143, reason="DisruptionTarget"),
    row("eviction beats the 137 that ends its grace period", FAILED, DISRUPTION, "DisruptionTarget", exit_code=137, reason="DisruptionTarget"),
    row("a lost node is a disruption", FAILED, DISRUPTION, "NodeLost", exit_code=None, reason="NodeLost"),
    row("a Job suspended by a queue is a disruption", FAILED, DISRUPTION, "Suspended", exit_code=None, reason="Suspended"),
    row("a preempted Job is a disruption", FAILED, DISRUPTION, "Preempted", exit_code=143, reason="Preempted"),
    row("75, checkpointed, is a disruption", FAILED, DISRUPTION, "deadline or SIGTERM", exit_code=75),
    row("143 is a disruption", FAILED, DISRUPTION, "SIGTERM", exit_code=143),
    row("-15 is 143", FAILED, DISRUPTION, "SIGTERM", exit_code=-15),
    row("75 after our own request names the request", FAILED, DISRUPTION, "Interrupted", exit_code=75, stopping=StopReason.INTERRUPTED),
    row("SIGKILL at the end of our grace period is a disruption", FAILED, DISRUPTION, "Suspended", exit_code=137, stopping=StopReason.SUSPENDED),
    row("a crash while we stop it is a disruption", FAILED, DISRUPTION, "exit 1", exit_code=1, stopping=StopReason.SUSPENDED),
    # out of memory
    row("OOMKilled is out of memory", FAILED, OOM, "memory", exit_code=137, reason="OOMKilled"),
    row("OOMKilled while we stop it is out of memory", FAILED, OOM, "memory", exit_code=137, reason="OOMKilled", stopping=StopReason.SUSPENDED),
    row("an unexplained SIGKILL is out of memory", FAILED, OOM, "memory", exit_code=137),
    row("-9 is 137", FAILED, OOM, "memory", exit_code=-9),
    row("CUDA OOM is out of memory, though it ends with 70", FAILED, OOM, "GPU", exit_code=70, cuda_out_of_memory=True),
    row("CUDA OOM is out of memory, though it ends with 1", FAILED, OOM, "GPU", exit_code=1, cuda_out_of_memory=True),
    # transient
    row("a crash is transient", FAILED, TRANSIENT, "crashed: boom", exit_code=1, message="boom"),
    row("69, device unavailable, is transient", FAILED, TRANSIENT, "device", exit_code=69),
    row("70, internal error, is transient", FAILED, TRANSIENT, "internal", exit_code=70),
    row("73, cannot create, is transient", FAILED, TRANSIENT, "disk", exit_code=73),
    row("74, cannot write, is transient", FAILED, TRANSIENT, "disk", exit_code=74),
    row("66 for the first time is transient", FAILED, TRANSIENT, "input missing", exit_code=66),
    row("a stalled attempt that was killed is transient", FAILED, TRANSIENT, "no progress for 600 s", exit_code=137, stopping=StopReason.STALLED),
    row("an image that never came is transient", FAILED, TRANSIENT, "no image", exit_code=None, stopping=StopReason.IMAGE_PULL),
    row("an image that cannot be pulled is transient", FAILED, TRANSIENT, "ErrImagePull", exit_code=None, reason="ErrImagePull"),
    row("a SIGKILL that memory did not send is transient", FAILED, TRANSIENT, "exit 137, Killed", exit_code=137, reason="Killed"),
    row("exit 0 without a result is transient", SUCCEEDED, TRANSIENT, "without result.json"),
    row("a result of another specHash is no result", SUCCEEDED, TRANSIENT, "another specHash", result=result_of("complete", 0.1, specHash="sha256:other")),
    row("a result without a specHash is no result", SUCCEEDED, TRANSIENT, "another specHash", result=result_of("complete", 0.1, specHash="")),
    row("a code that nobody knows is transient", FAILED, TRANSIENT, "exit 139", exit_code=139),
    row("a Job that is gone without a word is transient", FAILED, TRANSIENT, "no exit code", exit_code=None),
    row("a platform's deadline is transient", FAILED, TRANSIENT, "DeadlineExceeded", exit_code=None, reason="DeadlineExceeded"),
    # permanent
    row("64, bad configuration, is permanent", FAILED, PERMANENT, "configuration: no such parameter", exit_code=64, message="no such parameter"),
    row("65, bad data, is permanent", FAILED, PERMANENT, "bad data", exit_code=65),
    row("77, permission, is permanent", FAILED, PERMANENT, "permission", exit_code=77),
    row("64 while we stop it is permanent all the same", FAILED, PERMANENT, "configuration", exit_code=64, stopping=StopReason.SUSPENDED),
    row("a dataset of bad data is permanent", FAILED, PERMANENT, "bad data", exit_code=65, purpose=Purpose.PREPARE),
]  # fmt: skip


@pytest.mark.parametrize(("phase", "job", "cause", "message"), TABLE)
def test_an_ended_attempt_has_the_cause_of_the_table(
    phase: JobPhase, job: dict[str, Any], cause: Cause, message: str
) -> None:
    ending = classify(job_of(0, 1, phase, **job), spec_hash=hash_of())
    assert ending.cause is cause
    assert message in ending.message
    assert (ending.outcome != "") == (cause is FINISHED and job.get("purpose") is not Purpose.PREPARE)


def test_66_twice_is_permanent() -> None:
    before = (attempt_of(1, TRANSIENT, exit_code=66),)
    ending = classify(job_of(0, 2, FAILED, exit_code=66), spec_hash=hash_of(), previous=before)
    assert ending.cause is PERMANENT
    assert "second time" in ending.message


def test_66_after_another_failure_is_the_first_66() -> None:
    before = (attempt_of(1, TRANSIENT, exit_code=1),)
    assert (
        classify(job_of(0, 2, FAILED, exit_code=66), spec_hash=hash_of(), previous=before).cause is TRANSIENT
    )


def test_without_a_known_hash_any_result_counts() -> None:
    job = job_of(0, 1, SUCCEEDED, result=result_of("complete", 0.1, specHash="sha256:other"))
    assert classify(job, spec_hash="").cause is FINISHED
