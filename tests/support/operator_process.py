"""`tacotune operator` as a process, as the chart's pod runs it."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from support.guarded import spawn

BIN = Path(sys.executable).parent


class Operator:
    """The operator, started and ended by the test."""

    def __init__(self, kubeconfig: Path, dsn: str, log: Path, *options: str) -> None:
        self.log = log
        self._command = [
            str(BIN / "tacotune"), "operator", "--kubeconfig", str(kubeconfig), "--trainer-image", "tacotrain:test",
            "--poll-seconds", "0.5", "--liveness", "", "--metrics-port", "0", *options,
        ]  # fmt: skip
        self._environment = {
            **os.environ,
            "TACOTUNE_STORAGE_URL": dsn,
            "TACOTUNE_TRIAL_STORAGE_URL": "postgresql://trial:secret@postgres/optuna",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it unless it runs; its words are added to the log."""
        if self._process is not None:
            return self
        self._process = spawn(self._command, self.log, self._environment)
        return self

    @property
    def pid(self) -> int:
        """Of the process that runs."""
        assert self._process is not None
        return self._process.pid

    def exit_code(self) -> int | None:
        """Of the process that was started last, once it has ended by itself."""
        assert self._process is not None
        return self._process.poll()

    def kill(self) -> None:
        """SIGKILL: nothing of it gets to tidy up."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, and wait."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if error is not None:
            sys.stderr.write(self.log.read_text())


class RestartedOperator(Operator):
    """The same, in the hands of something that starts it anew whenever it is killed."""

    def __init__(self, kubeconfig: Path, dsn: str, log: Path, *options: str) -> None:
        super().__init__(kubeconfig, dsn, log, *options)
        self._pid = log.with_suffix(".pid")
        self._command = [sys.executable, "-m", "support.restarting", str(self._pid), *self._command[1:]]
        self._environment |= {"PYTHONPATH": str(Path(__file__).parents[1]), "KUBECONFIG": str(kubeconfig)}

    def kill(self) -> None:
        """SIGKILL for the operator that runs now; also from a thread of the test's."""
        os.kill(int(self._pid.read_text()), signal.SIGKILL)
