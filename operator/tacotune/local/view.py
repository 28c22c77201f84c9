"""What a person sees while a study runs: pure functions from one pass to lines and tables. The runner prints them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from rich.console import Group, JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

from tacotune.api.status import TTSStudyStatus
from tacotune.engine.observed import (
    JobPhase,
    Observed,
    ObservedJob,
    ObservedTrial,
    ParameterValue,
    Purpose,
    TrialState,
)

STATE_STYLE = {
    TrialState.WAITING: "dim",
    TrialState.RUNNING: "cyan",
    TrialState.COMPLETE: "green",
    TrialState.PRUNED: "yellow",
    TrialState.FAIL: "red",
}


COLUMNS = (
    ("TRIAL", 5),
    ("STATE", 10),
    ("STEP", 9),
    ("FRAMES/S", 8),
    ("LOSS", 6),
    ("ALIGN", 5),
    ("VALUE", 6),
    ("TIME", 6),
    ("MEMORY", 9),
)
"""Names and widths of the live table's columns."""


def duration(seconds: float) -> str:
    """`75` seconds as `1m15s`."""
    seconds = max(int(seconds), 0)
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    if hours:
        return f"{hours}h{minutes:02d}m"
    return f"{minutes}m{seconds:02d}s" if minutes else f"{seconds}s"


def number(value: float | None, digits: int = 3) -> str:
    """A finite number, or a dash."""
    return "-" if value is None else f"{value:.{digits}f}"


def parameters_line(parameters: Mapping[str, ParameterValue]) -> str:
    """`learning_rate=0.02 reduction_factor=3`."""
    return " ".join(f"{name}={short(value)}" for name, value in parameters.items())


def short(value: ParameterValue) -> str:
    """A parameter's value in three digits."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def live_view(
    observed: Observed, status: TTSStudyStatus, notes: Sequence[str], started: datetime
) -> RenderableType:
    """The whole live screen: headline, one row a trial, what happened last."""
    return Group(
        _headline(observed, status, started), trials_table(observed), Text("\n".join(notes), style="dim")
    )


def _headline(observed: Observed, status: TTSStudyStatus, started: datetime) -> Text:
    line = Text()
    line.append(f"{observed.name}  ", style="bold")
    line.append(f"{status.phase.value}  ", style="cyan")
    line.append(f"trials {status.progress or '0'}  ")
    line.append(f"pruned {status.trials.pruned}  failed {status.trials.failed}  ")
    if status.best is not None:
        line.append(f"best {status.best.value:.3f} (trial {status.best.trial})  ", style="green")
    line.append(f"elapsed {duration((observed.now - started).total_seconds())}  ")
    if status.estimated_completion_time is not None:
        left = (status.estimated_completion_time - observed.now).total_seconds()
        line.append(f"about {duration(left)} left")
    return line


def trials_table(observed: Observed, limit: int = 24) -> Table:
    """Running trials first to see, all others by number; at most `limit` rows."""
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    for name, width in COLUMNS:
        # Numbers keep their room; what is left over goes to the parameters.
        justify: JustifyMethod = "left" if name == "STATE" else "right"
        table.add_column(name, justify=justify, no_wrap=True, min_width=width, max_width=width)
    table.add_column("PARAMETERS", no_wrap=True, overflow="ellipsis", ratio=1)
    jobs = {(job.purpose, job.trial): job for job in observed.jobs if not job.phase.ended}
    trials = [t for t in observed.trials if t.state is not TrialState.WAITING]
    shown = trials[-limit:]
    if len(trials) > limit:
        table.add_row("…", f"{len(trials) - limit} earlier", *[""] * 8)
    for trial in shown:
        table.add_row(
            *_row(observed, trial, jobs.get((Purpose.TRIAL, trial.number))), style=STATE_STYLE[trial.state]
        )
    final = next((job for job in observed.jobs if job.purpose is Purpose.FINAL and not job.phase.ended), None)
    if final is not None:
        table.add_row(*_final_row(observed, final), style="magenta")
    prepare = next(
        (job for job in observed.jobs if job.purpose is Purpose.PREPARE and not job.phase.ended), None
    )
    if prepare is not None:
        since = (observed.now - (prepare.started_at or observed.now)).total_seconds()
        table.add_row(
            "", "Preparing", "", "", "", "", "", duration(since), "", "dataset: speech, checks, mel frames"
        )
    return table


def _row(observed: Observed, trial: ObservedTrial, job: ObservedJob | None) -> list[str]:
    progress = (job.progress if job else None) or trial.progress
    state = trial.state.value
    if trial.state is TrialState.RUNNING:
        if job is None:
            state = "Retrying" if trial.attempts else "Starting"
        elif job.phase is JobPhase.PENDING:
            state = "Pending"
        elif job.stopping or trial.prune_requested:
            state = "Stopping"
        elif progress is not None and progress.state not in {"", "training", "finished", "interrupted"}:
            state = progress.state.capitalize()
    value = trial.values[0] if trial.values else (trial.last_report[1] if trial.last_report else None)
    seconds = _elapsed(observed, trial)
    return [
        str(trial.number),
        state,
        f"{progress.step}/{progress.total_steps}" if progress and progress.total_steps else "",
        f"{progress.frames_per_second:,.0f}" if progress and progress.frames_per_second else "",
        number(progress.loss) if progress else "",
        number(trial.metrics.get("alignment") or (progress.alignment if progress else None), 2),
        number(value),
        duration(seconds) if seconds is not None else "",
        _megabytes(job),
        parameters_line(trial.parameters),
    ]


def _final_row(observed: Observed, job: ObservedJob) -> list[str]:
    progress = job.progress
    since = (observed.now - (job.started_at or observed.now)).total_seconds()
    return [
        "final",
        "Stopping" if job.stopping else "Training",
        f"{progress.step}/{progress.total_steps}" if progress and progress.total_steps else "",
        f"{progress.frames_per_second:,.0f}" if progress and progress.frames_per_second else "",
        number(progress.loss) if progress else "",
        number(progress.alignment if progress else None, 2),
        number(progress.value if progress else None),
        duration(since),
        _megabytes(job),
        f"the parameters of trial {job.trial}, trained fully",
    ]


def _megabytes(job: ObservedJob | None) -> str:
    return f"{job.memory_bytes / 2**20:,.0f} MiB" if job is not None and job.memory_bytes else ""


def _elapsed(observed: Observed, trial: ObservedTrial) -> float | None:
    if trial.started_at is None:
        return None
    return ((trial.ended_at or observed.now) - trial.started_at).total_seconds()


def progress_line(observed: Observed, status: TTSStudyStatus, started: datetime) -> str:
    """One line for logs and pipes, where a table that redraws itself is of no use."""
    running = []
    for job in observed.jobs:
        if job.phase.ended or job.progress is None:
            continue
        name = "final" if job.purpose is Purpose.FINAL else f"trial {job.trial}"
        running.append(
            f"{name} {job.progress.step}/{job.progress.total_steps} loss {number(job.progress.loss)}"
        )
    elapsed = timedelta(seconds=int((observed.now - started).total_seconds()))
    best = f"best {status.best.value:.3f}" if status.best is not None else "no best yet"
    return f"[{elapsed}] {status.phase.value} {status.progress} · {best}" + "".join(
        f" · {line}" for line in running
    )
