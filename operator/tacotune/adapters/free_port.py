"""The first port of this machine that nobody listens on, for a page or for a way to one. Ports of others are never touched."""

import contextlib
import socket
from collections.abc import Iterable
from typing import Final

HOST: Final = "127.0.0.1"


def first_free(ports: Iterable[int]) -> int | None:
    """The first of these that is free; None when none is."""
    return next((port for port in ports if _is_free(port)), None)


def _is_free(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_server((HOST, port)):
        return True
    return False
