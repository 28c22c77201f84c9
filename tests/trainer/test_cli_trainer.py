"""The command line: what people type, read and get back."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.eventually import eventually
from support.prepared import SMALLEST, make_dataset, trial_document
from tacotrain import train as train_module
from tacotrain.cli import main
from tacotrain.config import schema
from tacotrain.errors import PermissionDenied
from tacotrain.train import OutOfMemoryError


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("data") / "prepared")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    out = tmp_path_factory.mktemp("runs") / "voice"
    assert (
        main(
            ["train", "--data", str(data), "--out", str(out), *settings(max_steps=4, evaluate_every_steps=4)]
        )
        == 0
    )
    return out


@pytest.fixture(autouse=True)
def termination_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "termination-log"
    monkeypatch.setenv("TACOTUNE_TERMINATION_LOG", str(path))
    return path


def settings(**parameters: Any) -> list[str]:
    return [f"--set={name}={value}" for name, value in {**SMALLEST, "epochs": 1000, **parameters}.items()]


def last_line(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err.strip().splitlines()[-1]


def write_trial(path: Path, document: dict[str, Any]) -> str:
    path.write_text(json.dumps(document))
    return str(path)


def test_training_without_an_operator_leaves_a_result_and_says_where(
    trained: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert json.loads((trained / "result.json").read_text())["state"] == "complete"
    again = [
        "train",
        "--data",
        str(data),
        "--out",
        str(trained),
        *settings(max_steps=4, evaluate_every_steps=4),
    ]
    assert main(again) == 0
    shown = capsys.readouterr().out
    assert "complete: trained 4 of 4 steps; tts_score 1." in shown
    assert f"best checkpoint: {trained}/checkpoints/step-00000004" in shown
    assert "step 1/4" not in shown


def test_a_trial_document_is_run(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TACOTUNE_TERMINATION_LOG", str(tmp_path / "message"))
    document = trial_document(tmp_path / "trial", data, parameters={"max_steps": 2})
    assert main(["train", "--trial", write_trial(tmp_path / "trial.json", document)]) == 0
    shown = capsys.readouterr().out
    assert "training 2 steps" in shown
    assert "step 2/2  epoch 0.7  loss " in shown
    result = json.loads((tmp_path / "trial" / "result.json").read_text())
    assert result["trial"] == 7
    assert json.loads((tmp_path / "message").read_text()) == result


def test_a_checkpoint_is_measured_with_the_numbers_it_was_judged_by(
    trained: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(["evaluate", "--checkpoint", str(trained), "--data", str(data), "--json", "--threads", "1"]) == 0
    )
    metrics = json.loads(capsys.readouterr().out)
    # Another number of threads adds up in another order.
    assert metrics == pytest.approx(json.loads((trained / "result.json").read_text())["metrics"], rel=1e-5)


def test_measuring_shows_a_table_and_leaves_samples(
    trained: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "evaluate",
        "--checkpoint",
        str(trained),
        "--data",
        str(data),
        "--samples",
        str(tmp_path / "s"),
    ]
    assert main(arguments) == 0
    assert "tts_score" in capsys.readouterr().out
    assert (tmp_path / "s" / "sounds").is_dir()


def test_measuring_on_another_dataset_is_refused(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = make_dataset(tmp_path / "other", seed=1)
    assert main(["evaluate", "--checkpoint", str(trained), "--data", str(other)]) == 64
    assert "is not the dataset" in last_line(capsys)


def test_a_checkpoint_speaks(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "x.wav"
    arguments = [
        "synthesize",
        "--checkpoint",
        str(trained),
        "--text",
        "A bad cab.",
        "-o",
        str(out),
        "--iterations",
        "1",
    ]
    assert main(arguments) == 0
    assert out.read_bytes()[:4] == b"RIFF"
    assert f"{out}: " in capsys.readouterr().out


def test_a_text_that_cannot_be_read_names_the_letters(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["synthesize", "--checkpoint", str(trained), "--text", "кот", "-o", str(tmp_path / "x.wav")]
    assert main(arguments) == 65
    assert "'к'" in last_line(capsys)


def test_the_schema_is_printed_for_the_operator(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "schema"]) == 0
    assert json.loads(capsys.readouterr().out) == schema()


def test_a_preset_is_shown_with_its_changes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "show", "--preset", "small", "--set", "batch_size=7"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["batch_size"], shown["encoder_dim"]) == (7, 256)


def test_parameters_and_documents_are_checked(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "check", "--set", "learning_rate=0.5"]) == 0
    document = trial_document(tmp_path, data)
    assert main(["config", "check", "--trial", write_trial(tmp_path / "t.json", document)]) == 0
    assert "parameters are valid" in capsys.readouterr().out
    document["parameters"]["epochs"] = 0
    assert main(["config", "check", "--trial", write_trial(tmp_path / "t.json", document)]) == 64


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["trian"], 64, "invalid choice: 'trian'"),
        ([], 64, "see: tacotrain --help"),
        (["train"], 64, "give either --trial FILE, or --data DIR and --out DIR"),
        (["train", "--trial", "missing.json"], 66, "missing.json: no such file"),
        (["train", "--trial", "t.json", "--seed", "3"], 64, "--trial excludes --seed"),
        (["train", "--data", "d", "--out", "o", "--set", "epochs"], 64, "write it as name=value"),
        (["train", "--data", "d", "--out", "o", "--set", "epochs=many"], 64, "'many' is not a whole number"),
        (["train", "--data", "d", "--out", "o", "--set", "epoch=3"], 64, "did you mean epochs"),
        (["train", "--data", "d", "--out", "o", "--objective", "mcd"], 64, "did you mean mcd_dtw"),
        (["train", "--data", "missing", "--out", "o"], 66, "is not a prepared dataset"),
        (["train", "--data", "d", "--out", "o", "--keep", "0"], 64, "arguments: checkpoints.keep: "),
        (["train", "--data", "d", "--out", "o", "--device", "cuda:9"], 69, "cuda:9 is not available"),
        (["evaluate", "--checkpoint", "missing", "--data", "d"], 66, "missing: no checkpoint here"),
        (["config", "check", "--set", "learning_rate=9"], 64, "learning_rate: must lie in"),
    ],
)
def test_every_mistake_ends_with_its_code_and_a_last_line_that_helps(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    termination_log: Path,
    arguments: list[str],
    exit_code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == exit_code
    line = last_line(capsys)
    assert line.startswith("tacotrain: ")
    assert message in line
    told = json.loads(termination_log.read_text())
    assert told == {"state": "failed", "exitCode": exit_code, "message": line.removeprefix("tacotrain: ")}


def raising(error: BaseException) -> Any:
    def train(*_: Any) -> None:
        raise error

    return train


@pytest.mark.parametrize(
    ("error", "exit_code", "document"),
    [
        (OutOfMemoryError("halve it", cuda=True), 70, {"cudaOutOfMemory": True}),
        (OutOfMemoryError("halve it", cuda=False), 70, {}),
        (PermissionDenied("/x: no"), 77, {}),
        (ZeroDivisionError("by zero"), 70, {}),
        (KeyboardInterrupt(), 75, {}),
    ],
)
def test_every_error_reaches_the_operator(
    tmp_path: Path,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    termination_log: Path,
    error: BaseException,
    exit_code: int,
    document: dict[str, Any],
) -> None:
    monkeypatch.setattr(train_module, "train", raising(error))
    assert main(["train", "--data", str(data), "--out", str(tmp_path / "o")]) == exit_code
    told = json.loads(termination_log.read_text())
    assert (told["state"], told["exitCode"]) == ("failed", exit_code)
    assert told.items() >= document.items()
    assert ("cudaOutOfMemory" in told) == ("cudaOutOfMemory" in document)


def test_a_place_for_the_termination_message_that_cannot_be_written_hides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TACOTUNE_TERMINATION_LOG", str(tmp_path / "no" / "such" / "place"))
    assert main(["train"]) == 64
    assert "give either" in last_line(capsys)


@pytest.mark.parametrize("command", [[], ["train"], ["evaluate"], ["synthesize"], ["publish"], ["config"]])
def test_help_has_examples(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*command, "--help"])
    assert caught.value.code == 0
    assert "examples:\n  tacotrain " in capsys.readouterr().out


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from tacotrain.cli import build_parser; build_parser().format_help(); "
        "print(sorted({'torch', 'numpy', 'pydantic', 'optuna', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_first_sigterm_checkpoints_and_the_same_command_goes_on(tmp_path: Path, data: Path) -> None:
    out = tmp_path / "voice"
    parameters = {"max_steps": 100_000, "evaluate_every_steps": 100_000}
    document = trial_document(out, data, parameters=parameters, checkpoints={"everySteps": 10**6, "keep": 1})
    command = [
        sys.executable,
        "-m",
        "tacotrain",
        "train",
        "--trial",
        write_trial(tmp_path / "t.json", document),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    progress = out / "progress.json"
    eventually(lambda: progress.exists() and json.loads(progress.read_text())["step"] > 0, within=120)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 75
    assert "SIGTERM: stopped at step" in errors.strip().splitlines()[-1]
    assert not (out / "result.json").exists()
    (checkpoint,) = (out / "checkpoints").glob("step-*")
    step = int(checkpoint.name.removeprefix("step-"))
    assert (
        f"at step {step} of 3000 with a checkpoint"
        in json.loads(Path(os.environ["TACOTUNE_TERMINATION_LOG"]).read_text())["message"]
    )


def test_the_second_signal_ends_at_once() -> None:
    code = (
        "import os, signal, time\n"
        "from tacotrain.interruption import listening\n"
        "with listening() as interruption:\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    assert interruption.reason == 'SIGINT'\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    raise AssertionError('still here')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 143
    assert (
        done.stderr.strip()
        == "tacotrain: second signal, stopped without saving; start again to go on from the last checkpoint"
    )


def test_signals_are_as_before_after_training() -> None:
    from tacotrain.interruption import listening  # noqa: PLC0415

    before = signal.getsignal(signal.SIGTERM)
    with listening():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
