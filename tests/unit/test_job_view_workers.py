"""Of several workers the one is believed that knows why the attempt ended; the others only fail for want of it."""

import json
from typing import Any

import pytest

from support.builders import spec_of
from support.study_objects import PLATFORM, UID
from tacotune.adapters.job_view import observed_job
from tacotune.api.study_key import StudyKey
from tacotune.engine.observed import JobPhase
from tacotune.manifests.storage_secret import storage_secret_key
from tacotune.manifests.trial_job import trial_job

FAILED = {
    "type": "Failed",
    "status": "True",
    "reason": "BackoffLimitExceeded",
    "lastTransitionTime": "2030-01-01T12:00:00Z",
}


def job() -> dict[str, Any]:
    study = StudyKey("voices", "large", UID)
    built = trial_job(
        study,
        PLATFORM,
        spec_of(trainer={"workers": 4, "resources": {"limits": {"nvidia.com/gpu": 2}}}),
        purpose="trial",
        trial=3,
        attempt=1,
        name="large-3-1",
        storage_secret=storage_secret_key(study),
        deadline_seconds=None,
    )
    return {**built, "status": {"conditions": [FAILED]}}


def worker(index: int, code: int, *, message: str = "", disrupted: bool = False) -> dict[str, Any]:
    ended = {"exitCode": code, "message": message, "finishedAt": "2030-01-01T12:00:00Z"}
    condition = {"type": "DisruptionTarget", "status": str(disrupted)}
    return {
        "metadata": {
            "name": f"large-3-1-{index}",
            "creationTimestamp": "2030-01-01T11:00:00Z",
            "annotations": {"batch.kubernetes.io/job-completion-index": str(index)},
        },
        "status": {
            "phase": "Failed",
            "conditions": [condition],
            "containerStatuses": [{"name": "trainer", "state": {"terminated": ended}}],
        },
    }


def test_gpus_of_all_workers_are_counted() -> None:
    seen = observed_job(job(), [])
    assert seen is not None
    assert (seen.phase, seen.gpus) == (JobPhase.FAILED, 8)


def test_the_trainers_exit_code_counts_not_torchruns() -> None:
    said = json.dumps({"state": "failed", "exitCode": 64, "message": "epochs: must be a number"})
    seen = observed_job(job(), [worker(index, 1, message=said) for index in range(4)])
    assert seen is not None
    assert (seen.exit_code, seen.message) == (64, "epochs: must be a number")


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        pytest.param([69, 69, 70, 69], 70, id="one runs out of memory, the others miss it"),
        pytest.param([69, 137, 65, 143], 65, id="one has bad data, one hangs until the end of its grace"),
        pytest.param([69, 75, 137, 75], 137, id="one is killed, the others stop for it"),
        pytest.param([75, 143, 75, 75], 75, id="all are stopped: the leader's word"),
        pytest.param([74, 70, 70, 70], 74, id="of several failures the leader's"),
        pytest.param([0, 0, 69, 0], 69, id="one does not end well"),
    ],
)
def test_the_worker_counts_that_the_others_ended_for(codes: list[int], code: int) -> None:
    pods = [worker(index, number) for index, number in enumerate(codes)]
    # Whatever order the API server lists them in.
    for order in (pods, pods[::-1]):
        seen = observed_job(job(), order)
        assert seen is not None
        assert seen.exit_code == code


def test_a_worker_out_of_memory_says_so_for_all() -> None:
    said = json.dumps({"state": "failed", "exitCode": 70, "message": "m", "cudaOutOfMemory": True})
    missed = json.dumps({"state": "failed", "exitCode": 69, "message": "another worker is gone"})
    pods = [worker(0, 69, message=missed), worker(1, 69, message=missed), worker(2, 70, message=said)]
    seen = observed_job(job(), pods)
    assert seen is not None
    assert (seen.exit_code, seen.cuda_out_of_memory) == (70, True)
    killed = worker(1, 137)
    killed["status"]["containerStatuses"][0]["state"]["terminated"]["reason"] = "OOMKilled"
    seen = observed_job(job(), [worker(0, 70), killed])
    assert seen is not None
    assert seen.reason == "OOMKilled"


def test_the_leader_has_the_result() -> None:
    done = {
        "contract": "tacotune.dev/result/v1",
        "specHash": "sha256:1",
        "state": "complete",
        "message": "m",
        "values": [0.3],
        "metrics": {},
        "bestStep": 5,
        "steps": 5,
        "epochs": 1.0,
        "seconds": 1.0,
        "frames": 1,
        "checkpoint": None,
        "peakMemoryBytes": 1,
    }
    complete = {**FAILED, "type": "Complete"}
    pods = [worker(2, 0), worker(1, 0), worker(0, 0, message=json.dumps(done))]
    seen = observed_job({**job(), "status": {"conditions": [complete]}}, pods)
    assert seen is not None
    assert seen.result is not None


def test_a_crash_without_a_last_word_stays_a_crash() -> None:
    seen = observed_job(job(), [worker(index, 1) for index in range(4)])
    assert seen is not None
    assert seen.exit_code == 1


@pytest.mark.parametrize("lost", [0, 2])
def test_a_worker_that_was_taken_away_makes_it_a_disruption(lost: int) -> None:
    pods = [worker(index, 143 if index == lost else 1, disrupted=index == lost) for index in range(4)]
    seen = observed_job(job(), pods)
    assert seen is not None
    assert seen.reason == "DisruptionTarget"
