"""Messages on their way: one thread a process delivers them, so that a slow service never holds up a pass.

At most once: what is in here when the process ends is lost. The queue is bounded, and when it is full the oldest goes.
"""

import logging
import threading
import traceback
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tacotune.engine.notices import Failure, Notice
from tacotune.ports import Channel, TacotuneError

CAPACITY: Final = 200
MAX_FAILURES: Final = 100
"""Kept of one study until somebody fetches them."""

log = logging.getLogger("tacotune")


def _nobody(_channel: str) -> None:
    """Nobody counts failures."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A message for one channel of one study."""

    study: Hashable
    """Whose failures it counts among."""
    channel: str
    connect: Callable[[], Channel]
    """Reads the Secret, so it is called in the thread as well; raises a TacotuneError."""
    notice: Notice
    files: Callable[[], Sequence[Path]] = tuple
    """Looked up when it is its turn."""
    context: Context = field(default_factory=copy_context, compare=False, repr=False)
    """Where it was made: what is logged on its way is about the same study."""


class Outbox:
    """Delivers parcels in their order.

    Args:
        capacity: Parcels that may wait.
        on_failure: Told the channel of each parcel that was lost, in the delivering thread; for a counter.
    """

    def __init__(self, capacity: int = CAPACITY, on_failure: Callable[[str], None] = _nobody) -> None:
        self.on_failure = on_failure
        self._capacity = capacity
        self._waiting: deque[Parcel] = deque()
        self._failures: dict[Hashable, deque[Failure]] = {}
        self._change = threading.Condition()
        self._busy = False
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def put(self, parcel: Parcel) -> None:
        """Hand a parcel over; returns at once."""
        lost = None
        with self._change:
            if self._closed.is_set():
                return
            if len(self._waiting) >= self._capacity:
                lost = self._waiting.popleft()
            self._waiting.append(parcel)
            if self._thread is None:
                self._thread = threading.Thread(target=self._deliver_all, name="outbox", daemon=True)
                self._thread.start()
            self._change.notify_all()
        if lost is not None:
            self._fail(lost, f"{self._capacity} messages wait already; the oldest is dropped")

    def lost(self, study: Hashable, channel: str, title: str, reason: str) -> None:
        """Count what somebody else could not deliver, as if it had been a parcel."""
        # No warning: the event that follows is one, once a cooldown.
        log.info("%s: not sent by %s: %s", title, channel, reason)
        with self._change:
            own = self._failures.setdefault(study, deque(maxlen=MAX_FAILURES))
            own.append(Failure(channel, reason))
        self.on_failure(channel)

    def failures(self, study: Hashable) -> tuple[Failure, ...]:
        """What failed of a study since this was last asked."""
        with self._change:
            return tuple(self._failures.pop(study, ()))

    def sleep(self, seconds: float) -> None:
        """Wait between two attempts, but not longer than the outbox is open."""
        self._closed.wait(seconds)

    def flush(self, within: float) -> bool:
        """Wait until nothing is on its way; False when something still is after so many seconds."""
        with self._change:
            return self._change.wait_for(lambda: not self._waiting and not self._busy, within)

    def close(self, within: float = 0.0) -> None:
        """Deliver what can be delivered in so many seconds, and give up the rest."""
        self.flush(within)
        with self._change:
            self._closed.set()
            self._waiting.clear()
            self._change.notify_all()

    def _deliver_all(self) -> None:
        while True:
            with self._change:
                self._busy = False
                self._change.notify_all()
                self._change.wait_for(lambda: self._waiting or self._closed.is_set())
                if self._closed.is_set():
                    return
                parcel = self._waiting.popleft()
                self._busy = True
            reason = parcel.context.run(_deliver, parcel)
            if reason:
                self._fail(parcel, reason)

    def _fail(self, parcel: Parcel, reason: str) -> None:
        parcel.context.run(self.lost, parcel.study, parcel.channel, parcel.notice.title, reason)


def _deliver(parcel: Parcel) -> str:
    """Deliver it; why that failed, or nothing."""
    try:
        parcel.connect().send(parcel.notice, parcel.files())
    except TacotuneError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001  the thread outlives whatever a service's plugin comes up with
        # Neither message nor traceback: either may hold the token.
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} in {Path(place.filename).name}:{place.lineno}"
    return ""
