"""The documents of a run: written whole, read without the runner, found by name."""

import json
import math
from datetime import UTC, datetime
from pathlib import Path

import pytest

from support.manifests import manifest
from tacotune.api.conditions import Phase
from tacotune.api.manifest import read_manifest
from tacotune.api.status import BestTrial, TTSStudyStatus
from tacotune.local.rundir import (
    RunDirectory,
    RunError,
    RunMissingError,
    TrialRow,
    find_run,
    list_runs,
    write_json,
)

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
STUDY = read_manifest(manifest("fixedParameters: {epochs: 3}"))
ROW = TrialRow(
    number=3,
    state="Complete",
    value=0.25,
    values=(0.25,),
    parameters={"learning_rate": 0.001, "mel_loss": "l1"},
    metrics={"val_loss": 0.5},
    attempts=2,
    steps=100,
    seconds=12.5,
    checkpoint="trials/0003/checkpoints/step-00000100",
    samples=("trials/0003/samples/step-00000100/0.wav",),
    started_at=NOW,
    ended_at=NOW,
)


def run(root: Path, name: str = "demo") -> RunDirectory:
    directory = RunDirectory.of(root, name)
    directory.write_study(
        STUDY.model_copy(update={"metadata": STUDY.metadata.model_copy(update={"name": name})})
    )
    return directory


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    directory = run(tmp_path)
    status = TTSStudyStatus(phase=Phase.RUNNING, gpu_seconds=5400, best=BestTrial(trial=3, value=0.25))
    directory.write_status(status)
    directory.write_trials([ROW])
    assert directory.read_study() == STUDY
    assert directory.read_status() == status
    assert directory.read_trials() == (ROW,)
    assert directory.resolve(ROW.checkpoint) == tmp_path / "demo/trials/0003/checkpoints/step-00000100"


def test_documents_are_in_camel_case_and_status_is_left_out_of_the_study(tmp_path: Path) -> None:
    directory = run(tmp_path)
    directory.write_trials([ROW])
    assert set(json.loads(directory.study_path.read_text())) == {"apiVersion", "kind", "metadata", "spec"}
    assert json.loads(directory.trials_path.read_text())[0]["startedAt"] == "2024-05-01T12:00:00Z"


def test_before_the_first_pass_there_is_an_empty_status_no_trials_and_no_voice(tmp_path: Path) -> None:
    directory = run(tmp_path)
    assert directory.read_status() == TTSStudyStatus()
    assert directory.read_trials() == ()
    assert directory.read_best() is None


def test_numbers_that_json_does_not_know_become_null(tmp_path: Path) -> None:
    directory = run(tmp_path)
    directory.write_trials([TrialRow(number=0, state="Fail", value=math.inf, metrics={"val_loss": math.nan})])
    (row,) = directory.read_trials()
    assert (row.value, row.metrics) == (None, {"val_loss": None})


def test_a_failed_write_leaves_the_document_before_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert json.loads(path.read_text()) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_the_voice_before_is_read_between_the_two_renames_of_a_promotion(tmp_path: Path) -> None:
    directory = run(tmp_path)
    write_json(
        directory.root / ".best.old" / "best.json", {"trial": 1, "value": 0.5, "checkpoint": "checkpoint"}
    )
    found = directory.read_best()
    assert found is not None
    assert (found[0].trial, found[1]) == (1, directory.root / ".best.old")
    write_json(
        directory.best_path / "best.json", {"trial": 2, "value": 0.4, "source": "a newer writer says more"}
    )
    found = directory.read_best()
    assert found is not None
    assert (found[0].trial, found[1]) == (2, directory.best_path)


@pytest.mark.parametrize("name", ["study.json", "status.json", "trials.json", "best/best.json"])
def test_a_broken_document_is_named(tmp_path: Path, name: str) -> None:
    directory = run(tmp_path)
    (directory.root / "best").mkdir()
    (directory.root / name).write_text("{")
    with pytest.raises(RunError, match=name):
        [directory.read_study(), directory.read_status(), directory.read_trials(), directory.read_best()]


def test_a_run_is_found_by_name_by_path_and_where_it_is_the_only_one(tmp_path: Path) -> None:
    (tmp_path / ".postgres").mkdir()
    one = run(tmp_path, "one")
    assert find_run(None, tmp_path) == one
    assert find_run("one", tmp_path) == one
    assert find_run(str(one.root), tmp_path / "elsewhere").root == one.root
    run(tmp_path, "two")
    assert [r.name for r in list_runs(tmp_path)] == ["one", "two"]
    with pytest.raises(RunMissingError, match="holds 2 studies, name one of: one, two"):
        find_run(None, tmp_path)
    with pytest.raises(RunMissingError, match=r"no run of 'three' .* there are: one, two"):
        find_run("three", tmp_path)
    with pytest.raises(RunMissingError, match="start one with `tacotune run FILE`"):
        find_run(None, tmp_path / "empty")
