"""What commands print: columns as kubectl has them, JSON, YAML, CSV. Colors only on a terminal that wants them."""

import json
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import typer

_CODES = {"green": 32, "red": 31, "yellow": 33, "cyan": 36, "bold": 1, "dim": 2}


def colored() -> bool:
    """Whether standard output is a terminal that wants colors (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, style: str) -> str:
    """The text in a style, where colors are wanted."""
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if style and colored() else text


def print_table(headers: Sequence[str], rows: Iterable[Sequence[str]], styles: Sequence[str] = ()) -> None:
    """Print columns; on a terminal the last one is cut at the edge, elsewhere nothing is.

    Args:
        headers: Names of the columns; one that starts with `>` is aligned to the right.
        rows: Cells.
        styles: Style of each row.
    """
    cells = [[h.removeprefix(">") for h in headers], *([*row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headers))]
    for index, row in enumerate(cells):
        parts = [
            cell.rjust(width) if header.startswith(">") else cell.ljust(width)
            for cell, width, header in zip(row, widths, headers, strict=True)
        ]
        line = "   ".join(parts).rstrip()
        if sys.stdout.isatty():
            line = _cut(line, shutil.get_terminal_size().columns)
        style = "bold" if index == 0 else styles[index - 1] if styles else ""
        typer.echo(paint(line, style), color=True)


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else f"{line[: width - 1]}…"


def print_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Print `name   value` lines, names aligned; empty values are left out."""
    shown = [(name, value) for name, value in fields if value]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        first, *rest = value.splitlines()
        typer.echo(f"{paint(name.ljust(width), 'bold')}   {first}", color=True)
        for line in rest:
            typer.echo(f"{' ' * width}   {line}")


def print_json(document: Any) -> None:
    """Print JSON, as it is."""
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2))


def print_yaml(document: Any) -> None:
    """Print YAML: what `print_json` would print, as manifests are written."""
    from ruamel.yaml import YAML  # noqa: PLC0415  only when asked

    writer = YAML()
    # A message is one line.
    writer.width = 4096
    writer.dump(document, sys.stdout)


def number(value: object) -> str:
    """A number for people: at most four significant digits after the first zeros; `-` for none."""
    match value:
        case None:
            return "-"
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:.4g}"
        case _:
            return str(value)


def size(count: float) -> str:
    """`1.5 GiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def duration(seconds: float) -> str:
    """`2h05m`, `3m20s`, `12s`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours // 24}d{hours % 24:02d}h"
    if hours:
        return f"{hours}h{minutes:02d}m"
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"
