"""Of several workers the one is believed that knows why the attempt ended; the others only fail for want of it."""

import json
from typing import Any

import pytest

from support.builders import spec_of
from support.study_objects import PLATFORM, UID
from tacotune.adapters.job_view import observed_job
from tacotune.engine.observed import JobPhase
from tacotune.manifests.common import StudyRef
from tacotune.manifests.storage_secret import storage_secret_key
from tacotune.manifests.trial_job import trial_job

FAILED = {
    "type": "Failed",
    "status": "True",
    "reason": "BackoffLimitExceeded",
    "lastTransitionTime": "2030-01-01T12:00:00Z",
}


def job() -> dict[str, Any]:
    study = StudyRef("voices", "large", UID)
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
    said = json.dumps({"state": "failed", "exitCode": 64, "message": "set trainer.workers to 1"})
    seen = observed_job(job(), [worker(index, 1, message=said) for index in range(4)])
    assert seen is not None
    assert (seen.exit_code, seen.message) == (64, "set trainer.workers to 1")


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
