"""What the person at the terminal sees: each step, what it is at, and how long it has taken."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

REPORT_SECONDS: Final = 15.0
POLL_SECONDS: Final = 0.2
_BEGAN: Final = time.monotonic()


def clock(seconds: float) -> str:
    """Minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def say(text: str) -> None:
    """One line with the time since the command began; standard output stays for what a script reads."""
    print(f"kind {clock(time.monotonic() - _BEGAN)}  {text}", file=sys.stderr, flush=True)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Say what begins and how long it took."""
    started = time.monotonic()
    say(f"{title} …")
    yield
    say(f"{title}: {clock(time.monotonic() - started)}")
