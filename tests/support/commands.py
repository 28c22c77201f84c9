"""The real commands, run as a user types them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

BIN = Path(sys.executable).parent


def environment() -> dict[str, str]:
    """The caller's environment with one thread and a plain terminal."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "NO_COLOR": "1", "COLUMNS": "160"}


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start `tacotune …` in a folder."""
    return subprocess.Popen(
        [str(BIN / "tacotune"), *arguments],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str], within: float = 200) -> tuple[int, str]:
    """Wait for its end; return exit code and output."""
    try:
        output, _ = process.communicate(timeout=within)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        raise AssertionError(f"not within {within} s:\n{output}") from None
    return process.returncode, output


def tacotune(folder: Path, *arguments: str, within: float = 200) -> tuple[int, str]:
    """Run `tacotune …` to its end."""
    return finish(start(folder, *arguments), within)


def trials(folder: Path, study: str, *, options: Sequence[str] = ()) -> list[dict[str, Any]]:
    """What `tacotune trials -o json` prints."""
    code, output = tacotune(folder, "trials", study, "-o", "json", *options)
    assert code == 0, output
    document = json.loads(output)
    assert isinstance(document, list)
    return document


def status(folder: Path, study: str) -> dict[str, Any]:
    """`status.json` of a run; empty while there is none."""
    path = folder / "runs" / study / "status.json"
    return json.loads(path.read_text()) if path.exists() else {}
