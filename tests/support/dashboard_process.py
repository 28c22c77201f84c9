"""A dashboard as a process of its own, as the runner and a pod start it.

The port is chosen by the test; the process is told to end, and must, as the contract of dashboards says.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from support.eventually import eventually

LEAVES_WITHIN = 5.0
"""Seconds after SIGTERM, by contract."""


@dataclass(slots=True)
class Running:
    """A started dashboard."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Ask for a path."""
        return httpx.get(self.url + path, headers=headers, timeout=30)

    def said(self) -> str:
        """Everything it has printed."""
        return self.log.read_text()


def free_port() -> int:
    """A port that nobody listened on a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def dashboard(
    kind: str, study_directory: Path, study_name: str, log: Path, *, environment: Mapping[str, str]
) -> Iterator[Running]:
    """Run one until the end of the block; then it must leave in time and without an error."""
    port = free_port()
    command = [
        *(sys.executable, "-m", "tacotrain", "dashboard", kind, "--port", str(port)),
        *("--study-directory", str(study_directory), "--study-name", study_name),
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=Path(__file__).parents[1],
            env={**os.environ, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
    try:
        running = Running(process, f"http://127.0.0.1:{port}", log)
        eventually(lambda: _connects(port) or process.poll() is not None, within=60)
        assert process.poll() is None, running.said()
        yield running
        process.send_signal(signal.SIGTERM)
        told = time.monotonic()
        assert process.wait(timeout=30) == 0, running.said()
        assert time.monotonic() - told < LEAVES_WITHIN, running.said()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def answers(running: Running, path: str) -> None:
    """Wait for a 200."""
    eventually(lambda: running.get(path).status_code == 200, within=60)


def _connects(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
