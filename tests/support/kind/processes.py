"""Other programs: run to their end with a log and progress, or asked for their output."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeAlias

from support.kind.errors import KindError
from support.kind.paths import logs
from support.kind.progress import POLL_SECONDS, REPORT_SECONDS, clock, say

Command: TypeAlias = Sequence[str | Path]


def run(
    name: str,
    command: Command,
    *,
    env: Mapping[str, str] | None = None,
    stdin: IO[bytes] | int | None = subprocess.DEVNULL,
) -> None:
    """Run a program to its end; its output goes to the log `name`, its last line to the terminal each 15 seconds.

    Raises:
        KindError: with the end of the log when it fails.
    """
    log = logs() / f"{name}.log"
    with log.open("wb") as file, _group(command, env=env, stdin=stdin, output=file) as process:
        started = time.monotonic()
        due = started + REPORT_SECONDS
        while process.poll() is None:
            if time.monotonic() >= due:
                say(f"  {name} {clock(time.monotonic() - started)}: {_last_line(log)}")
                due += REPORT_SECONDS
            time.sleep(POLL_SECONDS)
    if process.returncode != 0:
        raise KindError(f"{name} failed with exit code {process.returncode} ({log}):\n{tail(log)}")


def output(
    command: Command, *, env: Mapping[str, str] | None = None, text: str = "", within: float = 120
) -> str:
    """What a program prints; `text` is its standard input.

    Raises:
        KindError: with what it said when it fails or takes longer than `within` seconds.
    """
    shown = " ".join(map(str, command))
    try:
        done = subprocess.run(
            [*map(str, command)],
            input=text,
            env=env,
            capture_output=True,
            text=True,
            timeout=within,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise KindError(f"`{shown}` did not end within {within:.0f} s") from None
    except OSError as error:
        raise KindError(f"`{shown}` cannot be run: {error}") from error
    if done.returncode != 0:
        raise KindError(
            f"`{shown}` failed with exit code {done.returncode}: {(done.stderr or done.stdout).strip()}"
        )
    return done.stdout


def succeeds(command: Command, *, env: Mapping[str, str] | None = None, within: float = 60) -> bool:
    """Whether a program ends well in time."""
    try:
        output(command, env=env, within=within)
    except KindError:
        return False
    return True


@contextmanager
def _group(
    command: Command, *, env: Mapping[str, str] | None, stdin: IO[bytes] | int | None, output: IO[bytes]
) -> Iterator[subprocess.Popen[bytes]]:
    """A program in a process group of its own, which ends with this block."""
    process = subprocess.Popen(
        [*map(str, command)], env=env, stdin=stdin, stdout=output, stderr=output, start_new_session=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def _last_line(log: Path) -> str:
    lines = tail(log, 1)
    return lines[:120] or "no output yet"


def tail(log: Path, count: int = 15) -> str:
    text = log.read_text(errors="replace").replace("\r", "\n")
    return "\n".join([line for line in text.splitlines() if line.strip()][-count:])
