"""`tacotune trials`."""

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tacotune.cli.manifests import find_study
from tacotune.cli.output import duration, number, print_json, print_table, print_yaml
from tacotune.cli.status import RunsOption, StudyArgument

if TYPE_CHECKING:
    from tacotune.api.study import TTSStudySpec
    from tacotune.local.rundir import TrialRow

STATE_STYLE = {"Running": "cyan", "Complete": "green", "Pruned": "yellow", "Fail": "red", "Waiting": "dim"}


class Format(StrEnum):
    """How trials are printed."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    CSV = "csv"


OutputOption = Annotated[Format, typer.Option("--output", "-o", help="How to print.")]
SortOption = Annotated[
    str,
    typer.Option(
        "--sort", "-s", help="number, value, seconds, steps, a metric such as val_loss, or a parameter."
    ),
]
ReverseOption = Annotated[bool, typer.Option("--reverse", "-r", help="The other way round.")]
StateOption = Annotated[
    list[str] | None,
    typer.Option("--state", help="Only these: complete, pruned, fail, running, waiting."),
]


def trials(  # noqa: PLR0917  typer passes by name
    study: StudyArgument = None,
    directory: RunsOption = Path("runs"),
    output: OutputOption = Format.TABLE,
    sort: SortOption = "number",
    reverse: ReverseOption = False,
    state: StateOption = None,
) -> None:
    """List all trials. Values and metrics are sorted with the best first, whichever way is better.

    \b
    Examples:
      tacotune trials --sort value
      tacotune trials quickstart --sort val_loss
      tacotune trials -o csv > trials.csv
      tacotune trials -o json --state complete | jq '.[0].parameters'
    """
    run = find_study(study, directory)
    show(run.read_trials(), run.read_study().spec, output=output, sort=sort, reverse=reverse, state=state)


def show(
    trials: "Sequence[TrialRow]",
    spec: "TTSStudySpec",
    *,
    output: Format,
    sort: str,
    reverse: bool,
    state: list[str] | None,
) -> None:
    """Print trials, wherever they were read."""
    rows = list(trials)
    if state:
        wanted = {word.lower() for word in state}
        rows = [row for row in rows if row.state.lower() in wanted]
    rows = _sorted(rows, sort, spec, reverse=reverse)
    if output in {Format.JSON, Format.YAML}:
        from tacotune.local.rundir import rows_as_json  # noqa: PLC0415  pydantic is slow to import

        (print_json if output is Format.JSON else print_yaml)(rows_as_json(rows))
    elif output is Format.CSV:
        _print_csv(rows)
    else:
        _print_table(rows, spec, sort)


def _sorted(rows: "list[TrialRow]", sort: str, spec: "TTSStudySpec", *, reverse: bool) -> "list[TrialRow]":
    """Rows in order; those without the value come last either way."""
    from tacotune.api.findings import did_you_mean  # noqa: PLC0415  pydantic is slow to import
    from tacotune.api.parameters import METRICS  # noqa: PLC0415

    keys = {sort_key for row in rows for sort_key in (*row.metrics, *row.parameters)}
    known = ["number", "value", "seconds", "steps", *sorted(keys)]
    if sort not in known and rows:
        hint = did_you_mean(sort, known)
        raise typer.BadParameter(
            f"no trial has {sort!r}; {hint or 'there are: ' + ', '.join(known)}", param_hint="--sort"
        )
    direction = spec.all_objectives[0].direction if sort == "value" else METRICS.get(sort, "Minimize")
    having = [row for row in rows if _value(row, sort) is not None]
    lacking = [row for row in rows if _value(row, sort) is None]
    numeric = all(isinstance(_value(row, sort), int | float) for row in having)
    having.sort(
        key=lambda row: _value(row, sort) if numeric else str(_value(row, sort)),  # type: ignore[arg-type, return-value]
        reverse=(direction == "Maximize") != reverse,
    )
    return having + lacking


def _value(row: "TrialRow", key: str) -> str | float | None:
    if key in {"number", "value", "seconds", "steps"}:
        found: str | float | None = getattr(row, key)
        return found
    return row.metrics[key] if key in row.metrics else row.parameters.get(key)


def _print_table(rows: "list[TrialRow]", spec: "TTSStudySpec", sort: str) -> None:
    metric = spec.all_objectives[0].metric
    columns = [name for name in ("val_loss", "alignment") if name != metric]
    if sort not in {"number", "value", "seconds", "steps", metric, *columns} and any(
        sort in row.metrics for row in rows
    ):
        columns.append(sort)
    headers = [">TRIAL", "STATE", f">{metric.upper()}", *(f">{c.upper()}" for c in columns)]
    cells = [
        [
            str(row.number),
            row.state,
            number(row.value),
            *(number(row.metrics.get(c)) for c in columns),
            str(row.steps),
            str(row.attempts),
            duration(row.seconds) if row.seconds else "-",
            " ".join(f"{k}={number(v)}" for k, v in row.parameters.items()),
        ]
        for row in rows
    ]
    styles = [STATE_STYLE.get(row.state, "") for row in rows]
    print_table([*headers, ">STEPS", ">ATTEMPTS", ">TIME", "PARAMETERS"], cells, styles)


def _print_csv(rows: "list[TrialRow]") -> None:
    """One line a trial; a column for each value, parameter and metric that any of them has."""
    import csv  # noqa: PLC0415  only when asked

    values = max((len(row.values) for row in rows), default=0)
    parameters = sorted({name for row in rows for name in row.parameters})
    metrics = sorted({name for row in rows for name in row.metrics})
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(
        [
            *("number", "state", "value"),
            *(f"value_{i}" for i in range(values) if values > 1),
            *(f"parameter_{name}" for name in parameters),
            *(f"metric_{name}" for name in metrics),
            *("steps", "seconds", "attempts", "checkpoint", "message", "started_at", "ended_at"),
        ]
    )
    for row in rows:
        writer.writerow(
            [
                *(row.number, row.state, row.value),
                *(row.values[i] if i < len(row.values) else None for i in range(values) if values > 1),
                *(row.parameters.get(name) for name in parameters),
                *(row.metrics.get(name) for name in metrics),
                *(row.steps, row.seconds, row.attempts, row.checkpoint, row.message),
                row.started_at.isoformat() if row.started_at else None,
                row.ended_at.isoformat() if row.ended_at else None,
            ]
        )
