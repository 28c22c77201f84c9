"""The tables and tiles: facts in, rows of words out. The template escapes what is in them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tacotrain.study_page.accounting import Cause, Hours, Outcome
from tacotrain.study_page.facts import FINISHED, State, Study, Trial, Value, pareto_front, ranked
from tacotrain.study_page.wording import NONE, count, duration, hours, moment, number

MOST_ROWS = 1000
"""Of the table of all trials; the best and the newest say enough of more."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One number of the summary."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Columns that begin with `>` are numbers."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def headline(study: Study) -> str:
    """How far the study is, in a sentence."""
    states = [
        count(len(found), word, word)
        for word, found in (
            ("complete", study.of(State.COMPLETE)),
            ("pruned", study.of(State.PRUNED)),
            ("failed", study.of(State.FAIL)),
            ("running", study.of(State.RUNNING)),
            ("waiting", study.of(State.WAITING)),
        )
        if found
    ]
    if not states:
        return "No trial has begun."
    return f"{count(len(study.trials), 'trial')}: {', '.join(states)}."


def tiles(study: Study, spent: Hours) -> tuple[Tile, ...]:
    """The summary."""
    best = ranked(study)
    attempts = [attempt for trial in study.trials for attempt in trial.attempts]
    retries = sum(max(len(trial.attempts) - 1, 0) for trial in study.trials)
    goal = study.objectives[0]
    found = []
    if len(study.objectives) > 1:
        found.append(Tile("Pareto front", count(len(pareto_front(study)), "trial")))
    elif best:
        found.append(
            Tile(f"Best {goal.name}", number(best[0].values[0]), f"trial {best[0].number}, {goal.direction}")
        )
    found += [
        Tile(
            "Trials",
            str(len(study.trials)),
            f"{len(study.of(State.COMPLETE))} complete, {len(study.of(State.PRUNED))} pruned, {len(study.of(State.FAIL))} failed",
        ),
        Tile("Attempts", str(len(attempts)), count(retries, "retry", "retries")),
        Tile("GPU hours" if spent.gpu else "Hours of attempts", hours(spent.total), _useful(spent)),
    ]
    ends = [attempt.ended for _, attempt in study.everything() if attempt.ended is not None]
    if study.started is not None and ends:
        end = study.taken if study.running else max(ends)
        seconds = max((end - study.started).total_seconds(), 0.0)
        found.append(Tile("Elapsed", duration(seconds), f"began {moment(study.started)}"))
    return tuple(found)


def _useful(spent: Hours) -> str:
    return f"{spent.seconds[Outcome.USEFUL] / spent.total:.0%} useful" if spent.total > 0 else ""


def pairs(title: str, values: Mapping[str, Value]) -> Table:
    """Names and values."""
    return Table(title, ("", ">"), tuple((name, number(value)) for name, value in values.items()))


def failures(found: Sequence[Cause]) -> Table | None:
    """Why attempts ended before their trial was done; None when none did."""
    if not found:
        return None
    rows = tuple(
        (
            cause.name,
            str(cause.attempts),
            str(cause.retried),
            str(cause.gave_up),
            duration(cause.lost_seconds) if cause.lost_seconds else NONE,
            cause.message or NONE,
        )
        for cause in found
    )
    columns = ("Cause", ">Attempts", ">Tried again", ">Gave up", ">Time lost", "The newest message")
    return Table("Failures and retries by cause", columns, rows)


def failed_trials(study: Study) -> Table | None:
    """Trials that gave up, with their last words; None when none did."""
    rows = tuple(
        (str(trial.number), str(len(trial.attempts)), _reason(trial)) for trial in study.of(State.FAIL)
    )
    return Table("Trials that failed", (">Trial", ">Attempts", "Why"), rows) if rows else None


def _reason(trial: Trial) -> str:
    return trial.message or (trial.attempts[-1].message if trial.attempts else "") or NONE


def all_trials(study: Study) -> Table | None:
    """Every trial, the best first, then the others, the newest first; None when there is none."""
    if not study.trials:
        return None
    order = ranked(study)
    known = {trial.number for trial in order}
    rest = [trial for trial in reversed(study.trials) if trial.number not in known]
    shown = [*order, *rest][:MOST_ROWS]
    names = [parameter.name for parameter in study.parameters]
    columns = (
        *(">Trial", "State"),
        *(f">{goal.name}" for goal in study.objectives),
        *(">Step", ">Attempts", ">Time"),
        *(f">{name}" for name in names),
    )
    rows = tuple(
        (
            *(str(trial.number), trial.state.value),
            *_values(trial, len(study.objectives)),
            *(str(trial.last[0]) if trial.last else NONE, str(len(trial.attempts)), _time(trial)),
            *(number(trial.parameters.get(name)) for name in names),
        )
        for trial in shown
    )
    left = len(study.trials) - len(shown)
    return Table("All trials", columns, rows, f"{left} more are not shown." if left else "")


def _values(trial: Trial, objectives: int) -> tuple[str, ...]:
    """Of a trial without values its last report, in brackets."""
    if len(trial.values) == objectives:
        return tuple(map(number, trial.values))
    first = f"({number(trial.last[1])})" if trial.last else NONE
    return (first, *(NONE,) * (objectives - 1))


def _time(trial: Trial) -> str:
    seconds = sum(attempt.seconds for attempt in trial.attempts)
    return duration(seconds) if seconds else NONE


def finish_of(trial: Trial) -> str:
    """How a trial's last attempt ended: `early_stopped, attempt 2`."""
    last = trial.attempts[-1] if trial.attempts else None
    if last is None or last.cause != FINISHED or not last.outcome:
        return ""
    again = f", attempt {last.number}" if last.number > 1 else ""
    return f"{last.outcome.replace('_', ' ')}{again}"
