"""Reads a study and writes its page: the only part with a clock, a database and a disk. Called by `tacotrain.cli_report`."""

import time
from datetime import UTC, datetime
from pathlib import Path

from tacotrain.dashboards.study_files import document
from tacotrain.files import make_directory, write_atomic
from tacotrain.study_page import media
from tacotrain.study_page.importance import importance
from tacotrain.study_page.manifest import Manifest
from tacotrain.study_page.page import Voice, Voices, render, top
from tacotrain.study_page.rows import read_rows, study_of


def make_page(url: str, name: str, root: Path, manifest: Manifest, output: Path) -> int:
    """Write the page of a study; its size in bytes.

    Args:
        url: Of Optuna's database; it is only read.
        name: The study's name there.
        root: The study's folder; without one the page has nothing to hear.
        manifest: What is known of the manifest.
        output: The file; an earlier one stays until the new one is whole.

    Raises:
        InputMissing: There is no such study.
        DatabaseAway: The database does not answer.
        ConfigError: The database is of another version of Optuna.
        WriteError: The disk is full.
        PermissionDenied: The user may not write there.
    """
    rows = read_rows(url, name)
    study = study_of(rows, name, datetime.fromtimestamp(time.time(), UTC), manifest)
    voices = Voices(
        published=read_voice(root),
        galleries={trial.number: media.of_trial(root, trial.number) for trial in top(study)},
    )
    text = render(study, importance(rows.trials, rows.directions), voices)
    make_directory(output.parent)
    write_atomic(output, text)
    return len(text.encode())


def read_voice(root: Path) -> Voice | None:
    """The published voice; None when there is none that can be read."""
    found = document(root / "best" / "best.json")
    trial, parameters, metrics = found.get("trial"), found.get("parameters"), found.get("metrics")
    if not isinstance(trial, int) or not isinstance(parameters, dict):
        return None
    final = found.get("purpose") == "final"
    return Voice(
        trial=trial,
        final=final,
        parameters=parameters,
        metrics=metrics if isinstance(metrics, dict) else {},
        # That of a trial is what the trial's own folder has.
        gallery=media.of_best(root) if final else media.Gallery(),
    )
