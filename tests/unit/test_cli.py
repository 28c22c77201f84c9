"""The command line: what each command prints, and with which exit code it ends."""

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from support.manifests import manifest
from tacotune.api.conditions import Condition, ConditionType, Phase, Reason
from tacotune.api.manifest import read_manifest
from tacotune.api.status import ActiveTrial, BestTrial, RecentFailure, TrialCounts, TTSStudyStatus
from tacotune.cli.app import app
from tacotune.local.options import RunOptions
from tacotune.local.rundir import RunDirectory, RunError, TrialRow, write_json
from tacotune.ports import Busy, StorageUnavailable

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
COMMANDS = (
    "init",
    "validate",
    "plan",
    "run",
    "status",
    "trials",
    "best",
    "report",
    "migrate",
    "crd",
    "completion",
)


@pytest.fixture(autouse=True)
def _somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TACOTUNE_STORAGE_URL", raising=False)


def call(*arguments: str, text: str | None = None) -> Result:
    result = CliRunner().invoke(app, list(arguments), input=text)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def row(
    number: int, value: float | None, loss: float | None, state: str = "Complete", **more: Any
) -> TrialRow:
    return TrialRow(
        number=number,
        state=state,
        value=value,
        values=() if value is None else (value,),
        parameters={"learning_rate": 0.001 * (number + 1)},
        metrics={} if loss is None else {"val_loss": loss, "alignment": 1 - loss},
        attempts=1,
        steps=100,
        seconds=75.0,
        ended_at=NOW,
        **more,
    )


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A run with three trials and a best voice, as a runner leaves it."""
    directory = RunDirectory.of(tmp_path / "runs", "demo")
    directory.write_study(read_manifest(manifest("fixedParameters: {epochs: 3}", "trainer: {preset: tiny}")))
    directory.write_status(
        TTSStudyStatus(
            phase=Phase.RUNNING,
            progress="2/20",
            trials=TrialCounts(total=3, succeeded=1, pruned=1, running=1),
            attempts=4,
            disruptions=1,
            gpu_seconds=60,
            best=BestTrial(trial=0, value=0.25, parameters={"learning_rate": 0.001}),
            active=[ActiveTrial(trial=2, attempt=1, state="Running", step=40)],
            recent_failures=[
                RecentFailure(trial=1, attempt=1, cause="Transient", exit_code=1, message="crashed")
            ],
            conditions=[
                Condition(
                    type=ConditionType.SUCCEEDED,
                    status="False",
                    reason=Reason.TRIALS_RUNNING,
                    message="1 trial runs",
                    last_transition_time=NOW,
                )
            ],
            start_time=NOW,
        )
    )
    directory.write_trials([row(0, 0.25, 0.5), row(1, 0.75, 0.125, "Pruned"), row(2, None, None, "Running")])
    for name in ("checkpoint/weights.pt", "samples/0.wav", "alignments/0.png"):
        path = directory.best_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    write_json(
        directory.best_path / "best.json",
        {
            "trial": 0,
            "purpose": "trial",
            "preset": "tiny",
            "value": 0.25,
            "parameters": {"learning_rate": 0.001, "epochs": 3, "mel_loss": "l1"},
            "metrics": {"val_loss": 0.5},
            "checkpoint": "checkpoint",
            "samples": ["samples/0.wav"],
            "alignments": ["alignments/0.png"],
        },
    )
    return directory


# The program as a whole.


def test_help_names_every_command_and_the_exit_codes() -> None:
    result = call("--help")
    assert result.exit_code == 0
    assert [name for name in COMMANDS if f"  {name} " not in result.stdout] == []
    assert "75 interrupted" in result.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(command: str) -> None:
    result = call(command, "--help")
    assert result.exit_code == 0
    assert "Examples:\n" in result.stdout
    assert f"tacotune {command}" in result.stdout


def test_no_arguments_help_and_wrong_ones_are_usage() -> None:
    assert "Commands:" in call().output
    assert call("frobnicate").exit_code == 2
    assert call("validate", "--frobnicate").exit_code == 2


def test_version() -> None:
    assert call("--version").stdout == "tacotune 0.1.0\n"


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, tacotune.cli.app;"
        "print(*sorted({'pydantic', 'optuna', 'sqlalchemy', 'psycopg2', 'rich', 'numpy', 'torch', 'ruamel'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_python_m_tacotune_is_the_same_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tacotune", "validate", "none.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (66, "none.yaml: No such file or directory\n")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_call_the_program_back(shell: str) -> None:
    result = call("completion", shell)
    assert result.exit_code == 0
    assert f"_TACOTUNE_COMPLETE=complete_{shell}" in result.stdout


def test_the_shell_completes_commands_and_studies(run: RunDirectory) -> None:
    def complete(words: str, index: int) -> list[str]:
        environment = os.environ | {
            "_TACOTUNE_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(index),
        }
        main = "from tacotune.cli import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", main], capture_output=True, text=True, check=True, env=environment
        )
        return done.stdout.split()

    assert complete("tacotune va", 1) == ["validate"]
    assert complete("tacotune status de", 2) == ["demo"]


# validate


def test_a_valid_file_is_said_to_be_valid() -> None:
    Path("a.yaml").write_text(manifest("maxTrials: 7"))
    result = call("validate", "a.yaml")
    assert (result.exit_code, result.stdout) == (
        0,
        "a.yaml: valid: study demo, 7 trials, 1 parameters searched with tpe\n",
    )


def test_all_problems_of_all_files_are_printed_with_their_places() -> None:
    Path("a.yaml").write_text(manifest("maxTrials: 0", "maxTrails: 7"))
    Path("b.yaml").write_text("a: [1\n")
    Path("c.yaml").write_text(manifest())
    result = call("validate", "a.yaml", "b.yaml", "c.yaml", "none.yaml")
    assert result.exit_code == 64
    assert result.stdout.splitlines() == [
        "a.yaml:8:3: spec.maxTrials: must be at least 1, not 0",
        "a.yaml:9:3: spec.maxTrails: unknown field (did you mean maxTrials?)",
        "b.yaml:2:1: not YAML: expected ',' or ']', but got '<stream end>' while parsing a flow sequence",
        "c.yaml: valid: study demo, 20 trials, 1 parameters searched with tpe",
    ]
    assert "a.yaml: 2 problems" in result.stderr
    assert "none.yaml: No such file" in result.stderr


def test_a_missing_file_alone_is_66_and_bytes_that_are_no_text_64() -> None:
    assert call("validate", "none.yaml").exit_code == 66
    Path("a.yaml").write_bytes(b"a: \xff")
    result = call("validate", "a.yaml")
    assert (result.exit_code, result.stderr) == (64, "a.yaml: not UTF-8 text: byte 3 is 0xff\n")


def test_standard_input_and_json() -> None:
    result = call("validate", "-", "-o", "json", text=manifest("maxTrials: 0"))
    assert result.exit_code == 64
    assert json.loads(result.stdout) == [
        {
            "file": "-",
            "line": 8,
            "column": 3,
            "path": "spec.maxTrials",
            "message": "must be at least 1, not 0",
            "hint": "",
        }
    ]


def test_other_kinds_and_a_folder_that_is_not_there_are_noted() -> None:
    secret = "apiVersion: v1\nkind: Secret\n---\n"
    Path("a.yaml").write_text(secret + manifest(dataset="  dataset: {path: recordings}\n"))
    result = call("validate", "a.yaml")
    assert result.exit_code == 0
    assert "note: spec.dataset.path: recordings does not exist on this machine" in result.stderr
    assert "note: v1 Secret is not checked" in result.stderr


# plan


def plan(*arguments: str, text: str) -> Any:
    Path("a.yaml").write_text(text)
    result = call("plan", "a.yaml", "--json", *arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


PLANNED = manifest(
    "fixedParameters: {epochs: 10, batch_size: 8}",
    "maxTrials: 6",
    "parallelism: 2",
    "checkpoints: {everySteps: 100, keep: 2}",
    "trainer: {preset: tiny}",
    "initialTrials: [{learning_rate: 0.002}]",
    dataset="  dataset: {speech: {utterances: 400}}\n",
)


def test_a_plan_works_out_steps_hours_and_bytes() -> None:
    found = plan("--seconds-per-step", "0.5", text=PLANNED)
    # 400 / 8 batches, 10 epochs; two retries that each lose up to 100 steps.
    assert (found["stepsPerTrial"], found["repeatedSteps"]) == (500, 200)
    assert found["trialSeconds"] == 350
    # Six trials, two at a time.
    assert (found["studySeconds"], found["busySeconds"]) == (1050, 2100)
    assert found["checkpointBytes"] == found["modelParameters"] * 12
    assert found["diskBytes"] == found["checkpointBytes"] * (6 * 3 + 1)
    assert any("given by --seconds-per-step" in source for source in found["sources"])


def test_a_plan_shows_the_initial_trials_first_and_the_same_ones_each_time() -> None:
    found = plan("-n", "4", text=PLANNED)
    assert len(found["proposals"]) == 4
    assert found["proposals"][0] == {"learning_rate": 0.002}
    assert plan("-n", "4", text=PLANNED)["proposals"] == found["proposals"]
    assert plan("-n", "4", "--set", "sampler.seed=1", text=PLANNED)["proposals"] != found["proposals"]


def test_a_plan_says_what_it_does_not_know() -> None:
    unknown = manifest(dataset="  dataset: {persistentVolumeClaim: {claimName: x}}\n")
    found = plan("-n", "0", text=unknown)
    assert (found["stepsPerTrial"], found["studySeconds"]) == (None, None)
    result = call("plan", "a.yaml", "-n", "0")
    assert "unknown: give --utterances" in result.stdout
    assert plan("--utterances", "640", "-n", "0", text=unknown)["stepsPerTrial"] == 10 * 500


def test_a_plan_takes_the_speed_of_earlier_trials(run: RunDirectory) -> None:
    found = plan("-n", "0", text=PLANNED)
    assert found["trialSeconds"] == 700 * 0.75
    assert any("the slowest of 3 finished trials in runs/demo" in source for source in found["sources"])


def test_budgets_and_small_spaces_bound_a_plan() -> None:
    small = manifest(
        "activeDeadlineSeconds: 60",
        "trainer: {preset: tiny}",
        space="  - {name: batch_size, int: {low: 1, high: 3}}\n",
    )
    found = plan("--seconds-per-step", "1", text=small)
    assert found["maxTrials"] == 3
    assert sorted(p["batch_size"] for p in found["proposals"]) == [1, 2, 3]
    assert found["studySeconds"] == 60


def test_a_plan_for_people(tmp_path: Path) -> None:
    Path("a.yaml").write_text(PLANNED)
    result = call("plan", "a.yaml", "-n", "2", "--seconds-per-step", "0.5")
    lines = result.stdout.splitlines()
    assert lines[0] == "TRIAL   LEARNING_RATE"
    assert lines[1] == "    0           0.002"
    assert "These are the parameters that will be asked first; tpe learns from trial 20 on." in lines
    assert "Whole study    17m30s" in lines


def test_a_bad_manifest_and_a_bad_override_stop_a_plan() -> None:
    Path("a.yaml").write_text(manifest("maxTrials: 0"))
    result = call("plan", "a.yaml")
    assert (result.exit_code, result.stderr) == (
        64,
        "a.yaml:8:3: spec.maxTrials: must be at least 1, not 0\n",
    )
    assert call("plan", "a.yaml", "--set", "maxTrials").exit_code == 2


# init


@pytest.mark.parametrize("preset", ["tiny", "small", "base"])
@pytest.mark.parametrize("language", ["en", "ru"])
def test_what_init_writes_is_valid(preset: str, language: str) -> None:
    assert call("init", "voice", "--preset", preset, "--language", language).exit_code == 0
    study = read_manifest(Path("voice.yaml").read_text())
    assert (study.metadata.name, study.spec.trainer.preset, study.spec.dataset.language) == (
        "voice",
        preset,
        language,
    )


def test_init_refuses_to_overwrite() -> None:
    Path("voice.yaml").write_text("mine")
    result = call("init")
    assert (result.exit_code, result.stderr) == (2, "voice.yaml exists; --force overwrites it\n")
    assert Path("voice.yaml").read_text() == "mine"
    assert call("init", "--force").exit_code == 0
    assert Path("voice.yaml").read_text() != "mine"


def recordings(name: str = "My Voice", text: str = "Съешь ещё этих мягких булок") -> Path:
    folder = Path(name)
    (folder / "wavs").mkdir(parents=True)
    (folder / "metadata.csv").write_text(f"a|{text}|{text}\nb|{text}|{text}\n", "utf-8")
    return folder


def test_init_looks_at_the_recordings() -> None:
    folder = recordings()
    assert call("init", "--data", str(folder)).exit_code == 0
    spec = read_manifest(Path("voice.yaml").read_text()).spec
    assert (spec.dataset.path, spec.dataset.language, spec.trainer.preset) == ("My Voice", "ru", "small")


def test_init_for_a_claim_and_to_standard_output() -> None:
    result = call("init", "ruslan", "--claim", "recordings", "-o", "-")
    spec = read_manifest(result.stdout).spec
    assert spec.dataset.persistent_volume_claim is not None
    assert spec.dataset.persistent_volume_claim.claim_name == "recordings"


def test_init_wants_a_name_that_kubernetes_takes() -> None:
    result = call("init", "My Voice")
    assert result.exit_code == 2
    assert "my-voice" in result.output


# status, trials, best


def test_status_for_people(run: RunDirectory) -> None:
    out = call("status").stdout
    for line in (
        "Phase        Running",
        "Trials       2/20 finished: 1 running, 1 succeeded, 1 pruned",
        "Best         0.25 in trial 0: learning_rate 0.001",
        "Attempts     4, 1 of them disrupted",
        "Conditions   Succeeded False, TrialsRunning: 1 trial runs",
    ):
        assert line in out
    assert "Transient" in out


def test_status_as_json_by_name_path_and_manifest(run: RunDirectory) -> None:
    Path("study.yaml").write_text(manifest())
    texts = {
        call("status", *where, "--json").stdout
        for where in ((), ("demo",), (str(run.root),), ("study.yaml",))
    }
    (text,) = texts
    assert json.loads(text)["best"]["trial"] == 0


@pytest.mark.parametrize("command", ["status", "trials", "best"])
def test_a_study_that_is_not_there_is_66(command: str) -> None:
    result = call(command, "nothing")
    assert (result.exit_code, result.stderr) == (66, "tacotune: no run of 'nothing' in runs/\n")


def numbers(*arguments: str) -> list[int]:
    result = call("trials", "-o", "json", *arguments)
    assert result.exit_code == 0, result.output
    return [entry["number"] for entry in json.loads(result.stdout)]


def test_trials_are_sorted_with_the_best_first_and_the_unknown_last(run: RunDirectory) -> None:
    assert numbers() == [0, 1, 2]
    assert numbers("--sort", "value") == [0, 1, 2]
    assert numbers("--sort", "val_loss") == [1, 0, 2]
    assert numbers("--sort", "alignment") == [1, 0, 2]
    assert numbers("--sort", "value", "--reverse") == [1, 0, 2]
    assert numbers("--sort", "learning_rate", "-r") == [2, 1, 0]
    assert numbers("--state", "complete", "--state", "running") == [0, 2]


def test_a_misspelled_column_is_told_with_the_nearest(run: RunDirectory) -> None:
    result = call("trials", "--sort", "val_los")
    assert result.exit_code == 2
    assert "did you mean val_loss?" in result.output


def test_trials_as_a_table(run: RunDirectory) -> None:
    lines = call("trials").stdout.splitlines()
    assert lines[0] == (
        "TRIAL   STATE      TTS_SCORE   VAL_LOSS   ALIGNMENT   STEPS   ATTEMPTS    TIME   PARAMETERS"
    )
    assert lines[1] == (
        "    0   Complete        0.25        0.5         0.5     100          1   1m15s   learning_rate=0.001"
    )


def test_trials_as_csv(run: RunDirectory) -> None:
    rows = list(csv.DictReader(io.StringIO(call("trials", "-o", "csv").stdout)))
    assert [(r["number"], r["value"], r["parameter_learning_rate"], r["metric_val_loss"]) for r in rows] == [
        ("0", "0.25", "0.001", "0.5"),
        ("1", "0.75", "0.002", "0.125"),
        ("2", "", "0.003", ""),
    ]


def test_the_best_voice_for_people_and_for_scripts(run: RunDirectory) -> None:
    out = call("best").stdout
    assert "Score        tts_score 0.25" in out
    assert "Parameters   learning_rate: 0.001" in out
    document = json.loads(call("best", "--json").stdout)
    assert Path(document["checkpoint"]) == run.best_path.resolve() / "checkpoint"
    assert [Path(p).read_bytes() for p in document["samples"]] == [b"samples/0.wav"]


def test_no_best_voice_yet_is_66(run: RunDirectory) -> None:
    (run.best_path / "best.json").unlink()
    result = call("best")
    assert result.exit_code == 66
    assert "study demo has no best voice yet" in result.stderr


def test_several_objectives_have_no_single_best(run: RunDirectory) -> None:
    (run.best_path / "best.json").unlink()
    run.write_study(read_manifest(manifest("objectives: [{metric: val_loss}, {metric: mcd_dtw}]")))
    result = call("best")
    assert result.exit_code == 66
    assert "several objectives and no single best" in result.stderr


def test_an_exported_voice_is_complete_and_its_parameters_are_a_manifests(run: RunDirectory) -> None:
    assert call("best", "--export", "out").exit_code == 0
    files = {str(path.relative_to("out")) for path in Path("out").rglob("*") if path.is_file()}
    assert files == {
        "best.json",
        "checkpoint/weights.pt",
        "samples/0.wav",
        "alignments/0.png",
        "parameters.yaml",
    }
    fragment = Path("out/parameters.yaml").read_text()
    head = "apiVersion: tacotune.dev/v1alpha1\nkind: TTSStudy\nmetadata: {name: again}\n"
    rest = (
        "  dataset: {speech: {}}\n  searchSpace:\n  - {name: prenet_dropout, float: {low: 0.1, high: 0.2}}\n"
    )
    spec = read_manifest(head + fragment + rest).spec
    assert spec.fixed_parameters == {"learning_rate": 0.001, "epochs": 3, "mel_loss": "l1"}
    assert spec.trainer.preset == "tiny"


def test_an_export_overwrites_only_when_told_and_only_the_voice(run: RunDirectory) -> None:
    call("best", "--export", "out")
    Path("out/checkpoint/weights.pt").write_text("mine")
    Path("out/notes.txt").write_text("mine")
    refused = call("best", "--export", "out")
    assert refused.exit_code == 2
    assert "--force replaces them" in refused.stderr
    assert Path("out/checkpoint/weights.pt").read_text() == "mine"
    assert call("best", "--export", "out", "--force").exit_code == 0
    assert Path("out/checkpoint/weights.pt").read_bytes() == b"checkpoint/weights.pt"
    assert Path("out/notes.txt").read_text() == "mine"


# crd


def test_crd_to_standard_output_and_to_a_file() -> None:
    text = call("crd").stdout
    assert "name: ttsstudies.tacotune.dev" in text
    assert call("crd", "--output", "new/crd.yaml").exit_code == 0
    assert Path("new/crd.yaml").read_text() == text


# run: what the command hands to the runner


class Runner:
    """Stands in for tacotune.local.runner, which needs a database."""

    def __init__(self, ends_with: int | Exception = 0) -> None:
        self.ends_with = ends_with
        self.calls: list[tuple[Any, Path, RunOptions]] = []

    def run_study(self, study: Any, base: Path, options: RunOptions) -> int:
        self.calls.append((study, base, options))
        if isinstance(self.ends_with, Exception):
            raise self.ends_with
        return self.ends_with


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> Runner:
    double = Runner()
    module = ModuleType("tacotune.local.runner")
    module.run_study = double.run_study  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tacotune.local.runner", module)
    return double


def test_run_hands_over_the_study_and_the_options(runner: Runner) -> None:
    Path("studies").mkdir()
    Path("studies/a.yaml").write_text(manifest())
    arguments = (
        "--set",
        "maxTrials=4",
        "--set",
        "fixedParameters.epochs=2",
        "-p",
        "2",
        "-d",
        "out",
        "--no-live",
    )
    assert call("run", "studies/a.yaml", *arguments, "--storage", "postgresql://h/d").exit_code == 0
    ((study, base, options),) = runner.calls
    spec = study.spec
    assert (spec.max_trials, spec.parallelism, spec.fixed_parameters) == (4, 2, {"epochs": 2})
    assert base == Path("studies")
    assert options == RunOptions(directory=Path("out"), storage="postgresql://h/d", live=False)


def test_the_storage_may_come_from_the_environment(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TACOTUNE_STORAGE_URL", "postgresql://from/env")
    Path("a.yaml").write_text(manifest())
    assert call("run", "a.yaml").exit_code == 0
    assert runner.calls[0][2].storage == "postgresql://from/env"


def test_run_takes_a_folder_of_recordings(runner: Runner) -> None:
    folder = recordings()
    assert call("run", str(folder), "--set", "maxTrials=2").exit_code == 0
    study = runner.calls[0][0]
    dataset = study.spec.dataset
    assert (study.metadata.name, dataset.path, dataset.language) == ("my-voice", str(folder.resolve()), "ru")
    assert (study.spec.trainer.preset, study.spec.max_trials) == ("small", 2)


def test_recordings_may_replace_a_manifests_dataset(runner: Runner) -> None:
    folder = recordings("other")
    Path("a.yaml").write_text(manifest())
    assert call("run", "a.yaml", "--data", str(folder)).exit_code == 0
    dataset = runner.calls[0][0].spec.dataset
    assert (dataset.path, dataset.speech) == (str(folder.resolve()), None)


def test_a_folder_without_recordings_is_66(runner: Runner) -> None:
    Path("empty").mkdir()
    Path("a.yaml").write_text(manifest())
    for arguments in (("empty",), ("a.yaml", "--data", "empty")):
        result = call("run", *arguments)
        assert result.exit_code == 66
        assert "no metadata.csv" in result.stderr
    assert runner.calls == []


def test_a_bad_override_of_a_folders_study_is_told_without_a_line(runner: Runner) -> None:
    result = call("run", str(recordings()), "--set", "maxTrails=2")
    assert (result.exit_code, result.stderr) == (
        64,
        "--set: spec.maxTrails: unknown field (did you mean maxTrials?)\n",
    )


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (0, 0),
        (1, 1),
        (75, 75),
        (Busy("in use by process 1"), 69),
        (StorageUnavailable("the database is away"), 69),
        (RunError("searchSpace changed"), 64),
    ],
    ids=str,
)
def test_the_end_of_a_run_is_the_exit_code(runner: Runner, end: int | Exception, code: int) -> None:
    runner.ends_with = end
    Path("a.yaml").write_text(manifest())
    result = call("run", "a.yaml")
    assert result.exit_code == code
    assert result.stderr == (f"tacotune: {end}\n" if isinstance(end, Exception) else "")


# Terminals


def in_terminal(arguments: Sequence[str], **environment: str) -> str:
    """What the program prints to a terminal of 40 columns."""
    main, terminal = os.openpty()
    variables = {"PATH": os.environ["PATH"], "TERM": "xterm", "COLUMNS": "40", **environment}
    code = "from tacotune.cli import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=terminal, env=variables
    ) as process:
        os.close(terminal)
        chunks = []
        try:
            while chunk := os.read(main, 4096):
                chunks.append(chunk)
        except OSError:  # Linux says so when the other end is closed.
            pass
        process.wait()
    os.close(main)
    return b"".join(chunks).decode()


def test_colors_and_cut_lines_are_for_terminals_that_want_them(run: RunDirectory) -> None:
    colored = in_terminal(["trials"])
    assert "\x1b[32m" in colored
    assert "PARAMETERS" not in colored
    plain = in_terminal(["trials"], NO_COLOR="1")
    assert "\x1b[" not in plain
    assert max(len(line) for line in plain.splitlines()) == 40
    assert "\x1b[" not in call("trials").stdout


# report


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The pages that were asked for; the trainer's own tests make real ones."""
    made: list[dict[str, Any]] = []

    def make_page(root: Path, study: Any, manifest: Path, output: Path, dsn: str) -> str:
        made.append({"root": root, "study": study.name, "manifest": manifest, "output": output, "dsn": dsn})
        return f"{output} written, 5.0 MB"

    monkeypatch.setattr("tacotune.adapters.study_page.make_page", make_page)
    return made


def test_a_report_is_made_of_the_database_that_is_named(
    run: RunDirectory, pages: list[dict[str, Any]]
) -> None:
    result = call("report", "demo", "-o", "page.html", "--storage", "postgresql://user@host/db")
    assert (result.exit_code, result.stderr) == (0, "page.html written, 5.0 MB\n")
    assert [page["study"] for page in pages] == ["demo"]
    assert pages[0]["dsn"] == "postgresql+psycopg2://user@host/db"
    assert pages[0]["manifest"] == Path("runs/demo/study.json")


def test_a_report_without_a_database_says_what_to_do(run: RunDirectory, pages: list[dict[str, Any]]) -> None:
    result = call("report")
    assert result.exit_code == 66
    assert "name it with --storage" in result.stderr
    assert pages == []


def test_an_export_takes_the_page_along(run: RunDirectory) -> None:
    (run.best_path / "report.html").write_text("<title>demo</title>")
    assert call("best", "--export", "out").exit_code == 0
    assert Path("out/report.html").read_text() == "<title>demo</title>"
