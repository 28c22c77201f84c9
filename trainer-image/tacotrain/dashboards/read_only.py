"""The gate before the Optuna Dashboard: it lets readers through and refuses, in a sentence, whatever would write."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from tacotrain.dashboards.refusing import READ_ONLY

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

READING: Final = ("GET", "HEAD")
HEADERS: Final = [("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer")]


class ReadOnly:
    """A WSGI application before two others.

    Args:
        dashboard: The Optuna Dashboard.
        files: Answers for `/artifacts/…`.
    """

    def __init__(self, dashboard: "WSGIApplication", files: "WSGIApplication") -> None:
        self._dashboard = dashboard
        self._files = files

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request."""
        if environ["REQUEST_METHOD"] not in READING:
            # The page shows the reason of a refused request to its user.
            body = json.dumps({"reason": READ_ONLY}).encode()
            headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
            start_response("405 Method Not Allowed", [*headers, ("Allow", ", ".join(READING)), *HEADERS])
            return [body]
        # The dashboard's own routes for static files take this header for granted.
        environ.setdefault("HTTP_ACCEPT_ENCODING", "identity")
        chosen = self._files if environ.get("PATH_INFO", "").startswith("/artifacts/") else self._dashboard
        return chosen(environ, start_response)
