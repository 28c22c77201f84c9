"""Operator and trainer share no code: each reads here what the other writes."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.prepared import make_dataset, trial_document
from tacotrain import monitor
from tacotrain.contract import parse_trial
from tacotrain.interruption import Interruption
from tacotrain.monitor import Usage
from tacotrain.termination import write_termination_message
from tacotrain.train import train
from tacotune.api.trial_contract import Progress, ResultState, Termination, TrialDocument, TrialResult

OPTIONAL: dict[str, Any] = {
    "earlyStopping": {
        "referenceEpochs": 1000,
        "phases": [{"until": 1.0, "patience": 200, "minDelta": 0.02, "attentionThreshold": 0.4}],
    },
    "warmStart": {"checkpoint": "/runs/best"},
    "weights": {"alignment": 0.5},
    "deadlineSeconds": 60.0,
    "report": {
        "storageUrlEnv": "TACOTUNE_STORAGE_URL",
        "storageTrialId": 3,
        "everySeconds": 1.0,
        "tensorboard": False,
        "mlflow": {"trackingUri": "http://mlflow:5000", "experiment": "e", "parentRun": "r"},
    },
}


@pytest.mark.parametrize("optional", [{}, OPTIONAL], ids=["the smallest document", "the largest document"])
def test_the_trainer_reads_what_the_operator_writes(tmp_path: Path, optional: dict[str, Any]) -> None:
    document = TrialDocument.model_validate(
        {"purpose": "trial"} | trial_document(tmp_path, tmp_path) | optional
    )
    written = json.loads(document.model_dump_json(by_alias=True))
    read = parse_trial(written, source="trial.json")
    assert json.loads(read.model_dump_json(by_alias=True)) == written


def test_the_operator_reads_what_the_trainer_leaves(tmp_path: Path) -> None:
    document = trial_document(tmp_path / "trial", make_dataset(tmp_path / "data"))
    result = train(parse_trial(document, source="trial.json"), Interruption())
    read = TrialResult.model_validate_json((tmp_path / "trial" / "result.json").read_text())
    assert read.state is ResultState.COMPLETE
    assert read.model_dump() == result.model_dump(exclude={"contract", "study", "trial", "attempt"}) | {
        "values": list(result.values), "samples": list(result.samples), "alignments": list(result.alignments),
    }  # fmt: skip
    progress = Progress.model_validate_json((tmp_path / "trial" / "progress.json").read_text())
    assert (progress.step, progress.total_steps, progress.state) == (10, 10, "finished")
    assert progress.memory_bytes > 0
    assert progress.alarm == ""


def test_the_operator_reads_which_memory_is_nearly_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor, "container_memory", lambda: Usage("memory", 91 * 2**20, 100 * 2**20))
    document = trial_document(tmp_path / "trial", make_dataset(tmp_path / "data"))
    train(parse_trial(document, source="trial.json"), Interruption())
    progress = Progress.model_validate_json((tmp_path / "trial" / "progress.json").read_text())
    assert progress.alarm == "memory 91% full: 91 of 100 MiB"


def test_the_operator_reads_the_trainers_last_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TACOTUNE_TERMINATION_LOG", str(tmp_path / "log"))
    write_termination_message({"state": "failed", "exitCode": 70, "message": "m", "cudaOutOfMemory": True})
    read = Termination.model_validate_json((tmp_path / "log").read_text())
    assert read == Termination(state="failed", exit_code=70, message="m", cuda_out_of_memory=True)
