"""R1: every parameter of the trainer is proven to change training, or what is said and shown about it.

The table below has a row for every name that `config schema` prints; a new parameter without a row fails. Each row is trained
for a few steps with two values, and the named part must differ. The rows are not about better or worse.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pytest

from support.prepared import make_dataset, trial_document
from tacotrain import memory
from tacotrain.config import PARAMETERS, schema
from tacotrain.contract import parse_trial
from tacotrain.interruption import Interruption
from tacotrain.train import train

Part = Literal["weights", "graph", "metrics", "course", "samples"]


@dataclass(frozen=True)
class Course:
    """What a training left."""

    weights: str
    """Hash of the final weights."""
    graph: int
    """Bytes of the weights: differs when a layer does."""
    metrics: dict[str, float]
    """Of the last evaluation."""
    course: tuple[int, ...]
    """Steps that were evaluated."""
    samples: dict[str, int]
    """Hash of each sound."""


BASE: dict[str, Any] = {
    "max_steps": 4,
    "evaluate_every_steps": 4,
    # Without these some rows would have nothing to act upon.
    "lr_schedule": "exponential",
    "guided_attention_weight": 5.0,
    "weight_decay": 0.0,
    "warmup_steps": 0,
    "gradient_clip": 1.0,
    "attention_dropout": 0.1,
    "decoder_dropout": 0.1,
}

TABLE: dict[str, tuple[Any, Part]] = {
    "learning_rate": (0.02, "weights"),
    "lr_schedule": ("cosine", "weights"),
    "lr_final_ratio": (0.5, "weights"),
    "warmup_steps": (3, "weights"),
    "weight_decay": (0.5, "weights"),
    "gradient_clip": (0.1, "weights"),
    "batch_size": (3, "weights"),
    "accumulation_steps": (2, "weights"),
    "epochs": (1, "course"),
    "max_steps": (6, "course"),
    "ema_decay": (0.5, "metrics"),
    "precision": ("bfloat16", "weights"),
    "mel_loss": ("l1", "weights"),
    "postnet_loss_weight": (0.1, "weights"),
    "gate_loss_weight": (10.0, "weights"),
    "gate_pos_weight": (20.0, "weights"),
    "guided_attention_weight": (0.0, "weights"),
    "guided_attention_sigma": (0.5, "weights"),
    "guided_attention_decay_steps": (1, "weights"),
    "prenet_dropout": (0.2, "weights"),
    "attention_dropout": (0.4, "weights"),
    "decoder_dropout": (0.4, "weights"),
    "encoder_dropout": (0.4, "weights"),
    "postnet_dropout": (0.4, "weights"),
    "decoder_dropout_mode": ("recurrent", "weights"),
    "frame_dropout": (0.5, "weights"),
    "reduction_factor": (2, "graph"),
    "embedding_dim": (16, "graph"),
    "encoder_layers": (2, "graph"),
    "encoder_kernel": (3, "graph"),
    "encoder_dim": (16, "graph"),
    "prenet_dim": (16, "graph"),
    "attention_rnn_dim": (16, "graph"),
    "attention_dim": (8, "graph"),
    "location_filters": (16, "graph"),
    "location_kernel": (31, "graph"),
    "decoder_rnn_dim": (16, "graph"),
    "postnet_layers": (3, "graph"),
    "postnet_kernel": (3, "graph"),
    "postnet_dim": (16, "graph"),
    "evaluate_every_steps": (2, "course"),
    "evaluation_utterances": (3, "metrics"),
    "free_run_utterances": (1, "metrics"),
    "sample_utterances": (2, "samples"),
    "griffin_lim_iterations": (3, "samples"),
}

NEEDED: dict[Part, dict[str, Any]] = {"samples": {"sample_utterances": 1}}
"""Without them nothing is there to differ; sounds are slow to make, so only where they are compared."""

WITHOUT_ALTERNATIVE = {"attention"}
"""One choice so far; the row is due with the second."""


@pytest.fixture(scope="module", autouse=True)
def without_clearing_memory() -> Iterator[None]:
    """Clearing takes as long as such a training; it has a test of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "clear", lambda: None)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("matter")
    make_dataset(directory / "data")
    return directory


@cache
def course(folder: Path, part: Part, name: str | None) -> Course:
    """Train with one parameter changed, or with none, so that a part can be compared."""
    if name is None and part not in NEEDED and part != "weights":
        return course(folder, "weights", None)
    changed = {} if name is None else {name: TABLE[name][0]}
    directory = folder / f"{part}-{name}"
    parameters = {**BASE, **NEEDED.get(part, {}), **changed}
    document = trial_document(directory, folder / "data", parameters=parameters)
    result = train(parse_trial(document, source="test"), Interruption())
    (newest, *_) = sorted((directory / "checkpoints").glob("step-*"), reverse=True)
    weights = json.loads((newest / "metadata.json").read_text())["files"]["weights.pt"]
    lines = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
    return Course(
        weights=weights["sha256"],
        graph=weights["bytes"],
        metrics=lines[-1]["metrics"],
        course=tuple(line["step"] for line in lines),
        samples={sample: hash((directory / sample).read_bytes()) for sample in result.samples},
    )


def test_the_table_has_a_row_for_every_parameter_of_the_schema() -> None:
    assert TABLE.keys() | WITHOUT_ALTERNATIVE == {row["name"] for row in schema()["parameters"]}


@pytest.mark.parametrize("name", sorted(WITHOUT_ALTERNATIVE))
def test_a_parameter_without_a_row_has_a_single_choice(name: str) -> None:
    assert len(PARAMETERS[name].choices) == 1


def test_the_same_parameters_train_the_same_voice(folder: Path) -> None:
    again = make_dataset(folder / "again")
    document = trial_document(folder / "repeated", again, parameters=BASE)
    train(parse_trial(document, source="test"), Interruption())
    metadata = json.loads(
        (folder / "repeated" / "checkpoints" / "step-00000004" / "metadata.json").read_text()
    )
    assert metadata["files"]["weights.pt"]["sha256"] == course(folder, "weights", None).weights


@pytest.mark.parametrize(("name", "part"), [(name, part) for name, (_, part) in TABLE.items()])
def test_it_matters(folder: Path, name: str, part: Part) -> None:
    base, changed = course(folder, part, None), course(folder, part, name)
    assert getattr(base, part) != getattr(changed, part)


@pytest.mark.parametrize(
    ("name", "part"), [(name, part) for name, (_, part) in TABLE.items() if part in {"metrics", "samples"}]
)
def test_what_only_judges_or_shows_leaves_training_alone(folder: Path, name: str, part: Part) -> None:
    assert course(folder, part, name).weights == course(folder, "weights", None).weights
