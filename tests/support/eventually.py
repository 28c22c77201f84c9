"""Wait for a condition with a deadline: the only way a test waits for the outside world."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(probe: Callable[[], T], within: float = 20.0, every: float = 0.05) -> T:
    """Return the probe's first true value; fail with its last one after the deadline."""
    deadline = time.monotonic() + within
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s, last seen: {value!r}")
        time.sleep(every)
