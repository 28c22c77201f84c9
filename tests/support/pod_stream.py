"""Pods as they come and change, from a list and a watch, whatever happens to the connection in between."""

import contextlib
import queue
import threading
from collections.abc import Iterator

import urllib3.exceptions

from support.api_server import ApiServer, Object, Watch

PAUSE_SECONDS = 0.1
"""Between two tries to reach a server that is away."""


class PodStream:
    """Follows one collection in a thread of its own; `queue` gets every pod that is there or changes, and None at the end."""

    def __init__(self, api: ApiServer, path: str, selector: str) -> None:
        self.queue: queue.SimpleQueue[Object | None] = queue.SimpleQueue()
        self._api = api
        self._path = path
        self._selector = selector
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._watch: Watch | None = None

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """Follow until the block ends."""
        thread = threading.Thread(target=self._follow, name="pod-stream")
        thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._over.set()
                if self._watch is not None:
                    self._watch.close()
            thread.join()

    def _follow(self) -> None:
        while not self._over.is_set():
            # A stream that ends or breaks is begun anew with everything that is there by then.
            with contextlib.suppress(OSError, urllib3.exceptions.HTTPError):
                self._list_and_watch()
            self._over.wait(PAUSE_SECONDS)
        self.queue.put(None)

    def _list_and_watch(self) -> None:
        listed = self._api.request("GET", self._path, labelSelector=self._selector)
        if not listed.ok:
            return
        for pod in listed.body["items"]:
            self.queue.put(pod)
        version = listed.body["metadata"]["resourceVersion"]
        watch = self._api.watch(self._path, labelSelector=self._selector, resourceVersion=version)
        with self._lock:
            if self._over.is_set():
                watch.close()
                return
            self._watch = watch
        for change, pod in watch:
            if change in {"ADDED", "MODIFIED"}:
                self.queue.put(pod)
