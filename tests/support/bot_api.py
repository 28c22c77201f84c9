"""A Bot API on loopback: it keeps what it is sent and answers as a test has written down, and then as Telegram does when all is well.

It takes whatever Apprise posts to it as JSON, too.
"""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

TOKEN = "123456789:AAH-" + "secret_Secret_" * 2 + "123"
"""Of no bot: it has a token's shape, so that what hides tokens is put to the test."""


@dataclass(frozen=True)
class Answer:
    """What the server says; `{path}` in the description is the request's."""

    status: int = 200
    description: str = ""
    retry_after: int | None = None

    def body(self, path: str) -> bytes:
        document: dict[str, Any] = {"ok": self.status == 200}
        if self.status != 200:
            document |= {"error_code": self.status, "description": self.description.format(path=path)}
        if self.retry_after is not None:
            document["parameters"] = {"retry_after": self.retry_after}
        return json.dumps(document).encode()


@dataclass(frozen=True)
class Sent:
    """One request."""

    path: str
    status: int
    """What it was answered with."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, tuple[str, bytes]] = field(default_factory=dict)
    """File name and content by the field's name."""

    @property
    def method(self) -> str:
        return self.path.rpartition("/")[2]


@dataclass
class BotApi:
    """The server's memory."""

    answers: list[Answer] = field(default_factory=list)
    """For the next requests, in order."""
    requests: list[Sent] = field(default_factory=list)
    url: str = ""
    token: str = TOKEN
    always: Answer = field(default_factory=Answer)
    """When nothing else is written down."""

    @property
    def delivered(self) -> list[Sent]:
        return [sent for sent in self.requests if sent.status == 200]

    @property
    def texts(self) -> list[str]:
        """Title and text of each message that arrived, through whichever channel."""
        return [
            str(sent.fields["text"])
            if "text" in sent.fields
            else f"{sent.fields['title']}\n\n{sent.fields['message']}"
            for sent in self.delivered
            if "text" in sent.fields or "message" in sent.fields
        ]

    def answer(self, path: str) -> Answer:
        if path.startswith("/bot") and not path.startswith(f"/bot{self.token}/"):
            return Answer(401, "Unauthorized")
        return self.answers.pop(0) if self.answers else self.always


@contextmanager
def bot_api(answers: Sequence[Answer] = ()) -> Iterator[BotApi]:
    """Serve meanwhile."""
    api = BotApi(list(answers))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answer = api.answer(self.path)
            fields, files = parse(self.headers.get("Content-Type", ""), body)
            api.requests.append(Sent(self.path, answer.status, fields, files))
            content = answer.body(self.path)
            self.send_response(answer.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    api.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def parse(kind: str, body: bytes) -> tuple[dict[str, Any], dict[str, tuple[str, bytes]]]:
    """Fields and files of a body."""
    if kind.startswith("application/json"):
        return json.loads(body), {}
    if kind.startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(body.decode())), {}
    fields: dict[str, Any] = {}
    files = {}
    message = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + body, policy=HTTP)
    for part in message.iter_parts():
        name = str(part.get_param("name", header="content-disposition"))
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        if part.get_filename():
            files[name] = (str(part.get_filename()), content)
        else:
            fields[name] = content.decode()
    return fields, files
