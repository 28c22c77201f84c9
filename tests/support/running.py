"""Looking into a run that goes on, and leaving nothing of it behind."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import psutil


def step_of(folder: Path, study: str, trial: int) -> int:
    """Newest step of a trial; 0 before its first."""
    path = folder / "runs" / study / "trials" / f"{trial:04d}" / "progress.json"
    return int(json.loads(path.read_text())["step"]) if path.exists() else 0


def attempts_of(folder: Path, study: str, trial: int) -> list[str]:
    """Names of a trial's attempts, live and deleted."""
    root = folder / "runs" / study
    return sorted(
        path.name for place in ("attempts", "finished") for path in (root / place).glob(f"{study}-{trial}-*")
    )


@contextlib.contextmanager
def killing_what_is_left(folder: Path) -> Iterator[None]:
    """Attempts are groups of their own, so a dead runner does not end them: end all that names the test's folder."""
    try:
        yield
    finally:
        for process in psutil.process_iter(["cmdline", "cwd"]):
            with contextlib.suppress(psutil.Error):
                words = [*(process.info["cmdline"] or []), process.info["cwd"] or ""]
                if any(str(folder) in word for word in words):
                    process.kill()
