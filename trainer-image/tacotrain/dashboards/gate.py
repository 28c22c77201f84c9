"""The demo's port: closed with a sentence until there is a voice, then Streamlit; and only for those who may ask.

An ASGI application around Streamlit's own, so that the port never changes hands.
"""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final

from tacotrain.dashboards.hosts import allowed, same_site

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

WAITING: Final = "There is no voice to hear yet: the demo opens with the study's first best checkpoint."
STRANGER: Final = "This name is not one of the demo's; start it with --allowed-host {host} to allow it."
_POLICY_VIOLATION: Final = 1008


class Gate:
    """Open or closed; `open` and `say` may be called from any thread.

    Args:
        page: Streamlit.
        names: See `hosts.allowed`.
    """

    def __init__(self, page: Application, names: Iterable[str]) -> None:
        self._page = page
        self._names = tuple(names)
        self._sentence = WAITING
        self._open = False

    def open(self) -> None:
        """Let everybody through from now on."""
        self._open = True

    def say(self, sentence: str) -> None:
        """Why it is closed."""
        self._sentence = sentence

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] == "lifespan":
            await self._page(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        host, origin = headers.get("host"), headers.get("origin")
        socket = scope["type"] == "websocket"
        if not allowed(host, self._names):
            await _refuse(send, 403, STRANGER.format(host=(host or "").partition(":")[0]), socket=socket)
        elif not self._open:
            await _refuse(send, 503, self._sentence, socket=socket)
        elif socket and not same_site(origin, host, self._names):
            await _refuse(send, 403, "Another web site may not use the demo.", socket=True)
        else:
            # It is judged. Streamlit, in doubt, would ask a server on the Internet for this machine's address.
            scope["headers"] = [item for item in scope["headers"] if item[0] != b"origin"]
            await self._page(scope, receive, send)


async def _refuse(send: Send, status: int, sentence: str, *, socket: bool) -> None:
    if socket:
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": sentence[:120]})
        return
    body = f"{sentence}\n".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    if status == 503:
        headers.append((b"retry-after", b"5"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
