"""A real HTTP forwarder between the operator and the API server: it counts writes, loses answers, and cuts lines.

The operator is pointed at `kubeconfig`; whoever comes is forwarded under the name of the given connection.
"""

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, Self

import urllib3

from support.api_server import ApiServer
from support.kubeconfigs import write_kubeconfig

FORWARDED: Final = ("Accept", "Content-Type", "User-Agent")
READS: Final = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Call:
    """A request as it passed, and how it was answered."""

    method: str
    path: str
    body: bytes
    status: int = 0
    """0 until it is answered."""

    @property
    def kind(self) -> str:
        """The plural, and the subresource where there is one: `jobs`, `ttsstudies/status`."""
        parts = self.path.split("/namespaces/", 1)[-1].split("/")[1:]
        return "/".join([parts[0], *parts[2:]]) if parts else ""

    @property
    def name(self) -> str:
        """Of the object that is made."""
        return str(json.loads(self.body)["metadata"]["name"])


class ApiProxy:
    """Listens at loopback while its block runs.

    Attributes:
        before: Called with each write before the server gets it.
        after: Called with each write that the server has answered; the answer is lost when it returns True.
        calls: The writes that were answered, in order.
    """

    def __init__(self, api: ApiServer, folder: Path) -> None:
        self.before: Callable[[Call], None] = lambda _: None
        self.after: Callable[[Call], bool] = lambda _: False
        self.calls: list[Call] = []
        self.expired = threading.Event()
        """Set when a watch was answered with 410: what it wanted to go on from is no longer known."""
        self._api = api
        self._lines: set[socket.socket] = set()
        self._streams: set[urllib3.HTTPResponse] = set()
        self._lock = threading.Lock()
        self._closed = self._muted = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._server.block_on_close = False
        url = f"http://127.0.0.1:{self._server.server_port}"
        self.kubeconfig = write_kubeconfig(folder / "proxied.kubeconfig", url, api.authority, "unused")

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="api-proxy").start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._cut()

    @contextlib.contextmanager
    def closed(self) -> Iterator[None]:
        """Nobody gets through: lines break, and new ones are broken at once."""
        self._closed = True
        self._cut()
        try:
            yield
        finally:
            self._closed = False

    @contextlib.contextmanager
    def muted(self) -> Iterator[None]:
        """Watches stay open and bring nothing; what they would have brought is lost. Everything else works."""
        self._muted = True
        try:
            yield
        finally:
            self._muted = False

    def _cut(self) -> None:
        with self._lock:
            for line in self._lines:
                with contextlib.suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)
            for stream in self._streams:
                with contextlib.suppress(RuntimeError, ValueError, OSError):
                    stream.shutdown()

    @contextlib.contextmanager
    def _line(self, line: socket.socket) -> Iterator[bool]:
        """Keep a connection so that it can be cut; False when it is to be cut at once."""
        with self._lock:
            self._lines.add(line)
        try:
            yield not self._closed
        finally:
            with self._lock:
                self._lines.discard(line)

    def _pass(self, visitor: "_Visitor") -> None:
        length = int(visitor.headers.get("Content-Length") or 0)
        call = Call(visitor.command, visitor.path.split("?")[0], visitor.rfile.read(length))
        write = call.method not in READS
        if write:
            self.before(call)
        headers = {name: value for name in FORWARDED if (value := visitor.headers.get(name))}
        answer = self._api.forward(call.method, visitor.path, call.body or None, headers)
        try:
            if "watch=true" in visitor.path:
                self._watch(visitor, answer)
                return
            data = answer.read()
            if write:
                call = Call(call.method, call.path, call.body, answer.status)
                self.calls.append(call)
                if self.after(call):
                    visitor.hang_up()
                    return
            visitor.answer(answer, data)
        finally:
            answer.release_conn()

    def _watch(self, visitor: "_Visitor", answer: urllib3.HTTPResponse) -> None:
        with self._lock:
            self._streams.add(answer)
        try:
            if answer.status == 410:
                self.expired.set()
            visitor.begin(answer)
            for chunk in answer.stream(2**16):
                if b'"type":"ERROR"' in chunk and b'"code":410' in chunk:
                    self.expired.set()
                if not self._muted:
                    visitor.chunk(chunk)
            visitor.chunk(b"")
        finally:
            with self._lock:
                self._streams.discard(answer)
            answer.close()
            visitor.close_connection = True


class _Visitor(BaseHTTPRequestHandler):
    """One connection of the operator's."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def begin(self, answer: urllib3.HTTPResponse) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def answer(self, answer: urllib3.HTTPResponse, data: bytes) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _handler(proxy: ApiProxy) -> type[_Visitor]:
    class Handler(_Visitor):
        def handle(self) -> None:
            # Where either side is gone there is nobody to tell.
            with (
                contextlib.suppress(OSError, urllib3.exceptions.HTTPError),
                proxy._line(self.connection) as open_,
            ):
                if open_:
                    super().handle()
                else:
                    self.hang_up()

        def _forward(self) -> None:
            try:
                proxy._pass(self)
            except urllib3.exceptions.HTTPError:
                self.hang_up()

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _forward  # noqa: N815  the library looks for these

    return Handler
