"""The end of a run: what is printed, and the rows of trials.json. Called by `runner`."""

import json
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from tacotune.api.conditions import ConditionType, Phase, find_condition
from tacotune.api.status import TTSStudyStatus
from tacotune.controller.reconcile import Outcome
from tacotune.engine.observed import Observed, ObservedTrial
from tacotune.local.options import RunOptions
from tacotune.local.rows import trial_row
from tacotune.local.rundir import RunDirectory, TrialRow
from tacotune.local.summary import all_trials, best_voice, loss_and_ear

PIPE_WIDTH = 180
EXAMPLE_TEXT = {"en": "the red cat", "ru": "красный кот"}


def console(*, stderr: bool = False) -> Console:
    """A console as wide as the terminal; files and pipes get room enough for a row per line."""
    # Messages may have brackets: they are text here, never markup.
    made = Console(stderr=stderr, highlight=False, markup=False)
    return (
        made if made.is_terminal else Console(stderr=stderr, highlight=False, markup=False, width=PIPE_WIDTH)
    )


def print_end(
    outcome: Outcome, directory: RunDirectory, options: RunOptions, page: Path | None = None
) -> None:
    """Print how the study ended, and where its page lies."""
    if options.json:
        print(json.dumps(outcome.status.model_dump(mode="json", by_alias=True), indent=1))  # noqa: T201  asked for
        return
    out = console()
    trials = outcome.observed.trials
    out.print()
    out.print(all_trials(trials))
    comparison = loss_and_ear(trials)
    if comparison is not None:
        out.print()
        out.print(comparison)
    out.print()
    found = directory.read_best()
    if found is not None:
        voice, folder = found
        origin = "trained fully with the parameters of" if voice.purpose == "final" else "as searched in"
        files = {
            "checkpoint": folder / voice.checkpoint,
            "samples": folder / "samples",
            "alignments": folder / "alignments",
            "logs": directory.root / "finished",
        }
        out.print(
            best_voice(f"Best voice: {origin} trial {voice.trial}", voice.metrics, voice.parameters, files)
        )
        out.print()
        text = EXAMPLE_TEXT[outcome.observed.spec.dataset.language]
        speak = f"tacotrain synthesize --checkpoint {files['checkpoint']} --text '{text}' -o speech.wav"
        out.print(f"Speak with it:  {speak}", soft_wrap=True)
        out.print(f"Look again:     tacotune trials {directory.root}", soft_wrap=True)
        out.print(f"                tacotune best {directory.root}", soft_wrap=True)
        out.print(f"                tacotune dashboards {directory.root}", soft_wrap=True)
        out.print()
    if page is not None:
        out.print(f"Study page:     {page}", soft_wrap=True)
        out.print()
    style = "bold green" if outcome.status.phase is Phase.SUCCEEDED else "bold red"
    out.print(f"{outcome.status.phase.value}: {why(outcome.status)}", style=style)


def why(status: TTSStudyStatus) -> str:
    """Why the study is where it is, in one line."""
    condition = find_condition(status.conditions, ConditionType.SUCCEEDED)
    return f"{condition.reason.value}: {condition.message}" if condition is not None else status.phase.value


def trial_rows(observed: Observed, directory: RunDirectory) -> list[TrialRow]:
    """All trials as `trials.json` has them."""
    return [_row(trial, directory.root) for trial in observed.trials]


def _row(trial: ObservedTrial, root: Path) -> TrialRow:
    folder = Path("trials") / f"{trial.number:04d}"
    samples = sorted((root / folder / "samples").glob("*/*.wav")) if trial.checkpoint else []
    pictures = sorted((root / folder / "alignments").glob("*/*.png")) if trial.checkpoint else []
    return replace(
        trial_row(trial),
        samples=tuple(str(p.relative_to(root)) for p in samples),
        alignments=tuple(str(p.relative_to(root)) for p in pictures),
    )
