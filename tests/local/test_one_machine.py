"""`tacotune run` as a user runs it: the real command, an embedded Postgres, the real trainer."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import commands, study_files
from support.eventually import eventually
from support.running import attempts_of, killing_what_is_left, step_of

pytestmark = pytest.mark.end_to_end

LONG = {"epochs": 400, "max_steps": 60}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    with killing_what_is_left(tmp_path):
        yield tmp_path


def finished(rows: list[dict[str, Any]]) -> dict[int, tuple[Any, ...]]:
    return {r["number"]: (r["state"], r["value"], r["endedAt"]) for r in rows if r["endedAt"]}


def test_a_study_runs_to_its_best_voice_and_is_not_run_twice(folder: Path) -> None:
    document = study_files.manifest("whole", finalTraining={"enabled": True, "epochs": 6})
    study_files.write(folder, document)
    code, output = commands.tacotune(folder, "run", "whole.yaml", "--no-dashboards")
    assert code == 0, output
    for part in (
        "StudySucceeded",
        "MaxTrialsReached",
        "All trials",
        "Loss and ear",
        "Best voice",
        "checkpoint",
        "samples",
    ):
        assert part in output
    rows = commands.trials(folder, "whole")
    assert [r["number"] for r in rows] == [0, 1, 2]
    assert {r["state"] for r in rows} == {"Complete"}
    best = folder / "runs/whole/best"
    assert sorted(p.suffix for p in (best / "samples").iterdir()) == [".wav"]
    assert [p.suffix for p in (best / "alignments").iterdir()] == [".png"]
    assert json.loads((best / "best.json").read_text())["parameters"]["attention_rnn_dim"] == 24

    # Its page lies beside the voice, and is made again from the database, which does not run now.
    assert "Study page:" in output
    assert "trained fully with the parameters" in (best / "report.html").read_text()
    code, output = commands.tacotune(folder, "report", "whole", "-o", "page.html")
    assert code == 0, output
    assert "page.html written" in output
    assert "3 trials: 3 complete." in (folder / "page.html").read_text()

    speech = folder / "speech.wav"
    arguments = [
        "synthesize",
        "--checkpoint",
        str(best / "checkpoint"),
        "--text",
        "the red cat",
        "-o",
        str(speech),
    ]
    subprocess.run(
        [commands.BIN / "tacotrain", *arguments], check=True, env=commands.environment(), capture_output=True
    )
    assert speech.read_bytes()[:4] == b"RIFF"

    code, output = commands.tacotune(folder, "run", "whole.yaml", "--no-dashboards")
    assert code == 0, output
    assert "TrialStarted" not in output
    assert finished(commands.trials(folder, "whole")) == finished(rows)

    # A raised budget reopens the study; what was finished stays.
    code, output = commands.tacotune(folder, "run", "whole.yaml", "--no-dashboards", "--set", "maxTrials=4")
    assert code == 0, output
    again = commands.trials(folder, "whole")
    assert len(again) == 4
    assert finished(rows).items() <= finished(again).items()

    code, output = commands.tacotune(
        folder, "run", "whole.yaml", "--no-dashboards", "--set", "sampler.name=random"
    )
    assert code not in {0, 1}
    assert "spec.sampler.name changed" in output


def test_ctrl_c_checkpoints_and_the_same_command_goes_on(folder: Path) -> None:
    study_files.write(folder, study_files.manifest("pause", fixedParameters=LONG, maxTrials=2))
    process = commands.start(folder, "run", "pause.yaml", "--no-dashboards")
    eventually(lambda: min(step_of(folder, "pause", 0), step_of(folder, "pause", 1)) >= 10, within=120)
    os.kill(process.pid, signal.SIGINT)
    code, output = commands.finish(process)
    assert code == 75, output
    assert "every trial is checkpointed" in output
    stopped_at = step_of(folder, "pause", 0)
    assert stopped_at < 60

    code, output = commands.tacotune(folder, "run", "pause.yaml", "--no-dashboards")
    assert code == 0, output
    rows = commands.trials(folder, "pause")
    assert [(r["number"], r["state"]) for r in rows] == [(0, "Complete"), (1, "Complete")]
    assert attempts_of(folder, "pause", 0) == ["pause-0-1", "pause-0-2"]
    log = (folder / "runs/pause/finished/pause-0-2/log.txt").read_text()
    assert f"step {stopped_at}" in log or f"step-{stopped_at:08d}" in log, log


def test_a_killed_runner_loses_nothing(folder: Path) -> None:
    study_files.write(folder, study_files.manifest("killed", fixedParameters=LONG, maxTrials=3))
    process = commands.start(folder, "run", "killed.yaml", "--no-dashboards")
    eventually(
        lambda: commands.status(folder, "killed").get("trials", {}).get("succeeded", 0) >= 1, within=150
    )
    before = finished(commands.trials(folder, "killed"))
    os.kill(process.pid, signal.SIGKILL)
    commands.finish(process)

    code, output = commands.tacotune(folder, "run", "killed.yaml", "--no-dashboards")
    assert code == 0, output
    rows = commands.trials(folder, "killed")
    assert [(r["number"], r["state"]) for r in rows] == [(n, "Complete") for n in range(3)]
    assert before.items() <= finished(rows).items()
    assert all(attempts_of(folder, "killed", n) == [f"killed-{n}-1"] for n in before)


def test_a_second_run_on_the_same_folder_refuses_politely(folder: Path) -> None:
    study_files.write(folder, study_files.manifest("busy", fixedParameters=LONG))
    process = commands.start(folder, "run", "busy.yaml", "--no-dashboards")
    eventually(lambda: step_of(folder, "busy", 0) > 0, within=120)
    code, output = commands.tacotune(folder, "run", "busy.yaml", "--no-dashboards")
    assert code == 69, output
    assert f"process {process.pid}" in output
    assert "Traceback" not in output
    os.kill(process.pid, signal.SIGINT)
    assert commands.finish(process)[0] == 75


def test_an_unusable_dataset_fails_the_study_and_names_the_files(folder: Path) -> None:
    recordings = folder / "recordings"
    (recordings / "wavs").mkdir(parents=True)
    (recordings / "wavs/sent-1.wav").write_bytes(b"not a recording")
    (recordings / "metadata.csv").write_text("sent-1|The cat sat.\n")
    document = study_files.manifest("bad", dataset={"language": "en", "path": "recordings"})
    study_files.write(folder, document)
    code, output = commands.tacotune(folder, "run", "bad.yaml", "--no-dashboards")
    assert code == 1, output
    assert "DatasetUnusable" in output
    assert "1 of 1 recordings cannot be used (unreadable 1): sent-1; repair them" in output
    assert commands.trials(folder, "bad") == []


def test_a_parameter_that_the_trainer_does_not_know_starts_nothing(folder: Path) -> None:
    document = study_files.manifest("typo")
    document["spec"]["searchSpace"][0]["name"] = "learning_rat"
    study_files.write(folder, document)
    code, output = commands.tacotune(folder, "run", "typo.yaml", "--no-dashboards")
    assert code == 64, output
    assert "learning_rat" in output
    assert "learning_rate" in output
    assert not (folder / "runs/typo").exists()
