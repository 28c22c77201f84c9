"""Training as a whole, in this process: what it leaves, how it ends, and what it survives."""

import gc
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from support.prepared import make_dataset, trial_document
from tacotrain import attendants, checkpoint_files, losses, memory, step
from tacotrain import train as train_module
from tacotrain.checkpoint_files import Saved, verify
from tacotrain.contract import Result, parse_trial
from tacotrain.data.shard import PreparedDataset
from tacotrain.errors import ConfigError, DataError, Interrupted, TrainerError, WriteError
from tacotrain.interruption import Interruption
from tacotrain.train import OutOfMemoryError, train
from tacotrain.voice import load_voice


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("data") / "prepared")


class AfterLooks(Interruption):
    """Is asked to stop when the loop has looked so many times, which it does once per step."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self._looks = looks

    @property
    def reason(self) -> str | None:
        self._looks -= 1
        return "SIGTERM" if self._looks < 0 else None


def run(directory: Path, data: Path, *, interruption: Interruption | None = None, **changes: Any) -> Result:
    trial = parse_trial(trial_document(directory, data, **changes), source="test")
    return train(trial, interruption or Interruption())


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def events(directory: Path, kind: str) -> list[dict[str, Any]]:
    return [event for event in lines(directory / "events.jsonl") if event["event"] == kind]


def weights_hash(directory: Path, step: int = 10) -> str:
    metadata = read(directory / "checkpoints" / f"step-{step:08d}" / "metadata.json")
    digest = metadata["files"]["weights.pt"]["sha256"]
    assert isinstance(digest, str)
    return digest


def essence(result: Result) -> dict[str, Any]:
    """What must not depend on interruptions."""
    return result.model_dump(exclude={"seconds", "peak_memory_bytes", "attempt"})


def test_a_complete_training_leaves_everything_the_contract_promises(tmp_path: Path, data: Path) -> None:
    result = run(tmp_path, data, parameters={"sample_utterances": 1})
    assert (result.state, result.message, result.steps) == ("complete", "trained 10 of 10 steps", 10)
    assert result.values == (result.metrics["tts_score"],)
    assert result.epochs == pytest.approx(10 / 3, abs=1e-3)
    assert result.frames > 0
    written = read(tmp_path / "result.json")
    assert written["specHash"] == "sha256:test"
    for relative in (written["checkpoint"], *written["samples"], *written["alignments"]):
        assert (tmp_path / relative).exists()
    progress = read(tmp_path / "progress.json")
    assert set(progress) == {
        "step", "totalSteps", "epoch", "loss", "framesPerSecond", "alignment", "value", "phase", "memoryBytes",
        "alarm", "updatedAt", "attempt", "state",
    }  # fmt: skip
    assert (progress["step"], progress["totalSteps"], progress["state"]) == (10, 10, "finished")
    assert [line["step"] for line in lines(tmp_path / "metrics.jsonl")] == [5, 10]
    assert [event["step"] for event in events(tmp_path, "checkpoint")] == [5, 10]
    best = read(tmp_path / "checkpoints" / "best.json")
    assert (best["step"], best["checkpoint"], best["value"]) == (
        result.best_step,
        result.checkpoint,
        result.values[0],
    )
    metadata = read(tmp_path / best["checkpoint"] / "metadata.json")
    assert {"identity", "configHash", "voice", "gateThreshold", "epoch", "files"} <= set(metadata)
    assert metadata["identity"]["dataset"] == PreparedDataset.open(data).sha256


def test_a_finished_trial_is_not_trained_again(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(tmp_path, data)
    monkeypatch.setattr(train_module, "fit", lambda _: pytest.fail("trained again"))
    assert run(tmp_path, data, attempt=2) == first


def test_every_objective_gets_its_value(tmp_path: Path, data: Path) -> None:
    goals = [
        {"metric": "val_loss", "direction": "Minimize"},
        {"metric": "alignment", "direction": "Maximize"},
    ]
    result = run(tmp_path, data, objectives=goals)
    assert result.values == (result.metrics["val_loss"], result.metrics["alignment"])


def test_an_interrupted_training_checkpoints_and_goes_on_to_the_same_end(tmp_path: Path, data: Path) -> None:
    whole = run(tmp_path / "whole", data)
    for attempt, looks in enumerate((3, 4), 1):
        with pytest.raises(Interrupted, match="SIGTERM: stopped at step"):
            run(tmp_path / "parts", data, attempt=attempt, interruption=AfterLooks(looks))
    assert not (tmp_path / "parts" / "result.json").exists()
    # Written though the attempt lasted less than the time between two writes: people see where it will go on.
    progress = read(tmp_path / "parts" / "progress.json")
    assert (progress["step"], progress["state"]) == (7, "interrupted")
    assert [event["step"] for event in events(tmp_path / "parts", "checkpoint")] == [3, 5, 7]
    parts = run(tmp_path / "parts", data, attempt=3)
    assert essence(parts) == essence(whole)
    assert weights_hash(tmp_path / "parts") == weights_hash(tmp_path / "whole")
    metrics = [
        [line["metrics"] for line in lines(tmp_path / name / "metrics.jsonl")] for name in ("whole", "parts")
    ]
    assert metrics[0] == metrics[1]


def test_the_deadline_checkpoints_like_a_signal(tmp_path: Path, data: Path) -> None:
    clock = iter([0.0, *[1.0] * 4, *[100.0] * 9])
    with pytest.raises(Interrupted, match=r"the deadline of 50 s: stopped at step 4") as caught:
        run(tmp_path, data, interruption=Interruption(clock=lambda: next(clock)), deadlineSeconds=50)
    assert caught.value.exit_code == 75
    assert isinstance(verify(tmp_path / "checkpoints" / "step-00000004"), Saved)


def test_a_damaged_newest_checkpoint_costs_steps_but_changes_nothing(tmp_path: Path, data: Path) -> None:
    whole = run(tmp_path / "whole", data)
    with pytest.raises(Interrupted):
        run(tmp_path / "parts", data, interruption=AfterLooks(8))
    damaged = tmp_path / "parts" / "checkpoints" / "step-00000008" / "training.pt"
    damaged.write_bytes(damaged.read_bytes()[:1000])
    parts = run(tmp_path / "parts", data, attempt=2)
    assert events(tmp_path / "parts", "resume")[0]["step"] == 5
    assert "step-00000008 is damaged" in events(tmp_path / "parts", "warning")[0]["message"]
    assert essence(parts) == essence(whole)


def test_a_checkpoint_of_another_configuration_is_refused_and_nothing_is_lost(
    tmp_path: Path, data: Path
) -> None:
    with pytest.raises(Interrupted):
        run(tmp_path, data, interruption=AfterLooks(6))
    with pytest.raises(ConfigError) as caught:
        run(tmp_path, data, parameters={"learning_rate": 0.005}, seed=2)
    assert "parameters.learning_rate: 0.01 there, 0.005 here; seed: 1 there, 2 here" in str(caught.value)
    assert isinstance(verify(tmp_path / "checkpoints" / "step-00000006"), Saved)
    assert run(tmp_path, data).state == "complete"


def test_a_checkpoint_of_another_dataset_is_refused(tmp_path: Path, data: Path) -> None:
    other = make_dataset(tmp_path / "other", seed=1)
    with pytest.raises(Interrupted):
        run(tmp_path / "trial", data, interruption=AfterLooks(6))
    with pytest.raises(ConfigError, match="dataset: "):
        run(tmp_path / "trial", other)


def test_after_running_out_of_memory_smaller_batches_go_on_where_it_stopped(
    tmp_path: Path, data: Path
) -> None:
    with pytest.raises(Interrupted):
        run(tmp_path, data, interruption=AfterLooks(6))
    result = run(tmp_path, data, parameters={"batch_size": 2, "accumulation_steps": 2})
    assert events(tmp_path, "resume")[0]["step"] == 6
    assert result.steps == 10


class FakeReporter:
    """Wants the trial to stop once a value has come."""

    def __init__(self, reason: str | None = None) -> None:
        self.values: dict[int, float] = {}
        self.documents: list[Any] = []
        self.closed = False
        self._reason = reason

    @property
    def stop_reason(self) -> str | None:
        return self._reason if self.values else None

    def value(self, step: int, value: float) -> None:
        self.values[step] = value

    def progress(self, document: Any) -> None:
        self.documents.append(document)

    def close(self) -> None:
        self.closed = True


REPORT = {"tensorboard": False, "storageUrlEnv": "STORAGE", "storageTrialId": 3}


def test_a_pruned_trial_ends_with_a_checkpoint_and_its_best_value(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reporter = FakeReporter("worse than the median at step 5")
    monkeypatch.setattr(attendants, "reporter_for", lambda *_, **__: reporter)
    result = run(tmp_path, data, report=REPORT)
    assert (result.state, result.message, result.steps) == ("pruned", "worse than the median at step 5", 5)
    assert reporter.values == {5: result.values[0]}
    assert reporter.closed
    assert result.best_step == 5


def test_the_reporter_hears_every_evaluation_and_the_end(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reporter = FakeReporter()
    monkeypatch.setattr(attendants, "reporter_for", lambda *_, **__: reporter)
    result = run(tmp_path, data, report=REPORT)
    assert list(reporter.values) == [5, 10]
    assert result.values[0] in reporter.values.values()
    assert reporter.documents[-1]["state"] == "finished"


def test_a_flat_trial_stops_early_and_says_that_it_never_aligned(tmp_path: Path, data: Path) -> None:
    phases = [{"until": 1.0, "patience": 300, "minDelta": 10.0, "attentionThreshold": 0.999}]
    rules = {"referenceEpochs": 1000, "phases": phases}
    result = run(tmp_path, data, parameters={"evaluate_every_steps": 1}, earlyStopping=rules)
    # The first evaluation is the last improvement; 300 of 1000 epochs are 3 of 10 steps.
    assert (result.state, result.steps) == ("early_stopped", 4)
    assert result.message == "not_aligned: no improvement since step 1"
    assert result.values[0] is not None


def poison(monkeypatch: pytest.MonkeyPatch, is_bad: Callable[[int, int], bool]) -> None:
    """Make the loss of chosen steps NaN; the question gets the step and how often it was asked for that step."""
    real, asked = losses.compute_loss, dict[int, int]()

    def compute_loss(outputs: Any, batch: Any, config: Any, number: int) -> Any:
        found = real(outputs, batch, config, number)
        asked[number] = asked.get(number, 0) + 1
        if is_bad(number, asked[number]):
            found.total.data.fill_(float("nan"))
            outputs.mel_postnet_BTM.register_hook(lambda gradient: gradient * float("nan"))
        return found

    monkeypatch.setattr(step, "compute_loss", compute_loss)


def test_up_to_three_bad_steps_are_skipped_and_training_goes_on(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison(monkeypatch, lambda number, _: number in {2, 3, 4})
    result = run(tmp_path, data)
    assert result.state == "complete"
    assert not events(tmp_path, "roll_back")
    assert "3 of the last 5 steps" in events(tmp_path, "warning")[0]["message"]
    voice = load_voice(tmp_path)
    assert all(torch.isfinite(tensor).all() for tensor in voice.model.state_dict().values())


def test_a_fourth_bad_step_goes_back_to_the_last_checkpoint_with_half_the_rate(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison(monkeypatch, lambda number, times: number in {5, 6, 7, 8} and times == 1)
    result = run(tmp_path, data)
    assert result.state == "complete"
    (event,) = events(tmp_path, "roll_back")
    assert (event["leftAt"], event["step"], event["rateScale"]) == (9, 5, 0.5)
    recovery = torch.load(tmp_path / "checkpoints" / "step-00000010" / "training.pt", weights_only=True)[
        "recovery"
    ]
    assert recovery == {"bad_in_a_row": 0, "rolled_back": True, "rate_scale": 0.5}


def test_a_kill_after_going_back_gives_no_second_chance(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison(monkeypatch, lambda number, times: number in {5, 6, 7, 8} and times == 1)
    with pytest.raises(Interrupted, match="at step 6"):
        run(tmp_path, data, interruption=AfterLooks(10))
    poison(monkeypatch, lambda number, _: number >= 6)
    assert run(tmp_path, data, attempt=2).state == "diverged"


def test_bad_steps_before_the_first_checkpoint_begin_again(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison(monkeypatch, lambda number, times: number < 4 and times == 1)
    result = run(tmp_path, data)
    assert (result.state, result.steps) == ("complete", 10)
    assert events(tmp_path, "roll_back")[0]["step"] == 0


def test_a_training_that_stays_broken_diverges_without_an_invented_value(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison(monkeypatch, lambda *_: True)
    result = run(tmp_path, data)
    assert (result.state, result.values, result.metrics, result.best_step) == ("diverged", (None,), {}, None)
    assert len(events(tmp_path, "roll_back")) == 1


def test_a_training_that_breaks_late_diverges_with_its_best_value(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison(monkeypatch, lambda number, _: number >= 5)
    result = run(tmp_path, data)
    assert (result.state, result.best_step) == ("diverged", 5)
    assert result.values[0] is not None
    assert (tmp_path / str(result.checkpoint)).is_dir()


def out_of_memory(*_: Any) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")


def test_without_memory_for_a_batch_the_operator_is_told_to_make_it_smaller(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, "compute_loss", out_of_memory)
    with pytest.raises(OutOfMemoryError, match="halve batch_size") as caught:
        run(tmp_path, data)
    assert (caught.value.exit_code, caught.value.cuda) == (70, True)
    assert not (tmp_path / "result.json").exists()


def test_without_memory_for_a_single_utterance_the_trial_is_infeasible(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, "compute_loss", out_of_memory)
    result = run(tmp_path, data, parameters={"batch_size": 1})
    assert (result.state, result.values) == ("infeasible", (None,))


def test_another_error_is_not_taken_for_lack_of_memory(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(step, "compute_loss", broken)
    with pytest.raises(RuntimeError, match="shapes differ"):
        run(tmp_path, data)


def test_a_full_disk_while_saving_loses_no_checkpoint(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Interrupted):
        run(tmp_path, data, interruption=AfterLooks(6))
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint_files, "open_new", lambda _: Path("/dev/full").open("wb"))  # noqa: SIM115
        with pytest.raises(WriteError, match="the disk is full"):
            run(tmp_path, data, attempt=2)
    assert isinstance(verify(tmp_path / "checkpoints" / "step-00000006"), Saved)
    assert essence(run(tmp_path, data, attempt=3)) == essence(run(tmp_path / "whole", data))


def test_a_warm_start_begins_with_the_weights_of_another_training(tmp_path: Path, data: Path) -> None:
    cold = run(tmp_path / "cold", data)
    first = {"max_steps": 1, "evaluate_every_steps": 1, "learning_rate": 1e-7, "warmup_steps": 0}
    run(tmp_path / "warm", data, warmStart={"checkpoint": str(tmp_path / "cold")}, parameters=first, seed=2)
    before, after = load_voice(tmp_path / "cold"), load_voice(tmp_path / "warm")
    assert (before.step, after.step) == (cold.best_step, 1)
    pairs = zip(before.model.parameters(), after.model.parameters(), strict=True)
    assert all(torch.allclose(old, new, atol=1e-6) for old, new in pairs)


def test_a_warm_start_from_a_model_of_another_shape_names_what_differs(tmp_path: Path, data: Path) -> None:
    run(tmp_path / "cold", data)
    with pytest.raises(ConfigError, match=r"warmStart.checkpoint: .* there, .* here"):
        run(
            tmp_path / "warm",
            data,
            warmStart={"checkpoint": str(tmp_path / "cold")},
            parameters={"postnet_dim": 9},
        )


def test_a_warm_start_from_a_damaged_checkpoint_is_bad_data(tmp_path: Path, data: Path) -> None:
    run(tmp_path / "cold", data)
    (tmp_path / "cold" / "checkpoints" / "step-00000010" / "weights.pt").write_bytes(b"")
    warm = {"checkpoint": str(tmp_path / "cold" / "checkpoints" / "step-00000010")}
    with pytest.raises(DataError, match=r"this checkpoint is damaged \(weights.pt does not match"):
        run(tmp_path / "warm", data, warmStart=warm)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objectives": [{"metric": "tts_scor", "direction": "Minimize"}]}, "did you mean tts_score"),
        ({"weights": {"alignmen": 1.0}}, "did you mean alignment"),
        ({"parameters": {"free_run_utterances": 0}}, "tts_score needs free-running speech"),
        ({"parameters": {"learning_rat": 0.1}}, "did you mean learning_rate"),
        ({"objectives": [{"metric": "word_hit_rate", "direction": "Maximize"}]}, "this dataset has none"),
        ({"device": "cuda:99"}, "cuda:99 is not available"),
        (
            {"report": {"storageUrlEnv": "NOT_SET_ANYWHERE", "storageTrialId": 1}},
            "NOT_SET_ANYWHERE is not set",
        ),
        ({"dataset": {"path": "/nowhere"}}, "not a prepared dataset"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_trained(
    tmp_path: Path, data: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(TrainerError, match=message):
        run(tmp_path, data, **changes)
    assert not (tmp_path / "checkpoints" / "step-00000005").exists()


def test_tensorboard_files_appear(tmp_path: Path, data: Path) -> None:
    run(tmp_path, data, report={"tensorboard": True}, parameters={"sample_utterances": 1})
    (file,) = (tmp_path / "tensorboard").iterdir()
    content = file.read_bytes()
    for tag in (b"loss/mel", b"evaluation/tts_score", b"alignment/0", b"sample/0"):
        assert tag in content


def test_thirty_trials_in_one_process_leave_memory_flat(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = {"max_steps": 2, "evaluate_every_steps": 2}

    def one(number: int) -> None:
        directory = tmp_path / str(number)
        match number % 4:
            case 0:
                run(directory, data, parameters=short)
            case 1:  # Canceled.
                with pytest.raises(Interrupted):
                    run(directory, data, parameters=short, interruption=AfterLooks(1))
            case 2:  # Pruned.
                with monkeypatch.context() as patch:
                    patch.setattr(attendants, "reporter_for", lambda *_, **__: FakeReporter("no hope"))
                    run(directory, data, parameters={**short, "max_steps": 3}, report=REPORT)
            case _:  # Failed.
                with monkeypatch.context() as patch:
                    patch.setattr(step, "compute_loss", out_of_memory)
                    with pytest.raises(OutOfMemoryError):
                        run(directory, data, parameters=short)

    for number in range(8):
        one(number)
    before, objects = memory.resident_bytes(), len(gc.get_objects())
    for number in range(8, 30):
        one(number)
    gc.collect()
    assert memory.resident_bytes() < before * 1.05
    assert len(gc.get_objects()) < objects * 1.05


def test_random_numbers_of_the_process_are_part_of_a_checkpoint(tmp_path: Path, data: Path) -> None:
    with pytest.raises(Interrupted):
        run(tmp_path, data, interruption=AfterLooks(2))
    expected = (torch.rand(1).item(), np.random.random())  # noqa: NPY002 - the global generator is the point
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002
    with pytest.raises(Interrupted):
        run(tmp_path, data, interruption=AfterLooks(0))
    assert (torch.rand(1).item(), np.random.random()) == expected  # noqa: NPY002
