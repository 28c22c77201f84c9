"""A dashboard as a process of its own, as the runner and a pod start it.

The port is chosen by the test; the process is told to end, and must, as the contract of dashboards says.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from support.eventually import eventually

LEAVES_WITHIN = 30.0
"""Seconds after SIGTERM, as a pod has; on an idle machine it is less than five."""


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
    """Run one until the end of the block; then it must leave without an error."""
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
        assert process.wait(timeout=LEAVES_WITHIN) == 0, running.said()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def answers(running: Running, path: str) -> None:
    """Wait for a 200. Its port is open before there is anybody who answers."""

    def answered() -> bool:
        with contextlib.suppress(httpx.TransportError):
            return running.get(path).status_code == httpx.codes.OK
        return False

    eventually(answered, within=180)


def _connects(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
