"""The port of a dashboard: taken before anything slow is loaded, so that a busy one is told at once."""

import errno
import socket

from tacotrain.errors import ConfigError, DeviceUnavailable, PermissionDenied


def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket; browsers that come before the page is loaded wait instead of being refused.

    Raises:
        ConfigError: The port is taken, or the address is none of this machine's.
        PermissionDenied: A port below 1024, and we are not root.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except socket.gaierror as error:
        raise ConfigError(f"--host: {host!r} is no address of this machine ({error.strerror})") from error
    except PermissionError as error:
        raise PermissionDenied(f"--port: not allowed to listen on {port}; name one from 1024 on") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(
                f"--port: {port} on {host} is taken by another process; name another one"
            ) from error
        if error.errno == errno.EADDRNOTAVAIL:
            raise ConfigError(f"--host: {host!r} is no address of this machine") from error
        raise DeviceUnavailable(f"cannot listen on {host}:{port} ({error.strerror})") from error


def url(listener: socket.socket) -> str:
    """What to type into a browser on this machine."""
    host, port = listener.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{port}"
