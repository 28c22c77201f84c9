"""The work queue of the operator: keys of studies that are to be looked at, each at most once and never by two workers.

As client-go's: a key that is added while a worker has it is looked at again afterwards; of several delays the shortest counts.
"""

import asyncio
from collections import deque
from typing import NamedTuple


class Key(NamedTuple):
    """A study in a cluster."""

    namespace: str
    name: str


class WorkQueue:
    """De-duplicating, with delays. To be used from one event loop only."""

    def __init__(self) -> None:
        self._ready: deque[Key] = deque()
        self._wanted: set[Key] = set()
        """To be looked at: those in `_ready`, and those to come back to when their worker is done."""
        self._held: set[Key] = set()
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._bell = asyncio.Event()

    def __len__(self) -> int:
        """Keys that wait for a worker."""
        return len(self._ready)

    def add(self, key: Key) -> None:
        """Look at a study as soon as a worker is free."""
        if (timer := self._timers.pop(key, None)) is not None:
            timer.cancel()
        if key in self._wanted:
            return
        self._wanted.add(key)
        if key not in self._held:
            self._ready.append(key)
            self._bell.set()

    def add_after(self, key: Key, seconds: float) -> None:
        """Look at a study later; sooner when it is added or due sooner."""
        if seconds <= 0:
            self.add(key)
            return
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if key in self._wanted or (timer is not None and timer.when() <= loop.time() + seconds):
            return
        if timer is not None:
            timer.cancel()
        self._timers[key] = loop.call_later(seconds, self.add, key)

    async def get(self) -> Key:
        """Take the next key; `done` gives it back."""
        while not self._ready:
            self._bell.clear()
            await self._bell.wait()
        key = self._ready.popleft()
        self._wanted.discard(key)
        self._held.add(key)
        return key

    def done(self, key: Key) -> None:
        """The worker has finished with a key."""
        self._held.discard(key)
        if key in self._wanted:
            self._ready.append(key)
            self._bell.set()

    def forget(self, key: Key) -> None:
        """The study is gone: cancel what was to come."""
        if (timer := self._timers.pop(key, None)) is not None:
            timer.cancel()
