"""Several workers train one voice: what one process would, or its end, whatever happens to one of them. Real processes over Gloo."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest
import torch

from support.attempts import attempt, fork_server
from support.crews import At, crew
from support.equal import same
from support.eventually import eventually
from support.prepared import make_dataset, trial_document
from tacotrain.cli import main
from tacotrain.cli_launch import telling
from tacotrain.data.shard import PreparedDataset
from tacotrain.errors import ConfigError
from tacotrain.parts import Part
from tacotrain.place import ALONE, Place

WITHOUT_DROPOUT = {
    f"{where}_dropout": 0.0 for where in ("prenet", "attention", "decoder", "encoder", "postnet", "frame")
}


@pytest.fixture(scope="module")
def context() -> Iterator[ForkServerContext]:
    with fork_server() as made:
        yield made


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # 10 utterances to train on: in batches of 3, one batch of an epoch has a single one, and one of two workers nothing to do.
    return make_dataset(tmp_path_factory.mktemp("data") / "prepared")


def write(directory: Path, data: Path, **changes: Any) -> str:
    path = directory.with_suffix(".json")
    path.write_text(json.dumps(trial_document(directory, data, **changes)))
    return str(path)


def progress(directory: Path) -> dict[str, Any]:
    path = directory / "progress.json"
    return json.loads(path.read_text()) if path.exists() else {}


def events(directory: Path, kind: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (directory / "events.jsonl").read_text().splitlines()]
    return [line for line in lines if line["event"] == kind]


def result(directory: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((directory / "result.json").read_text())
    return document


def checkpoint(directory: Path, step: int = 10) -> dict[str, Any]:
    folder = directory / "checkpoints" / f"step-{step:08d}"
    files = {path.name: torch.load(path, weights_only=True) for path in folder.glob("*.pt")}
    del files["training.pt"]["seconds"]
    return files


def test_two_workers_under_torchrun_learn_what_one_process_learns(
    tmp_path: Path, data: Path, context: ForkServerContext
) -> None:
    parameters = {**WITHOUT_DROPOUT, "batch_size": 3, "accumulation_steps": 2, "ema_decay": 0.9}
    alone = trial_document(tmp_path / "one", data, parameters=parameters)
    assert attempt(context, alone) == 0
    document = write(tmp_path / "two", data, parameters=parameters)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*torchrun, "--module", "tacotrain", "train", "--trial", document],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    one, two = checkpoint(tmp_path / "one"), checkpoint(tmp_path / "two")
    averages = [state["average.pt"]["average"] for state in (one, two)]
    for name, weight in averages[0].items():
        if name.endswith(("conv.bias", "running_mean")) and ".convolutions." in name:
            continue  # Batch norm takes such a bias away again: its gradient is nothing but rounding, which Adam makes steps of.
        torch.testing.assert_close(averages[1][name], weight, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(two["weights.pt"][name], one["weights.pt"][name], rtol=1e-4, atol=1e-5)
    assert one["training.pt"]["sampler"] == two["training.pt"]["sampler"]
    assert result(tmp_path / "two")["frames"] == result(tmp_path / "one")["frames"]


def test_sigterm_to_the_launcher_becomes_a_checkpoint_and_75(tmp_path: Path, data: Path) -> None:
    trial, log = tmp_path / "trial", tmp_path / "log"
    endless = {"max_steps": 100_000, "evaluate_every_steps": 100_000}
    document = write(trial, data, parameters=endless, checkpoints={"everySteps": 100_000, "keep": 1})
    launch = [sys.executable, "-m", "tacotrain", "launch", "--nproc-per-node", "2", "--"]
    process = subprocess.Popen(
        [*launch, "train", "--trial", document],
        env={**os.environ, "TACOTUNE_TERMINATION_LOG": str(log)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        eventually(lambda: progress(trial).get("step"), within=300)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 75, errors
    (left,) = (trial / "checkpoints").glob("step-*")
    said = json.loads(log.read_text())
    assert (said["exitCode"], int(left.name.removeprefix("step-"))) == (75, progress(trial)["step"])
    assert progress(trial)["state"] == "interrupted"


def test_a_signal_to_one_worker_stops_all_and_as_many_go_on_to_the_same_bits(
    tmp_path: Path, data: Path, context: ForkServerContext
) -> None:
    parameters = {"ema_decay": 0.9, "attention_dropout": 0.1, "batch_size": 3}
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert crew(context, write(whole, data, parameters=parameters)) == [0, 0]
    document = write(parts, data, parameters=parameters)
    # Between two checkpoints of its own accord, at 5 and 10; this worker has nothing to do in some steps.
    assert crew(context, document, ask=At(1, (5,))) == [75, 75]
    assert crew(context, document) == [0, 0]
    assert 5 < events(parts, "resume")[0]["step"] < 10
    assert same(checkpoint(parts), checkpoint(whole))


def test_another_number_of_workers_goes_on_from_the_same_utterance(
    tmp_path: Path, data: Path, context: ForkServerContext
) -> None:
    document = write(tmp_path / "trial", data, parameters={"batch_size": 2, "max_steps": 10})
    assert crew(context, document, 2, ask=At(0, (3,))) == [75, 75]
    assert crew(context, document, 3, ask=At(1, (4,))) == [75, 75, 75]
    assert attempt(context, json.loads(Path(document).read_text())) == 0
    assert [event["step"] for event in events(tmp_path / "trial", "resume")] == [3, 7]
    # 10 batches of 2 are each of the 10 utterances twice.
    lengths = PreparedDataset.open(data).mel_lengths
    assert result(tmp_path / "trial")["frames"] == 2 * sum(lengths[4:])


def test_a_bad_step_of_one_worker_is_one_of_all(
    tmp_path: Path, data: Path, context: ForkServerContext
) -> None:
    # Four bad steps in a row after the checkpoint of step 5: all go back to it, and on with half the rate.
    document = write(tmp_path / "trial", data)
    codes = crew(context, document, poison=At(1, (6, 7, 8, 9)))
    assert codes == [0, 0]
    (event,) = events(tmp_path / "trial", "roll_back")
    assert (event["leftAt"], event["step"], event["rateScale"]) == (9, 5, 0.5)
    assert result(tmp_path / "trial")["state"] == "complete"


def test_a_worker_that_dies_ends_the_others_soon(
    tmp_path: Path, data: Path, context: ForkServerContext
) -> None:
    document = write(tmp_path / "trial", data)
    codes = crew(context, document, log=tmp_path / "log", kill=At(1, (7,)))
    assert codes == [69, -signal.SIGKILL]
    assert "another worker of this training is gone" in json.loads((tmp_path / "log").read_text())["message"]
    # Nothing but the checkpoint that was there.
    assert [path.name for path in (tmp_path / "trial" / "checkpoints").glob("step-*")] == ["step-00000005"]


def test_the_last_word_is_that_of_the_worker_that_knows_why(
    tmp_path: Path, data: Path, context: ForkServerContext
) -> None:
    document, log = write(tmp_path / "trial", data), tmp_path / "log"
    assert crew(context, document, log=log, exhaust=At(1, (2,))) == [69, 70]
    said = json.loads(log.read_text())
    assert (said["exitCode"], said["cudaOutOfMemory"]) == (70, True)


def test_a_leader_without_memory_for_one_utterance_ends_the_trial_for_all(
    tmp_path: Path, data: Path, context: ForkServerContext
) -> None:
    document = write(tmp_path / "trial", data, parameters={"batch_size": 1})
    assert crew(context, document, exhaust=At(0, (2,))) == [0, 0]
    assert result(tmp_path / "trial")["state"] == "infeasible"


def test_a_finished_trial_is_finished_for_all_and_another_training_refused_by_the_leader(
    tmp_path: Path, data: Path, context: ForkServerContext
) -> None:
    trial = tmp_path / "trial"
    assert crew(context, write(trial, data)) == [0, 0]
    written = (trial / "result.json").stat().st_mtime_ns
    assert crew(context, write(trial, data, attempt=2)) == [0, 0]
    assert (trial / "result.json").stat().st_mtime_ns == written
    other = write(trial, data, specHash="sha256:other", parameters={"learning_rate": 0.02})
    assert crew(context, other) == [64, 69]


def test_parts_make_the_whole_and_every_share_counts() -> None:
    lengths = (5, 7, 9, 12, 30)
    parts = [Part.of((0, 1, 2, 3, 4), lengths, 3, rank=rank, size=2) for rank in range(2)]
    assert [part.utterances for part in parts] == [(0, 2, 4), (1, 3)]
    assert [part.frames for part in parts] == [63, 63]
    assert [part.frame_share * 63 for part in parts] == pytest.approx([44, 19])
    assert [part.step_share * 22 for part in parts] == pytest.approx([15, 7])
    nothing = Part.of((4,), lengths, 3, rank=1, size=2)
    assert (nothing.utterances, nothing.frame_share, nothing.step_share) == ((), 0.0, 0.0)


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [
        ({"WORLD_SIZE": "4"}, "RANK is ''"),
        ({"WORLD_SIZE": "many"}, "WORLD_SIZE is 'many'"),
        ({"WORLD_SIZE": "2", "RANK": "2", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}, "no such place"),
    ],
)
def test_a_place_that_is_none_is_refused(environment: dict[str, str], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        Place.of(environment)


def test_one_process_needs_no_place() -> None:
    assert Place.of({}) == Place.of({"WORLD_SIZE": "1", "RANK": "0"}) == ALONE


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        ([0, 0], 0),
        ([75, 75], 75),
        ([143, 75], 143),
        ([69, 70, 69], 70),
        ([137, 69], 137),
        ([64, 65], 64),
        ([75, 69], 69),
    ],
)
def test_the_launcher_ends_with_the_code_that_tells_most(codes: list[int], code: int) -> None:
    assert telling(codes) == code


def test_the_launcher_passes_a_workers_exit_code_on(tmp_path: Path, data: Path) -> None:
    document = write(tmp_path / "trial", data, epoch=3)
    launch = [sys.executable, "-m", "tacotrain", "launch", "--nproc-per-node", "2", "--"]
    done = subprocess.run(
        [*launch, "train", "--trial", document], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, "epoch: unknown field" in done.stderr) == (64, True)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--", "prepare"], "launch runs `train` only"),
        ([], "launch runs `train` only"),
        (["--nnodes", "2", "--", "train"], "--master-port"),
        (["--nnodes", "2", "--node-rank", "2", "--", "train"], "--node-rank below --nnodes"),
    ],
)
def test_the_launcher_refuses_what_it_cannot_start(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["launch", *arguments]) == 64
    assert complaint in capsys.readouterr().err
