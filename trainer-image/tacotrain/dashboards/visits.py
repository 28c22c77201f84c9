"""Whether anybody still looks: a page that nobody has asked for since `--idle-after` seconds ends, and says why.

In a pod that word is the termination message, by which the operator knows that it may scale the page to zero. Each page puts
`Visited` (WSGI) or `VisitedASGI` before its application, and calls `Visits.watch` in the process that serves.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from tacotrain.dashboards.gate import Application, Message, Receive, Scope, Send
from tacotrain.termination import write_termination_message

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

IDLE: Final = "idle"
"""The termination message's state of a page that nobody looked at."""
_NOBODY: Final = ("kube-probe/", "mlflow-python-client/", "Prometheus/")
"""User agents of programs that ask by themselves: probes, and MLflow's own mirror."""
LOOK_SECONDS: Final = 5.0

log = logging.getLogger("tacotrain")


class Visits:
    """When somebody last asked for the page.

    Args:
        idle_after: Seconds without a visit after which the page ends; None: never.
        clock: Monotonic seconds.
    """

    def __init__(self, idle_after: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._idle_after = idle_after
        self._clock = clock
        self._last = clock()

    def asked(self, agent: str) -> None:
        """Somebody asks; probes do not count.

        Args:
            agent: The header User-Agent; empty where there is none.
        """
        if not agent.startswith(_NOBODY):
            self._last = self._clock()

    @property
    def idle(self) -> bool:
        """Whether it is time to end."""
        return self._idle_after is not None and self._clock() - self._last >= self._idle_after

    def watch(self, process: int | None = None) -> None:
        """Look in a thread, and when it is time tell a process to end.

        Args:
            process: Which one; this one when absent.
        """
        if self._idle_after is not None:
            target = os.getpid() if process is None else process
            threading.Thread(target=self._watch, args=(target,), name="tacotrain-idle", daemon=True).start()

    def _watch(self, process: int) -> None:
        while not self.idle:
            time.sleep(LOOK_SECONDS)
        log.info("nobody has looked for %d s: ends", self._idle_after)
        write_termination_message({"state": IDLE})
        os.kill(process, signal.SIGTERM)


class Visited:
    """Before a WSGI application: notes who asks."""

    def __init__(self, page: "WSGIApplication", visits: Visits) -> None:
        self._page = page
        self._visits = visits

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Note it and pass it on."""
        self._visits.asked(environ.get("HTTP_USER_AGENT", ""))
        return self._page(environ, start_response)


class VisitedASGI:
    """Before an ASGI application: notes who asks; what an open WebSocket brings is a visit, too."""

    def __init__(self, page: Application, visits: Visits) -> None:
        self._page = page
        self._visits = visits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Note it and pass it on."""
        if scope["type"] not in {"http", "websocket"}:
            await self._page(scope, receive, send)
            return
        agent = next(
            (value.decode("latin-1") for name, value in scope["headers"] if name == b"user-agent"), ""
        )
        self._visits.asked(agent)
        if scope["type"] == "http":
            await self._page(scope, receive, send)
            return

        async def heard() -> Message:
            message = await receive()
            self._visits.asked(agent)
            return message

        await self._page(scope, heard, send)
