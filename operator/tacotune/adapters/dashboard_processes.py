"""The pages of a study as processes of this machine: started, asked whether they answer, started again when they end.

One thread does all of it, so that a page that is slow to answer delays no trial; the runner reads `seen`. A page holds the other
end of a pipe that this process holds (`--end-with-input`): it ends with the runner, however that dies. Processes of other people
are never touched: where a port is taken, the next one is.
"""

import contextlib
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psutil

from tacotune.adapters.child_environment import child_environment
from tacotune.adapters.free_port import HOST, first_free
from tacotune.api.dashboards import FRONT_PATHS, READY_PATHS, Dashboard
from tacotune.api.trial_contract import ExitCode
from tacotune.engine.dashboards import (
    ObservedDashboard,
    candidates,
    pause_after,
)

LOOK_SECONDS: Final = 1.0
READY_SECONDS: Final = 10.0
"""Between two questions to a page that answered."""
ANSWER_SECONDS: Final = 2.0
LEAVE_SECONDS: Final = 10.0
NICE: Final = 19
"""Trials come first where cores are few."""


@dataclass(frozen=True, slots=True)
class Page:
    """What one page is started with."""

    dashboard: Dashboard
    port: int
    """The first of those that are tried."""
    environment: Mapping[str, str]
    """Besides this process's own."""
    lacks: str = ""
    """What it cannot be started without."""


@dataclass(slots=True)
class _Running:
    page: Page
    seen: ObservedDashboard
    process: subprocess.Popen[bytes] | None = None
    port: int = 0
    failures: int = 0
    due: float = 0.0


class DashboardProcesses:
    """Pages of one study, as long as the context lasts.

    Args:
        pages: Which.
        study_directory: Their study's folder.
        study_name: As Optuna's storage has it.
        logs: Folder for what they say, a file each.
        trainer: The command whose `dashboard` they are.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        pages: Sequence[Page],
        *,
        study_directory: Path,
        study_name: str,
        logs: Path,
        trainer: Sequence[str] = (sys.executable, "-m", "tacotrain"),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._arguments = ("--study-directory", str(study_directory), "--study-name", study_name)
        self._logs = logs
        self._trainer = tuple(trainer)
        self._clock = clock
        self._running = [
            _Running(page, ObservedDashboard(page.dashboard, message=page.lacks or "starting"))
            for page in pages
        ]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dashboards", daemon=True)

    def __enter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(LEAVE_SECONDS)
        for running in self._running:
            _end(running.process)

    @property
    def seen(self) -> tuple[ObservedDashboard, ...]:
        """Each page as it was a moment ago."""
        return tuple(running.seen for running in self._running)

    def _run(self) -> None:
        while not self._ended.is_set():
            for running in self._running:
                if self._ended.is_set():
                    return
                if not running.page.lacks:
                    self._look(running)
            self._ended.wait(LOOK_SECONDS)

    def _look(self, running: _Running) -> None:
        if running.process is not None and (code := running.process.poll()) is not None:
            self._ended_by_itself(running, code)
        if running.process is None:
            if self._clock() >= running.due:
                self._start(running)
            return
        if running.seen.ready and self._clock() < running.due:
            return
        address = f"http://{HOST}:{running.port}"
        path = READY_PATHS[running.page.dashboard]
        status, sentence = ask(f"{address}{path}")
        if status == 200:
            running.failures = 0
            running.due = self._clock() + READY_SECONDS
            front = FRONT_PATHS.get(running.page.dashboard, "/")
            running.seen = replace(running.seen, ready=True, url=f"{address}{front}", message="")
        else:
            running.seen = replace(running.seen, ready=False, url="", message=sentence)

    def _start(self, running: _Running) -> None:
        taken = {other.port for other in self._running if other is not running and other.process is not None}
        tried = candidates(running.page.port)
        port = first_free(p for p in tried if p not in taken)
        if port is None:
            running.due = self._clock() + pause_after(len(tried))
            ports = ", ".join(map(str, tried))
            self._say(
                running,
                f"every port is taken: {ports}; free one or name another in spec.dashboards.{running.page.dashboard}.port",
            )
            return
        command = [
            *self._trainer,
            *("dashboard", running.page.dashboard.value, "--port", str(port)),
            *("--end-with-input", *self._arguments),
        ]
        try:
            with self._log(running).open("ab") as log:
                running.process = subprocess.Popen(  # noqa: S603  our own trainer, arguments as a list
                    command,
                    env={**child_environment(), **running.page.environment},
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    # Ctrl-C is the runner's to hear.
                    start_new_session=True,
                )
        except OSError as error:
            self._again(running, f"cannot be started: {error}")
            return
        with contextlib.suppress(psutil.Error):
            psutil.Process(running.process.pid).nice(NICE)
        running.port = port
        self._say(running, "starting")

    def _ended_by_itself(self, running: _Running, code: int) -> None:
        _end(running.process)
        running.process = None
        words = _last_line(self._log(running))
        self._again(running, f"ended with code {code}" + (f": {words}" if words else ""))
        if code == ExitCode.USAGE and running.failures == 1:
            running.due = self._clock()  # Somebody else was quicker to take the port.

    def _again(self, running: _Running, message: str) -> None:
        running.failures += 1
        running.due = self._clock() + pause_after(running.failures)
        self._say(running, message)

    def _say(self, running: _Running, message: str) -> None:
        running.seen = replace(running.seen, ready=False, url="", message=message)

    def _log(self, running: _Running) -> Path:
        return self._logs / f"{running.page.dashboard}.log"


def ask(url: str) -> tuple[int, str]:
    """Status of an answer and, unless it is 200, a sentence; 0 where nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_SECONDS) as answer:  # noqa: S310  our own page, by http
            return answer.status, ""
    except urllib.error.HTTPError as error:
        with error:
            body = error.read(512).decode(errors="replace").strip()
        return error.code, body.partition("\n")[0] or f"answers {error.code}"
    except (OSError, ValueError):
        return 0, "does not answer yet"


def _last_line(log: Path) -> str:
    with contextlib.suppress(OSError):
        lines = [line.strip() for line in log.read_text("utf-8", "replace").splitlines() if line.strip()]
        return lines[-1] if lines else ""
    return ""


def _end(process: subprocess.Popen[bytes] | None) -> None:
    """Tell a page to end, and see to it."""
    if process is None:
        return
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
