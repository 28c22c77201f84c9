"""What a trial leaves on disk while it runs: events, metrics and progress, readable by people and programs."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from tacotrain.files import encode_json, explain, finite_only, write_atomic

PROGRESS_SECONDS: Final = 1.0
"""Shortest time between two writes of `progress.json`."""
LAST_STATES: Final = frozenset({"finished", "interrupted"})
"""An attempt's last word, which is written however soon it comes."""


class JsonLines:
    """A file with one JSON object a line, whole lines only; without a path nothing is written."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def append(self, document: Mapping[str, Any]) -> None:
        """Add a line.

        Raises:
            WriteError: The disk is full.
        """
        if self._path is None:
            return
        try:
            # One write per line, and no handle between them: a kill leaves no half-filled buffer behind.
            with self._path.open("a", encoding="utf-8") as file:
                file.write(encode_json(document) + "\n")
        except OSError as error:
            raise explain(error, self._path) from error

    def keep(self, wanted: Callable[[dict[str, Any]], bool]) -> None:
        """Rewrite the file with the lines that are wanted; a torn last line goes too."""
        if self._path is None or not self._path.exists():
            return
        lines = [
            line for line in self._path.read_text(encoding="utf-8").splitlines() if _wanted(line, wanted)
        ]
        write_atomic(self._path, "".join(f"{line}\n" for line in lines))


def _wanted(line: str, wanted: Callable[[dict[str, Any]], bool]) -> bool:
    try:
        document = json.loads(line)
    except json.JSONDecodeError:
        return False
    return isinstance(document, dict) and wanted(document)


class Events:
    """`events.jsonl`: what happened, in order, over all attempts. Of several workers one writes: the others give no directory."""

    def __init__(
        self, directory: Path | None, *, attempt: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._lines = JsonLines(None if directory is None else directory / "events.jsonl")
        self._attempt = attempt
        self._clock = clock

    def record(self, event: str, *, step: int, **fields: Any) -> None:
        """Add an event."""
        self._lines.append(
            {
                "event": event,
                "step": step,
                "attempt": self._attempt,
                "time": round(self._clock(), 3),
                **fields,
            }
        )


class MetricsFile:
    """`metrics.jsonl`: one line per evaluation."""

    def __init__(self, directory: Path | None) -> None:
        self._lines = JsonLines(None if directory is None else directory / "metrics.jsonl")

    def append(self, *, step: int, epoch: float, seconds: float, metrics: Mapping[str, float]) -> None:
        """Add an evaluation."""
        self._lines.append(
            {"step": step, "epoch": epoch, "seconds": round(seconds, 3), "metrics": finite_only(metrics)}
        )

    def rewind(self, step: int) -> None:
        """Forget the evaluations after a step: training goes on from there and makes them again."""
        self._lines.keep(lambda line: isinstance(line.get("step"), int) and line["step"] <= step)


class ProgressFile:
    """`progress.json`: where the training is now, replaced at most once a second, and at the end.

    Args:
        directory: The trial directory; None: nothing is written.
        clock: Seconds since the epoch.
    """

    def __init__(self, directory: Path | None, *, clock: Callable[[], float] = time.time) -> None:
        self._path = None if directory is None else directory / "progress.json"
        self._clock = clock
        self._written_at: float | None = None

    def update(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Write the document with the time added, unless one was written just now; the last one always."""
        now = self._clock()
        stamped = {**document, "updatedAt": round(now, 3)}
        if self._path is not None and (
            self._written_at is None
            or now - self._written_at >= PROGRESS_SECONDS
            or document.get("state") in LAST_STATES
        ):
            write_atomic(self._path, encode_json(stamped) + "\n")
            self._written_at = now
        return stamped
