"""What a local run refuses before it starts, and what it takes over from an earlier one."""

import json
from pathlib import Path
from typing import Any

import pytest

from tacotune.api.study import TTSStudy
from tacotune.local.preflight import continued, localized, threads_per_attempt, warm_start
from tacotune.local.rundir import RunDirectory, RunError


def study(**spec: Any) -> TTSStudy:
    base: dict[str, Any] = {
        "searchSpace": [{"name": "learning_rate", "float": {"low": 1e-4, "high": 1e-2}}],
        "dataset": {"speech": {}},
    }
    return TTSStudy.from_manifest({"metadata": {"name": "voice"}, "spec": {**base, **spec}})


def test_a_folder_is_found_beside_the_manifest(tmp_path: Path) -> None:
    (tmp_path / "recordings").mkdir()
    made = localized(study(dataset={"path": "recordings"}), tmp_path)
    assert made.spec.dataset.path == str((tmp_path / "recordings").resolve())


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        pytest.param(
            {"dataset": {"path": "nowhere"}},
            r"spec\.dataset\.path: .*nowhere does not exist",
            id="folder missing",
        ),
        pytest.param(
            {"dataset": {"persistentVolumeClaim": {"claimName": "c"}}},
            "needs a cluster; .* --data FOLDER",
            id="a claim",
        ),
        pytest.param(
            {"trainer": {"workers": 2}},
            r"spec\.trainer\.workers above 1 needs a cluster",
            id="several workers",
        ),
    ],
)
def test_what_needs_a_cluster_is_refused(spec: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=message):
        localized(study(**spec), tmp_path)


def test_the_same_name_keeps_its_identity(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "voice")
    directory.root.mkdir()
    first = continued(study(), directory)
    directory.write_study(first)
    assert continued(study(), directory) == first
    more = continued(study(maxTrials=30), directory)
    assert (more.metadata.uid, more.metadata.generation) == (first.metadata.uid, 2)


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"searchSpace": [{"name": "learning_rate", "float": {"low": 1e-5, "high": 1e-2}}]}, "searchSpace"),
        ({"objective": {"metric": "val_loss"}}, "objective"),
        ({"weights": {"mcd": 1.0}}, "weights"),
        ({"sampler": {"name": "random"}}, r"sampler\.name"),
        ({"dataset": {"speech": {"seed": 5}}}, "dataset"),
        ({"trainer": {"preset": "tiny"}}, r"trainer\.preset"),
    ],
)
def test_what_makes_trials_incomparable_is_refused(spec: dict[str, Any], field: str, tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "voice")
    directory.root.mkdir()
    directory.write_study(continued(study(), directory))
    with pytest.raises(RunError, match=rf"spec\.{field} changed"):
        continued(study(**spec), directory)


def test_threads_are_shared_and_never_none() -> None:
    assert threads_per_attempt(1) >= threads_per_attempt(2) >= threads_per_attempt(10_000) == 1


def published(runs: Path, name: str, value: float) -> Path:
    best = runs / name / "best"
    (best / "checkpoint").mkdir(parents=True)
    (best / "best.json").write_text(json.dumps({"trial": 0, "value": value, "checkpoint": "checkpoint"}))
    return (best / "checkpoint").resolve()


def warm(*names: str, weights: str = "best") -> TTSStudy:
    return study(warmStart={"fromStudies": list(names), "weights": weights})


def test_weights_come_from_the_best_of_the_named_studies(tmp_path: Path) -> None:
    published(tmp_path, "first", 0.5)
    better = published(tmp_path, "second", 0.25)
    published(tmp_path, "unnamed", 0.125)
    assert warm_start(warm("first", "second").spec, tmp_path) == better


def test_weights_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"spec\.warmStart\.weights: best, but .* has no voice of first"):
        warm_start(warm("first").spec, tmp_path)


def test_without_weights_trials_start_from_scratch(tmp_path: Path) -> None:
    assert warm_start(warm("first", weights="none").spec, tmp_path) is None
    assert warm_start(study().spec, tmp_path) is None
