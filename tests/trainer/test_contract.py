"""The trial contract: what is accepted, what is refused and how it is told."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tacotrain.contract import Result, Trial, finished_result, parse_trial, read_trial, write_result
from tacotrain.errors import ConfigError, InputMissing, WriteError

DOCUMENT: dict[str, Any] = {
    "contract": "tacotune.dev/trial/v1",
    "study": {"name": "quickstart", "namespace": "default", "uid": "0b2f"},
    "purpose": "trial",
    "trial": 7,
    "attempt": 1,
    "specHash": "sha256:abc",
    "preset": "tiny",
    "parameters": {"learning_rate": 0.02, "reduction_factor": 3, "epochs": 8, "lr_schedule": "cosine"},
    "seed": 1234,
    "dataset": {"path": "/data/prepared"},
    "objectives": [{"metric": "tts_score", "direction": "Minimize"}],
    "weights": {"alignment": 0.25},
    "earlyStopping": {
        "referenceEpochs": 1000,
        "phases": [{"until": 0.3, "patience": 200, "minDelta": 0.02, "attentionThreshold": 0.4}],
    },
    "checkpoints": {"everySteps": 500, "keep": 2},
    "directory": "/runs/quickstart/trials/0007",
    "report": {
        "storageUrlEnv": "TACOTUNE_STORAGE_URL",
        "storageTrialId": 13,
        "everySeconds": 10.0,
        "tensorboard": True,
        "mlflow": {"trackingUri": "http://mlflow:5000", "experiment": "quickstart", "parentRun": "r1"},
    },
    "warmStart": {"checkpoint": "/runs/other/checkpoints/step-00000250"},
    "deadlineSeconds": 60,
    "device": "cuda:1",
    "threads": 2,
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """The document with one value replaced; the path is dotted, `...` removes it."""
    document: dict[str, Any] = json.loads(json.dumps(DOCUMENT))
    *parents, last = path.split(".")
    place: Any = document
    for name in parents:
        place = place[int(name) if name.isdigit() else name]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return document


def test_the_documents_example_means_what_it_says() -> None:
    trial = parse_trial(DOCUMENT, source="trial.json")
    assert trial.spec_hash == "sha256:abc"
    assert trial.early_stopping is not None
    assert trial.early_stopping.phases[0].attention_threshold == 0.4
    assert trial.checkpoints.every_steps == 500
    assert trial.report.mlflow is not None
    assert trial.report.mlflow.parent_run == "r1"
    assert trial.warm_start is not None
    assert str(trial.warm_start.checkpoint) == "/runs/other/checkpoints/step-00000250"
    assert Trial.model_validate_json(trial.model_dump_json(by_alias=True)) == trial


@pytest.mark.parametrize(
    "name",
    ["earlyStopping", "warmStart", "deadlineSeconds", "threads", "report.mlflow", "report.storageUrlEnv"],
)
def test_what_is_optional_may_be_null(name: str) -> None:
    parse_trial(changed(name, None), source="trial.json")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("specHash", ..., "specHash: missing"),
        ("extra", 1, "extra: unknown field"),
        ("spec_hash", "x", "spec_hash: unknown field"),
        ("checkpoints.every", 1, "checkpoints.every: unknown field"),
        ("contract", "tacotune.dev/trial/v2", "contract: Input should be 'tacotune.dev/trial/v1'"),
        ("attempt", 0, "attempt: Input should be greater than or equal to 1"),
        ("seed", -1, "seed: "),
        ("objectives", [], "objectives: "),
        (
            "objectives.0.direction",
            "minimise",
            "objectives[0].direction: Input should be 'Minimize' or 'Maximize'",
        ),
        ("earlyStopping.phases.0.until", 1.5, "earlyStopping.phases[0].until: "),
        ("checkpoints.keep", 0, "checkpoints.keep: "),
        ("device", "gpu", "device: "),
        ("deadlineSeconds", 0, "deadlineSeconds: "),
        ("report.everySeconds", 0, "report.everySeconds: "),
        ("parameters.learning_rate", [1], "parameters.learning_rate: "),
        ("parameters.learning_rate", math.nan, "parameters.learning_rate: "),
        ("weights.alignment", math.inf, "weights.alignment: "),
    ],
)
def test_a_wrong_field_is_named_with_its_path(path: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_trial(changed(path, value), source="trial.json")
    assert str(caught.value).startswith("trial.json: ")
    assert message in str(caught.value)


def test_all_mistakes_are_told_at_once() -> None:
    document = changed("seed", "x") | {"extra": 1, "attempt": 0}
    with pytest.raises(ConfigError) as caught:
        parse_trial(document, source="t")
    assert all(name in str(caught.value) for name in ("seed: ", "extra: ", "attempt: "))


def test_phases_must_rise() -> None:
    phases = [{**DOCUMENT["earlyStopping"]["phases"][0], "until": until} for until in (0.7, 0.3)]
    with pytest.raises(ConfigError, match="phases must be in order of a rising 'until'"):
        parse_trial(changed("earlyStopping.phases", phases), source="t")


def test_a_missing_trial_document_is_missing_input(tmp_path: Path) -> None:
    with pytest.raises(InputMissing, match="no such file"):
        read_trial(tmp_path / "trial.json")


def test_broken_json_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "trial.json"
    path.write_text('{\n"contract": ,\n}')
    with pytest.raises(ConfigError, match=r"trial.json, line 2: not JSON"):
        read_trial(path)


def test_a_document_that_is_no_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "trial.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not a text file"):
        read_trial(path)


def test_a_document_that_is_a_list_is_told(tmp_path: Path) -> None:
    path = tmp_path / "trial.json"
    path.write_text("[]")
    with pytest.raises(ConfigError, match="document: "):
        read_trial(path)


def result(**changes: Any) -> Result:
    fields = {
        "study": "s", "trial": 7, "attempt": 1, "spec_hash": "sha256:abc", "state": "complete", "message": "m",
        "values": (0.31, None), "metrics": {"tts_score": 0.31, "val_loss": math.nan}, "best_step": 250, "steps": 250,
        "epochs": 10.0, "seconds": 31.2, "frames": 401234, "checkpoint": "checkpoints/step-00000250",
        "samples": ("samples/step-00000250/0.wav",), "alignments": (), "gate_threshold": 0.5, "peak_memory_bytes": 1,
    }  # fmt: skip
    return Result(**(fields | changes))


def test_a_result_is_written_by_the_names_of_the_contract_and_what_is_not_finite_is_missing(
    tmp_path: Path,
) -> None:
    write_result(tmp_path, result())
    document = json.loads((tmp_path / "result.json").read_text())
    assert document["contract"] == "tacotune.dev/result/v1"
    assert document["specHash"] == "sha256:abc"
    assert document["values"] == [0.31, None]
    assert document["metrics"] == {"tts_score": 0.31}
    assert set(document) == {
        "contract", "study", "trial", "attempt", "specHash", "state", "message", "values", "metrics", "bestStep", "steps",
        "epochs", "seconds", "frames", "checkpoint", "samples", "alignments", "gateThreshold", "peakMemoryBytes",
    }  # fmt: skip


def test_a_finished_trial_is_recognized_by_its_spec_hash(tmp_path: Path) -> None:
    assert finished_result(tmp_path, "sha256:abc") is None
    write_result(tmp_path, result())
    found = finished_result(tmp_path, "sha256:abc")
    assert found is not None
    assert found.values == (0.31, None)
    assert finished_result(tmp_path, "sha256:other") is None


def test_a_newer_result_with_more_fields_is_still_read(tmp_path: Path) -> None:
    document = json.loads(result().to_json()) | {"future": 1}
    (tmp_path / "result.json").write_text(json.dumps(document))
    assert finished_result(tmp_path, "sha256:abc") is not None


@pytest.mark.parametrize("text", ["", "{}", "[1", '{"contract": "other"}'])
def test_a_result_of_someone_else_does_not_keep_a_trial_from_training(tmp_path: Path, text: str) -> None:
    (tmp_path / "result.json").write_text(text)
    assert finished_result(tmp_path, "sha256:abc") is None


def test_a_result_directory_that_is_gone_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="writing failed"):
        write_result(tmp_path / "gone", result())
