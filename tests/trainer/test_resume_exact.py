"""20 steps are 10 steps, kill -9, and 10 steps more: bit by bit, wherever the kill falls. Real processes, real signals."""

import json
import signal
from collections.abc import Iterator
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest
import torch

from support.attempts import attempt, fork_server
from support.equal import same
from support.prepared import make_dataset, trial_document

# 10 utterances to train on in batches of 4: an epoch has 3 batches, the last one short.
WITH_ALL_PARTS = {
    "max_steps": 20,
    "evaluate_every_steps": 10,
    "ema_decay": 0.9,
    "attention_dropout": 0.1,
    "frame_dropout": 0.1,
}


@pytest.fixture(scope="module")
def context() -> Iterator[ForkServerContext]:
    with fork_server() as made:
        yield made


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("data") / "prepared")


def final_state(directory: Path) -> dict[str, Any]:
    """Everything of the last checkpoint but the time it took."""
    checkpoint = directory / "checkpoints" / "step-00000020"
    files = {path.name: torch.load(path, weights_only=True) for path in checkpoint.glob("*.pt")}
    assert set(files) == {"weights.pt", "average.pt", "training.pt"}
    del files["training.pt"]["seconds"]
    return files


@pytest.mark.parametrize(
    ("accumulation", "kills"),
    [
        pytest.param(1, (12,), id="in the middle of an epoch"),
        pytest.param(2, (24,), id="in the middle of an accumulation"),
        pytest.param(1, (3, 9, 14), id="three times, once before the first checkpoint"),
    ],
)
def test_a_killed_training_ends_with_the_same_bits(
    tmp_path: Path, data: Path, context: ForkServerContext, accumulation: int, kills: tuple[int, ...]
) -> None:
    def document(name: str, number: int) -> dict[str, Any]:
        parameters = {**WITH_ALL_PARTS, "accumulation_steps": accumulation}
        return trial_document(tmp_path / name, data, attempt=number, parameters=parameters)

    assert attempt(context, document("whole", 1)) == 0
    for number, kill in enumerate(kills, 1):
        assert attempt(context, document("parts", number), kill_at_batch=kill) == -signal.SIGKILL
        assert not (tmp_path / "parts" / "result.json").exists()
    assert attempt(context, document("parts", len(kills) + 1)) == 0

    assert same(final_state(tmp_path / "parts"), final_state(tmp_path / "whole"))
    results = [json.loads((tmp_path / name / "result.json").read_text()) for name in ("whole", "parts")]
    for result in results:
        for name in ("seconds", "peakMemoryBytes", "attempt"):
            del result[name]
    assert results[0] == results[1]
    lines = [(tmp_path / name / "metrics.jsonl").read_text().splitlines() for name in ("whole", "parts")]
    assert [json.loads(line)["metrics"] for line in lines[0]] == [
        json.loads(line)["metrics"] for line in lines[1]
    ]
