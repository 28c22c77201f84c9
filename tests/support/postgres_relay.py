"""A relay between the operator and Postgres that knows when something was written: a COMMIT after an INSERT, UPDATE or DELETE."""

import contextlib
import re
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

from sqlalchemy.engine import make_url

SOCKET = ".s.PGSQL.5432"
WRITES = re.compile(rb"\s*(INSERT|UPDATE|DELETE)\b", re.IGNORECASE)
DONE = b"COMMIT\0"
"""The server's word that a transaction is in the database."""


class PostgresRelay:
    """Listens at a socket of its own while its block runs.

    Attributes:
        dsn: Where the operator finds the database.
        after: Called with the statements of each transaction that has been written; the answer is lost when it returns True.
    """

    def __init__(self, dsn: str, folder: Path) -> None:
        url = make_url(dsn)
        (self._target,) = (Path(str(url.query["host"])) / SOCKET,)
        self.dsn = url.update_query_dict({"host": str(folder)}).render_as_string(hide_password=False)
        self.after: Callable[[bytes], bool] = lambda _: False
        self._talks: list[tuple[_Talk, list[threading.Thread]]] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / SOCKET))
        self._listener.listen(16)

    def __enter__(self) -> Self:
        self._door = threading.Thread(target=self._accept, name="postgres-relay")
        self._door.start()
        return self

    def __exit__(self, *_: object) -> None:
        _shut(self._listener)
        self._door.join()
        self._listener.close()
        for talk, threads in self._talks:
            talk.end()
            for thread in threads:
                thread.join()
            talk.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # It is over.
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(str(self._target))
                talk = _Talk(client, server, self)
                threads = [
                    threading.Thread(target=work, name="postgres-relay") for work in (talk.ask, talk.answer)
                ]
                self._talks.append((talk, threads))
                for thread in threads:
                    thread.start()


class _Talk:
    """One connection, both ways."""

    def __init__(self, client: socket.socket, server: socket.socket, relay: PostgresRelay) -> None:
        self._client = client
        self._server = server
        self._relay = relay
        self._transaction: list[bytes] = []
        self._written = b""
        """The transaction whose COMMIT the server has yet to confirm."""

    def ask(self) -> None:
        with contextlib.suppress(OSError):
            self._forward(self._bytes(struct.unpack("!i", head := self._bytes(4))[0] - 4, head))
            while True:
                head = self._bytes(5)
                message = self._bytes(struct.unpack("!i", head[1:])[0] - 4, head)
                if head[:1] == b"Q":
                    self._note(message[5:-1])
                self._forward(message)
        self.end()

    def answer(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._server.recv(2**16):
                # Nothing else is under way on the connection: the client waits for this very answer.
                if self._written and DONE in data:
                    written, self._written = self._written, b""
                    if self._relay.after(written):
                        break
                self._client.sendall(data)
        self.end()

    def _note(self, statement: bytes) -> None:
        if statement == b"COMMIT":
            self._written = b"\n".join(self._transaction)
        if statement in {b"BEGIN", b"COMMIT", b"ROLLBACK"}:
            self._transaction = []
        elif WRITES.match(statement):
            self._transaction.append(statement)

    def _forward(self, message: bytes) -> None:
        self._server.sendall(message)

    def _bytes(self, count: int, before: bytes = b"") -> bytes:
        data = bytearray(before)
        while len(data) < len(before) + count:
            part = self._client.recv(len(before) + count - len(data))
            if not part:
                raise ConnectionResetError
            data += part
        return bytes(data)

    def end(self) -> None:
        """Wake both ways."""
        for line in (self._client, self._server):
            _shut(line)

    def close(self) -> None:
        """Give the sockets back."""
        for line in (self._client, self._server):
            line.close()


def _shut(line: socket.socket) -> None:
    with contextlib.suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)
