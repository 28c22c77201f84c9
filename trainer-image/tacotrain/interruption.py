"""Being asked to stop: signals and the deadline. The loop looks between two steps."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Final

EXIT_SECOND_SIGNAL: Final = 143
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Interruption:
    """Knows whether training should checkpoint and go.

    Args:
        deadline_seconds: From now; None: no deadline.
        clock: Seconds, never going back.
    """

    def __init__(
        self, deadline_seconds: float | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._ends_at = None if deadline_seconds is None else clock() + deadline_seconds
        self._deadline_seconds = deadline_seconds
        self._signal: signal.Signals | None = None

    def within(self, deadline_seconds: float | None) -> "Interruption":
        """Set the deadline, now that it is known."""
        self._deadline_seconds = deadline_seconds
        self._ends_at = None if deadline_seconds is None else self._clock() + deadline_seconds
        return self

    @property
    def reason(self) -> str | None:
        """Why to stop, or None."""
        if self._signal is not None:
            return self._signal.name
        if self._ends_at is not None and self._clock() >= self._ends_at:
            return f"the deadline of {self._deadline_seconds:g} s"
        return None

    def receive(self, number: int, _frame: FrameType | None = None) -> None:
        """Handle a signal: the first one asks, the second one insists."""
        if self._signal is not None:
            message = "tacotrain: second signal, stopped without saving; start again to go on from the last checkpoint\n"
            os.write(sys.stderr.fileno(), message.encode())
            os._exit(EXIT_SECOND_SIGNAL)
        self._signal = signal.Signals(number)


@contextlib.contextmanager
def listening() -> Iterator[Interruption]:
    """Receive SIGTERM and SIGINT for the length of a block; main thread only."""
    interruption = Interruption()
    before = {number: signal.signal(number, interruption.receive) for number in _SIGNALS}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
