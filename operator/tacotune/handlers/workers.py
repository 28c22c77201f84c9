"""Workers take keys from the queue and run passes in threads: the database and the API server block, the event loop must not."""

import asyncio
import logging
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from tacotune.handlers.logs import about
from tacotune.handlers.queue import Key, WorkQueue
from tacotune.ports import TransientError

FIRST_BACKOFF: Final = 1.0
LONGEST_BACKOFF: Final = 300.0

log = logging.getLogger("tacotune")


class Workers:
    """A fixed number of workers over one queue.

    Args:
        queue: Where keys come from.
        run_once: One look at a study, in a thread: seconds until the next look, or None.
        count: How many at the same time.
        first_backoff: Seconds until a study whose pass failed is looked at again; doubled each time.
    """

    def __init__(
        self,
        queue: WorkQueue,
        run_once: Callable[[Key], float | None],
        *,
        count: int,
        first_backoff: float = FIRST_BACKOFF,
    ) -> None:
        self._queue = queue
        self._run_once = run_once
        self._first_backoff = first_backoff
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="study")
        self._failures: dict[Key, int] = {}
        self._tasks = [asyncio.create_task(self._work(), name=f"worker-{n}") for n in range(count)]

    async def stop(self) -> None:
        """Take nothing new, and wait for the passes that run: each ends whole."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self._pool.shutdown, wait=True)

    @property
    def alive(self) -> bool:
        """Whether every worker still works."""
        return not any(task.done() for task in self._tasks)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            key = await self._queue.get()
            try:
                after = await loop.run_in_executor(self._pool, self._run_once, key)
                self._failures.pop(key, None)
            except TransientError as error:
                after = max(error.retry_after, self._backoff(key))
                with about(namespace=key.namespace, study=key.name):
                    log.warning("%s; again in %.1f s", error, after)
            except Exception:
                after = self._backoff(key)
                with about(namespace=key.namespace, study=key.name):
                    log.exception("the pass failed; again in %.1f s", after)
            finally:
                self._queue.done(key)
            if after is None:
                self._queue.forget(key)
            else:
                self._queue.add_after(key, after)

    def _backoff(self, key: Key) -> float:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        longest = min(LONGEST_BACKOFF, self._first_backoff * 2.0 ** min(failures - 1, 20))
        return longest * random.uniform(0.75, 1.0)
