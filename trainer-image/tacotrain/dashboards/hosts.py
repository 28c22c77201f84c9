"""Who may ask for a page: protection against other web sites that would use their visitors' browsers to look.

A site can give its own name our address, but then the browser still asks for its name, so names are compared. An address
typed as a number is no such trick, and neither is this machine's own name.
"""

import ipaddress
from collections.abc import Iterable
from fnmatch import fnmatchcase
from urllib.parse import urlsplit


def allowed(host: str | None, names: Iterable[str]) -> bool:
    """Judge a Host header.

    Args:
        host: `name` or `name:port`, as it was sent.
        names: What is allowed besides: names or patterns such as `*.svc`, with or without a port; the port does not count.
    """
    name = _name(host)
    if not name:
        return False
    if name == "localhost" or _is_address(name):
        return True
    return any(fnmatchcase(name, pattern) for pattern in map(_name, names) if pattern)


def same_site(origin: str | None, host: str | None, names: Iterable[str]) -> bool:
    """Judge the Origin header of a WebSocket, which browsers open to anywhere; other programs send none."""
    if origin is None:
        return True
    asking = urlsplit(origin).netloc
    if asking == host:
        return True
    # Behind a proxy the browser's name for us and the proxy's differ; then the browser's has to be a name of ours.
    return not _is_local(asking) and allowed(asking, names)


def _is_local(host: str) -> bool:
    name = _name(host)
    return name == "localhost" or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _name(host: str | None) -> str:
    """Without its port, brackets and final dot; empty when it is none."""
    try:
        name = urlsplit(f"//{host or ''}").hostname
    except ValueError:
        return ""
    return (name or "").rstrip(".")
