"""What waits to be reported, and when to try next: the pure half of `report`."""

from collections.abc import Mapping
from typing import Any, Final

CAPACITY: Final = 500
"""Values kept while the database is away; the oldest go first."""
FIRST_RETRY_SECONDS: Final = 1.0
LONGEST_RETRY_SECONDS: Final = 60.0


class Outbox:
    """Values by step and the newest progress document, until each has been delivered.

    A step that is put again replaces the value that waits: after a resume an evaluation is made twice.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        assert capacity >= 1
        self._capacity = capacity
        self._values: dict[int, float] = {}
        self._progress: Mapping[str, Any] | None = None
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """Values that were given up for lack of room."""
        return self._dropped

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self._values and self._progress is None

    def put_value(self, step: int, value: float) -> None:
        """Add a value; when there is no room the oldest step goes, never this one."""
        self._values.pop(step, None)
        self._values[step] = value
        while len(self._values) > self._capacity:
            del self._values[next(iter(self._values))]
            self._dropped += 1

    def put_progress(self, document: Mapping[str, Any]) -> None:
        """Replace the progress that waits: only the newest matters."""
        self._progress = document

    def values(self) -> tuple[tuple[int, float], ...]:
        """Values that wait, in the order of their arrival."""
        return tuple(self._values.items())

    def progress(self) -> Mapping[str, Any] | None:
        """Progress that waits."""
        return self._progress

    def delivered_value(self, step: int, value: float) -> None:
        """Forget a value, unless a newer one for the same step has come meanwhile."""
        if self._values.get(step) == value:
            del self._values[step]

    def delivered_progress(self, document: Mapping[str, Any]) -> None:
        """Forget a progress document, unless a newer one has come meanwhile."""
        if self._progress is document:
            self._progress = None


def retry_seconds(failures: int, *, jitter: float) -> float:
    """Wait after so many failures in a row: doubling up to a minute, spread so that trials do not return all at once.

    Args:
        failures: At least 1.
        jitter: From 0 to 1; takes up to half of the wait away.
    """
    wait = min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2.0 ** min(failures - 1, 30))
    return wait * (1 - jitter / 2)
