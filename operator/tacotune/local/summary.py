"""What the run leaves to read: the best trial, all trials, and how differently loss and ear rank them. Pure."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tacotune.engine.observed import ObservedTrial, TrialState
from tacotune.local.view import STATE_STYLE, duration, number, parameters_line, short

VOICE_METRICS = (
    ("tts_score", "score: 0 a good voice, above 1 it has not learned to read"),
    ("alignment", "attention follows the text (1 is perfect)"),
    ("swap_ratio", "loss with a wrong text / with the right one: above 2 it reads"),
    ("stop_rate", "sentences that stopped by themselves"),
    ("failure_rate", "sentences that failed in free running"),
    ("mcd_dtw", "mel-cepstral distance to the recording, free running, dB"),
    ("word_hit_rate", "attention on the word that sounds"),
    ("val_loss", "teacher-forced validation loss"),
)


def all_trials(trials: Sequence[ObservedTrial]) -> Table:
    """Every trial, by number."""
    table = Table(title="All trials", title_justify="left", box=None, pad_edge=False, header_style="bold")
    for name in ("TRIAL", "STATE", "SCORE", "ALIGN", "SWAP", "MCD dB", "STEPS", "ATTEMPTS", "TIME"):
        table.add_column(name, justify="left" if name == "STATE" else "right", no_wrap=True)
    names = _searched(trials)
    for name in names:
        # Broken at its underscores, a long name makes a high column, not a wide one.
        table.add_column(name.replace("_", "_\n"), justify="right", no_wrap=True, vertical="bottom")
    for trial in trials:
        last = trial.last_report
        value = trial.values[0] if trial.values else (last[1] if last else None)
        seconds = (
            (trial.ended_at - trial.started_at).total_seconds()
            if trial.started_at and trial.ended_at
            else None
        )
        table.add_row(
            str(trial.number),
            trial.state.value,
            number(value),
            number(trial.metrics.get("alignment"), 2),
            number(trial.metrics.get("swap_ratio"), 2),
            number(trial.metrics.get("mcd_dtw"), 1),
            str(trial.best_step or (last[0] if last else "-")),
            str(len(trial.attempts)),
            duration(seconds) if seconds is not None else "-",
            *(short(trial.parameters[name]) if name in trial.parameters else "-" for name in names),
            style=STATE_STYLE[trial.state],
        )
    return table


def _searched(trials: Sequence[ObservedTrial]) -> list[str]:
    """Names of all parameters of these trials, in the order in which they first stand."""
    return list(dict.fromkeys(name for trial in trials for name in trial.parameters))


def loss_and_ear(trials: Sequence[ObservedTrial]) -> RenderableType | None:
    """Finished trials ranked by validation loss and by tts_score, side by side; None with fewer than two."""
    ranked = [
        (t, t.metrics["val_loss"], t.metrics["tts_score"])
        for t in trials
        if t.state in {TrialState.COMPLETE, TrialState.PRUNED} and {"val_loss", "tts_score"} <= set(t.metrics)
    ]
    if len(ranked) < 2:
        return None
    by_loss = sorted(ranked, key=lambda row: row[1])
    by_score = sorted(ranked, key=lambda row: row[2])
    rank_by_score = {row[0].number: place for place, row in enumerate(by_score, 1)}
    table = Table(title="Loss and ear", title_justify="left", box=None, pad_edge=False, header_style="bold")
    for name in ("BY LOSS", "TRIAL", "VAL_LOSS", "TTS_SCORE", "BY SCORE", "SWAP", "MCD dB", "STOPS", "R"):
        table.add_column(name, justify="right", no_wrap=True)
    for place, (trial, loss, score) in enumerate(by_loss, 1):
        other = rank_by_score[trial.number]
        table.add_row(
            str(place),
            str(trial.number),
            number(loss),
            number(score),
            str(other),
            number(trial.metrics.get("swap_ratio"), 2),
            number(trial.metrics.get("mcd_dtw"), 1),
            number(trial.metrics.get("stop_rate"), 2),
            str(trial.parameters.get("reduction_factor", "-")),
            style="bold" if place != other else "",
        )
    best_loss, best_score = by_loss[0][0].number, by_score[0][0].number
    apart = sum(1 for place, row in enumerate(by_loss, 1) if rank_by_score[row[0].number] != place)
    verdict = (
        f"The lowest validation loss (trial {best_loss}) is also the best voice, and {apart} of {len(ranked)} trials change places."
        if best_loss == best_score
        else f"The lowest validation loss is trial {best_loss}, the best voice is trial {best_score}: "
        f"{apart} of {len(ranked)} trials change places. Teacher-forced loss does not tell who can speak."
    )
    return Group(table, Text(verdict, style="italic"))


def best_voice(
    title: str, metrics: Mapping[str, Any], parameters: Mapping[str, Any], files: Mapping[str, Path]
) -> Group:
    """The best voice: numbers, parameters, and where it lies."""
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold green",
        box=None,
        pad_edge=False,
        show_header=False,
    )
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(style="dim")
    for name, meaning in VOICE_METRICS:
        value = metrics.get(name)
        if isinstance(value, int | float):
            table.add_row(f"{value:.3f}", name, meaning)
    where = Table(box=None, pad_edge=False, show_header=False)
    where.add_column(no_wrap=True, style="bold")
    where.add_column(overflow="fold")
    where.add_row("parameters", parameters_line(parameters))
    for name, path in files.items():
        where.add_row(name, str(path))
    return Group(table, where)
