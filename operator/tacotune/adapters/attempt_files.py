"""Files of one local attempt, and the atomic JSON that all of them use. Called by `processes` and `promotion`."""

import contextlib
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tacotune.engine.observed import Purpose


def read_json(path: Path) -> dict[str, Any] | None:
    """Read a JSON object; None when it is absent or not (yet) one."""
    try:
        document = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
        return None
    return document if isinstance(document, dict) else None


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Replace a JSON file in one rename, so that a reader sees the old or the new one."""
    beside = path.with_name(path.name + ".tmp")
    with beside.open("w") as file:
        json.dump(document, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def newest_trial_document(root: Path, purpose: Purpose, trial: int) -> dict[str, Any] | None:
    """`trial.json` of the newest attempt at a trial (or at the final training), live or deleted; None when there is none.

    Args:
        root: The run directory.
        purpose: TRIAL or FINAL.
        trial: Number of the trial.
    """
    middle = str(trial) if purpose is Purpose.TRIAL else purpose.value
    found = [
        path
        for folder in ("attempts", "finished")
        for path in (root / folder).glob(f"*-{middle}-*/trial.json")
        if path.parent.name.rsplit("-", 2)[1] == middle
    ]
    newest = max(found, key=lambda path: int(path.parent.name.rsplit("-", 1)[1]), default=None)
    return None if newest is None else read_json(newest)


@dataclass(frozen=True, slots=True)
class AttemptFiles:
    """Paths below one attempt's folder."""

    root: Path

    @property
    def launch(self) -> Path:
        """What it is for: purpose, trial, attempt."""
        return self.root / "launch.json"

    @property
    def trial(self) -> Path:
        """The trial document."""
        return self.root / "trial.json"

    @property
    def process(self) -> Path:
        """Process id and start time of its group."""
        return self.root / "process.json"

    @property
    def log(self) -> Path:
        """Standard output and error."""
        return self.root / "log.txt"

    @property
    def termination(self) -> Path:
        """The trainer's last word when it leaves no result."""
        return self.root / "termination.json"

    @property
    def stopping(self) -> Path:
        """Why it was asked to stop."""
        return self.root / "stopping"

    def exit_code(self) -> int | None:
        """Exit code; None while it runs, or when the whole group was killed."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, ValueError):
            return int((self.root / "exit").read_text())
        return None

    def ended_at(self) -> datetime | None:
        """When its exit code was written, else when its log was last written."""
        for name in ("exit", "log.txt", "process.json"):
            with contextlib.suppress(OSError):
                return datetime.fromtimestamp((self.root / name).stat().st_mtime, UTC)
        return None

    def last_line(self) -> str:
        """Last non-empty line of the log, at most 500 characters."""
        with contextlib.suppress(OSError), self.log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(file.tell() - 8192, 0))
            lines = [
                line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()
            ]
            return lines[-1][-500:] if lines else ""
        return ""
