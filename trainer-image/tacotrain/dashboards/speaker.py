"""The page's side of the process that speaks (`speaking`): started when it is needed, ended when it has been idle, never in the way.

torch takes several hundred MB, and a voice that breaks may take all memory there is: both end with that process, not with
the page.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

IDLE_SECONDS: Final = 120.0
"""After the last request the process stays that long, with the voices it has loaded."""
LONGEST_SECONDS: Final = 300.0
"""For one request; then something is wrong, and the process is ended."""
PROGRAM: Final = (sys.executable, "-m", "tacotrain.dashboards.speaking")


class CannotSpeak(Exception):  # noqa: N818 - it is what it is
    """A request was not fulfilled; the message is for the page."""


class Speaker:
    """One process at most; requests wait for each other.

    Args:
        program: What to start.
        idle_seconds: See IDLE_SECONDS.
        longest_seconds: See LONGEST_SECONDS.
    """

    def __init__(
        self,
        program: Sequence[str] = PROGRAM,
        *,
        idle_seconds: float = IDLE_SECONDS,
        longest_seconds: float = LONGEST_SECONDS,
    ) -> None:
        self._program = tuple(program)
        self._idle_seconds = idle_seconds
        self._longest_seconds = longest_seconds
        self._turn = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._closed = False
        self._idle: threading.Timer | None = None

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Have a request answered.

        Raises:
            CannotSpeak: It was refused, took too long, or the process came to its end.
        """
        with self._turn:
            if self._idle is not None:
                self._idle.cancel()
            process = self._started()
            given_up = threading.Event()

            def give_up() -> None:
                given_up.set()
                process.kill()

            limit = _timer(self._longest_seconds, give_up)
            try:
                found = self._exchange(process, request, given_up)
            finally:
                limit.cancel()
                self._idle = _timer(self._idle_seconds, self._end_idle)
        if "error" in found:
            raise CannotSpeak(found["error"])
        return found

    def close(self) -> None:
        """End the process, also in the middle of a request."""
        self._closed = True
        if self._idle is not None:
            self._idle.cancel()
        if (process := self._process) is not None:
            process.kill()
            process.wait()
            with self._turn:  # Whoever was listening has heard its end.
                self._forget(process)

    def _exchange(
        self, process: subprocess.Popen[str], request: Mapping[str, Any], given_up: threading.Event
    ) -> dict[str, Any]:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except OSError:
            line = ""
        if not line:
            code = process.wait()
            self._forget(process)
            if given_up.is_set():
                raise CannotSpeak(f"speaking took longer than {self._longest_seconds:.0f} s and was ended")
            hint = "; most often memory ran out" if code == -9 else ""
            raise CannotSpeak(
                f"the process that speaks ended with code {code}{hint}; try again, or a shorter text"
            )
        found: dict[str, Any] = json.loads(line)
        return found

    def _started(self) -> subprocess.Popen[str]:
        if self._closed:
            raise CannotSpeak("the page is about to close")
        if self._process is not None and self._process.poll() is not None:
            self._forget(self._process)  # It died between two requests.
        if self._process is None:
            # On a CPU and with few threads: trials may train on the same machine, and the GPU is theirs.
            environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
            environment.setdefault("OMP_NUM_THREADS", "2")
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                self._program,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
            )
        return self._process

    def _end_idle(self) -> None:
        # Someone who speaks at this moment keeps it.
        if self._turn.acquire(blocking=False):
            try:
                if (process := self._process) is not None:
                    process.kill()  # It holds nothing that could be lost.
                    process.wait()
                    self._forget(process)
            finally:
                self._turn.release()

    def _forget(self, process: subprocess.Popen[str]) -> None:
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:  # What was still to be written has no reader any more.
                    continue
        self._process = None


def _timer(seconds: float, action: Callable[[], None]) -> threading.Timer:
    timer = threading.Timer(seconds, action)
    timer.daemon = True
    timer.start()
    return timer
