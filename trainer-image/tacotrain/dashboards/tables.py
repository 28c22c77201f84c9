"""Small tables in Markdown: Streamlit's own take pandas and Arrow, 100 MB for a dozen numbers."""

from collections.abc import Mapping, Sequence
from typing import Any


def comparison(labels: Sequence[str], columns: Sequence[Mapping[str, Any]]) -> str:
    """A row for each name and a column for each mapping; where they differ, values are in bold."""
    names = sorted({name for column in columns for name in column})
    if not names:
        return "Nothing is known yet."
    rows = [["", *map(_plain, labels)], ["---"] * (len(labels) + 1)]
    for name in names:
        values = [shown(column.get(name)) for column in columns]
        mark = "**" if len(set(values)) > 1 else ""
        rows.append([_plain(name), *(f"{mark}{_plain(value)}{mark}" for value in values)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def shown(value: Any) -> str:
    """A value for people: four digits, a dash where there is none."""
    match value:
        case None | "":
            return "–"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.4g}"
        case _:
            return str(value)


def _plain(text: str) -> str:
    """Text of others as it is: nothing in it is markup."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>()#+!|~$:" else " " if c in "\r\n" else c for c in text)
