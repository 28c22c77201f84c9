"""How a dashboard ends, and what it does meanwhile: SIGTERM as an event, and a thread that does one thing again and again."""

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Final, Self

LEAVE_SECONDS: Final = 1.0
"""Longest wait for what a thread is just doing."""

log = logging.getLogger("tacotrain")


@contextmanager
def termination() -> Iterator[threading.Event]:
    """An event that SIGTERM and Ctrl-C set; in the main thread only."""
    told = threading.Event()

    def tell(_signal: int, _frame: FrameType | None) -> None:
        told.set()

    before = {number: signal.signal(number, tell) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_with_input() -> None:
    """Tell this process to end when its standard input does: whoever started it holds the other end, however it dies."""

    def wait() -> None:
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="tacotrain-input", daemon=True).start()


class Every:
    """Does one thing again and again in a thread, for as long as the block lasts.

    What goes wrong is logged the first time in a row, and tried again.

    Args:
        seconds: Between an end and the next beginning.
        work: What is done.
        name: For the log.
        redact: Takes secrets out of what is logged; an error of a database may quote its URL.
    """

    def __init__(
        self, seconds: float, work: Callable[[], object], *, name: str, redact: Callable[[str], str] = str
    ) -> None:
        self._seconds = seconds
        self._work = work
        self._name = name
        self._redact = redact
        self._ended = threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._run, name=f"tacotrain-{name}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(LEAVE_SECONDS)

    def _run(self) -> None:
        while not self._ended.is_set():
            self._once()
            self._ended.wait(self._seconds)

    def _once(self) -> None:
        try:
            self._work()
        except Exception as error:  # noqa: BLE001 - a page goes on, whatever is away
            if not self._failing:
                cause = self._redact(_first_line(error))
                log.warning("%s: %s: %s; it is tried again", self._name, type(error).__name__, cause)
            self._failing = True
        else:
            if self._failing:
                log.info("%s: it works again", self._name)
            self._failing = False


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
