"""What one side writes the other reads: tacotune's documents into tacotrain's parser, and tacotrain's into tacotune's."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.manifests import manifest
from tacotrain import contract
from tacotrain.errors import ConfigError
from tacotune.adapters.documents import trial_document
from tacotune.api.manifest import read_manifest
from tacotune.api.names import trial_directory
from tacotune.api.study_key import StudyKey
from tacotune.api.trial_contract import (
    Progress,
    PublicationDocument,
    ResultState,
    Termination,
    TrialDocument,
    TrialResult,
)
from tacotune.engine.observed import Purpose
from tacotune.ports import Launch

SPEC_LINES = (
    "objectives: [{metric: tts_score}, {metric: alignment, direction: Maximize}]",
    "weights: {alignment: 0.5}",
    "trainer: {preset: tiny, device: cpu, seed: 7}",
)


def document(*, purpose: Purpose = Purpose.TRIAL, lines: tuple[str, ...] = SPEC_LINES) -> TrialDocument:
    launch = Launch(
        purpose=purpose,
        trial=7,
        attempt=2,
        parameters={"learning_rate": 0.001, "epochs": 3, "mel_loss": "l1"},
        storage_trial_id=13,
        spec=read_manifest(manifest(*lines)).spec,
        spec_hash="sha256:abc",
    )
    return trial_document(
        launch,
        StudyKey("default", "demo", "0b2f"),
        dataset=Path("/data"),
        directory=Path("/runs/7"),
        threads=1,
    )


def wire(written: TrialDocument) -> Any:
    return json.loads(written.model_dump_json(by_alias=True))


@pytest.mark.parametrize(
    "lines",
    [SPEC_LINES, (), ("earlyStopping: {enabled: false}",)],
    ids=["full", "defaults", "without early stopping"],
)
@pytest.mark.parametrize("purpose", [Purpose.TRIAL, Purpose.FINAL])
def test_the_trainer_reads_the_trial_that_tacotune_writes(purpose: Purpose, lines: tuple[str, ...]) -> None:
    written = document(purpose=purpose, lines=lines)
    read = contract.parse_trial(wire(written), source="trial.json")
    assert read.model_dump(mode="json", by_alias=True) == wire(written)


def test_the_trainer_reads_the_publication_that_tacotune_writes() -> None:
    written = PublicationDocument(
        source="final/7/checkpoints/step-1",
        purpose="final",
        trial=7,
        checkpoint="checkpoints/step-1",
        parameters={"learning_rate": 0.001, "epochs": 3, "mel_loss": "l1"},
        preset="tiny",
    )
    document = json.loads(written.model_dump_json(by_alias=True))
    read = contract.parse_publication(document, source="--document")
    assert read.model_dump(mode="json", by_alias=True) == document


@pytest.mark.parametrize("purpose", ["trial", "final"])
def test_both_sides_look_for_a_trial_in_the_same_folder(purpose: str) -> None:
    document = {
        "source": "s", "purpose": purpose, "trial": 7, "checkpoint": "c", "parameters": {}, "preset": "tiny",
    }  # fmt: skip
    read = contract.parse_publication(document, source="--document")
    assert read.directory.as_posix() == trial_directory(purpose, 7)


def test_every_field_of_the_trial_is_known_to_both_sides() -> None:
    def fields(model: Any) -> set[str]:
        return {info.alias or name for name, info in model.model_fields.items()}

    assert fields(TrialDocument) == fields(contract.Trial)


def test_mlflow_and_warm_start_pass() -> None:
    changed = wire(document())
    changed["report"]["mlflow"] = {"trackingUri": "http://mlflow", "experiment": "demo", "parentRun": "1"}
    changed["warmStart"] = {"checkpoint": "/runs/old/checkpoints/step-00000001"}
    read = contract.parse_trial(wire(TrialDocument.model_validate(changed)), source="trial.json")
    assert read.model_dump(mode="json", by_alias=True) == changed


def test_the_trainer_refuses_a_field_it_does_not_know() -> None:
    with pytest.raises(ConfigError, match="surprise"):
        contract.parse_trial(wire(document()) | {"surprise": 1}, source="trial.json")


def test_tacotune_reads_the_result_that_the_trainer_writes() -> None:
    written = contract.Result(
        study="demo",
        trial=7,
        attempt=2,
        spec_hash="sha256:abc",
        state="early_stopped",
        message="no better for 100 epochs",
        values=(0.31, None),
        metrics={"tts_score": 0.31, "val_loss": float("nan")},
        best_step=200,
        steps=250,
        epochs=10.0,
        seconds=31.2,
        frames=401_234,
        checkpoint="checkpoints/step-00000200",
        samples=("samples/step-00000200/0.wav",),
        alignments=("alignments/step-00000200/0.png",),
        gate_threshold=0.4,
        peak_memory_bytes=812_345_678,
    )
    read = TrialResult.model_validate_json(written.to_json())
    assert read == TrialResult(
        state=ResultState.EARLY_STOPPED,
        spec_hash="sha256:abc",
        message="no better for 100 epochs",
        values=[0.31, None],
        metrics=read.metrics,
        best_step=200,
        steps=250,
        epochs=10.0,
        seconds=31.2,
        frames=401_234,
        checkpoint="checkpoints/step-00000200",
        samples=["samples/step-00000200/0.wav"],
        alignments=["alignments/step-00000200/0.png"],
        gate_threshold=0.4,
        peak_memory_bytes=812_345_678,
    )
    assert read.metrics["tts_score"] == 0.31
    assert read.metrics.get("val_loss") is None


def test_both_sides_name_the_same_states() -> None:
    assert {state.value for state in ResultState} == set(contract.State.__args__)


def test_a_newer_trainer_may_say_more() -> None:
    assert TrialResult.model_validate({"state": "complete", "color": "blue"}).state is ResultState.COMPLETE
    assert Progress.model_validate({"step": 3, "totalSteps": 9, "color": "blue"}).total_steps == 9
    assert Termination.model_validate({"exitCode": 65, "message": "m", "color": "blue"}).exit_code == 65
