"""ProcessCluster with real process groups: start, end, kill, adoption by a second runner, publication."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from support import trainer_double
from support.eventually import eventually
from tacotune.adapters.attempt_files import read_json
from tacotune.adapters.processes import ProcessCluster
from tacotune.api.study import TTSStudySpec
from tacotune.api.study_key import StudyKey
from tacotune.api.trial_contract import ResultState
from tacotune.engine.actions import PromoteBest
from tacotune.engine.observed import JobPhase, ObservedJob, ParameterValue, Purpose
from tacotune.ports import ClusterUnavailable, Launch

KEY = StudyKey("default", "voice", "12345678-aaaa")
DOUBLE = (sys.executable, str(trainer_double.__file__))


def spec() -> TTSStudySpec:
    return TTSStudySpec.model_validate(
        {
            "searchSpace": [{"name": "learning_rate", "float": {"low": 1e-4, "high": 1e-2}}],
            "dataset": {"speech": {}},
        }
    )


def launch(
    behavior: str = "complete", trial: int = 0, attempt: int = 1, purpose: Purpose = Purpose.TRIAL
) -> Launch:
    parameters: dict[str, ParameterValue] = {"behavior": behavior}
    return Launch(
        purpose, trial, attempt, parameters, storage_trial_id=None, spec=spec(), spec_hash="sha256:1"
    )


def make(root: Path) -> ProcessCluster:
    return ProcessCluster(root, KEY, storage_url=None, threads=1, trainer=DOUBLE)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ProcessCluster]:
    made = make(tmp_path)
    yield made
    made.kill_all()


def only(cluster: ProcessCluster) -> ObservedJob:
    (job,) = cluster.jobs()
    return job


def ended(cluster: ProcessCluster) -> ObservedJob:
    return eventually(lambda: (job := only(cluster)).phase.ended and job)


def running(cluster: ProcessCluster, root: Path) -> ObservedJob:
    eventually((root / "trials/0000/ready").exists)
    return only(cluster)


def test_a_finished_attempt_shows_its_result(cluster: ProcessCluster, tmp_path: Path) -> None:
    cluster.create_job(launch())
    job = ended(cluster)
    assert (job.name, job.phase, job.exit_code) == ("voice-0-1", JobPhase.SUCCEEDED, 0)
    assert job.result is not None
    assert (job.result.state, job.result.values) == (ResultState.COMPLETE, [0.25])
    assert "training complete" in (tmp_path / "attempts/voice-0-1/log.txt").read_text()


def test_a_value_that_is_not_finite_is_read_as_missing(cluster: ProcessCluster) -> None:
    cluster.create_job(launch("nan"))
    job = ended(cluster)
    assert job.result is not None
    assert job.result.values == [None]


def test_creating_twice_starts_one_process(cluster: ProcessCluster, tmp_path: Path) -> None:
    cluster.create_job(launch("wait"))
    first = running(cluster, tmp_path)
    cluster.create_job(launch("wait"))
    assert only(cluster) == ObservedJob(**{f: getattr(only(cluster), f) for f in first.__slots__})
    assert only(cluster).created_at == first.created_at


def test_a_crash_shows_the_last_line_of_its_log(cluster: ProcessCluster) -> None:
    cluster.create_job(launch("crash"))
    job = ended(cluster)
    assert (job.phase, job.exit_code, job.message) == (JobPhase.FAILED, 1, "boom: the reason of the crash")


def test_the_termination_message_goes_before_the_log(cluster: ProcessCluster) -> None:
    cluster.create_job(launch("usage"))
    job = ended(cluster)
    assert (job.exit_code, job.message) == (64, "unknown parameter learning_rat")


def test_stopping_lets_the_trainer_checkpoint(cluster: ProcessCluster, tmp_path: Path) -> None:
    cluster.create_job(launch("wait"))
    job = running(cluster, tmp_path)
    assert job.phase is JobPhase.RUNNING
    assert job.memory_bytes > 1_000_000
    assert job.progress is not None
    cluster.stop_job(job.name, "suspended")
    job = ended(cluster)
    assert (job.exit_code, job.stopping) == (75, "suspended")


def test_a_runner_that_fails_leaves_nothing_running(cluster: ProcessCluster, tmp_path: Path) -> None:
    cluster.create_job(launch("wait"))
    running(cluster, tmp_path)
    cluster.stop_all("the runner failed")
    job = ended(cluster)
    assert (job.exit_code, job.stopping) == (75, "the runner failed")


def test_killing_ends_the_whole_group(cluster: ProcessCluster, tmp_path: Path) -> None:
    cluster.create_job(launch("stubborn"))
    job = running(cluster, tmp_path)
    leader = psutil.Process(int((tmp_path / "attempts" / job.name / "pid").read_text()))
    group = [leader, *leader.children(recursive=True)]
    cluster.kill_job(job.name, "stalled")
    job = ended(cluster)
    assert (job.exit_code, job.reason, job.stopping) == (137, "Killed", "stalled")
    for process in group:
        with contextlib.suppress(psutil.NoSuchProcess):
            assert process.wait(10) is not None or process.status() == psutil.STATUS_ZOMBIE


def test_a_second_runner_adopts_what_the_first_left_behind(cluster: ProcessCluster, tmp_path: Path) -> None:
    cluster.create_job(launch("wait"))
    before = running(cluster, tmp_path)
    second = make(tmp_path)
    assert only(second).phase is JobPhase.RUNNING
    second.create_job(launch("wait"))
    assert only(second).created_at == before.created_at
    second.stop_job(before.name, "suspended")
    assert ended(second).exit_code == 75


def test_a_runner_killed_before_it_noted_the_process_finds_it_again(
    cluster: ProcessCluster, tmp_path: Path
) -> None:
    cluster.create_job(launch("wait"))
    before = running(cluster, tmp_path)
    (tmp_path / "attempts/voice-0-1/process.json").unlink()
    second = make(tmp_path)
    assert second.jobs() == []
    second.create_job(launch("wait"))
    assert only(second).created_at == before.created_at


def test_a_group_that_vanished_without_a_word_counts_as_killed(
    cluster: ProcessCluster, tmp_path: Path
) -> None:
    cluster.create_job(launch("stubborn"))
    running(cluster, tmp_path)
    os.killpg(int((tmp_path / "attempts/voice-0-1/pid").read_text()), signal.SIGKILL)
    assert ended(cluster).exit_code == 137


def test_a_deleted_job_keeps_its_log(cluster: ProcessCluster, tmp_path: Path) -> None:
    cluster.create_job(launch())
    cluster.delete_job(ended(cluster).name)
    assert cluster.jobs() == []
    assert (tmp_path / "finished/voice-0-1/log.txt").exists()
    cluster.create_job(launch())
    assert cluster.jobs() == [], "a deleted attempt is never started again"


def test_an_attempt_goes_on_under_the_snapshot_that_its_trial_was_asked_with(
    cluster: ProcessCluster, tmp_path: Path
) -> None:
    cluster.create_job(launch())
    cluster.delete_job(ended(cluster).name)
    first = read_json(tmp_path / "finished/voice-0-1/trial.json") or {}
    edited = TTSStudySpec.model_validate(
        {
            **spec().model_dump(by_alias=True, exclude_none=True),
            "checkpoints": {"everySteps": 7},
            "trainer": {"preset": "tiny", "seed": 5, "threads": 3},
            "weights": {"mcd": 2.0},
        }
    )
    parameters: dict[str, ParameterValue] = {"behavior": "edited", "batch_size": 8}
    cluster.create_job(
        replace(launch(attempt=2), spec=edited, parameters=parameters, overrides={"batch_size": 8})
    )
    second = read_json(tmp_path / "attempts/voice-0-2/trial.json") or {}
    assert second == {
        **first,
        "attempt": 2,
        "parameters": {"behavior": "complete", "batch_size": 8},
        "threads": 3,  # on what it runs may change
    }


def test_publishing_replaces_the_voice_as_a_whole(cluster: ProcessCluster, tmp_path: Path) -> None:
    assert cluster.promoted() == ""
    for trial in (0, 1):
        cluster.create_job(launch(trial=trial))
        cluster.delete_job(ended(cluster).name)
        cluster.promote(PromoteBest(Purpose.TRIAL, trial, "checkpoints/step-00000002"))
        assert cluster.promoted() == f"trial/{trial}/checkpoints/step-00000002"
    assert (tmp_path / "best/checkpoint/metadata.json").exists()
    assert (tmp_path / "best/samples/0.wav").exists()
    assert not list(tmp_path.glob(".best*"))


def test_a_voice_that_cannot_be_published_is_tried_again_later(
    cluster: ProcessCluster, tmp_path: Path
) -> None:
    cluster.create_job(launch())
    ended(cluster)
    with pytest.raises(ClusterUnavailable, match="step-7: no checkpoint there"):
        cluster.promote(PromoteBest(Purpose.TRIAL, 0, "checkpoints/step-7"))
    assert cluster.promoted() == ""


def test_the_dataset_is_ready_when_prepare_has_ended(cluster: ProcessCluster) -> None:
    assert cluster.dataset() == (False, "not prepared yet")
    cluster.create_job(launch(purpose=Purpose.PREPARE, trial=-1))
    assert ended(cluster).name == "voice-prepare-1"
    assert cluster.dataset()[0]
