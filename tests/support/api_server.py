"""The API server as tests see it: whole JSON objects in, status codes and JSON objects out."""

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import urllib3
from kubernetes import config

Object = dict[str, Any]
PATCH: Final = "application/merge-patch+json"
STRATEGIC: Final = "application/strategic-merge-patch+json"
APPLY: Final = "application/apply-patch+yaml"
TABLE: Final = "application/json;as=Table;v=v1;g=meta.k8s.io"
MANAGER: Final = "tacotune-test"
_UNKNOWN_FIELD: Final = re.compile(r'unknown field "([^"]+)"')


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    code: int
    body: Object
    warnings: tuple[str, ...] = ()
    """What kubectl would print after "Warning:"."""

    @property
    def ok(self) -> bool:
        """Whether it was done."""
        return 200 <= self.code < 300

    @property
    def refusals(self) -> list[tuple[str, str]]:
        """Path and reason of every field that was refused."""
        if self.ok:
            return []
        said = self.body.get("message", "")
        unknown = [(path, "unknown field") for path in _UNKNOWN_FIELD.findall(said)]
        causes = self.body.get("details", {}).get("causes", [])
        # Without a field it says that rules were not evaluated, because of the others.
        return unknown + [(c["field"], c["message"]) for c in causes if c.get("field", "<nil>") != "<nil>"]


class ApiServer:
    """One user's connection."""

    def __init__(self, kubeconfig: Path) -> None:
        self._client = config.new_client_from_config(str(kubeconfig))  # type: ignore[no-untyped-call]
        self._resources = cache(self._discover)
        self.url: str = self._client.configuration.host

    @property
    def authority(self) -> bytes:
        """The certificate that vouches for the server, as PEM."""
        return Path(self._client.configuration.ssl_ca_cert).read_bytes()

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content: str = "application/json",
        accept: str = "application/json",
        **query: str,
    ) -> Answer:
        """Send one request; nothing is repeated and nothing is raised for what the server answers."""
        sent = None if body is None else json.dumps(body).encode()
        answer = self._send(
            method, path, sent, {"Accept": accept, "Content-Type": content}, query, timeout=30
        )
        return Answer(answer.status, _parsed(answer.data), tuple(answer.headers.getlist("Warning")))

    def watch(self, path: str, **query: str) -> "Watch":
        """Open the stream of what changes in a collection."""
        wait = urllib3.Timeout(connect=5, read=None)
        headers = {"Accept": "application/json"}
        return Watch(
            self._send("GET", path, None, headers, query | {"watch": "true"}, wait, preload_content=False)
        )

    def forward(
        self, method: str, target: str, body: bytes | None, headers: dict[str, str]
    ) -> urllib3.HTTPResponse:
        """Send somebody else's request under this user's name, and leave the answer to be read as it comes."""
        wait = urllib3.Timeout(connect=5, read=None)
        return self._send(method, target, body, headers, {}, wait, preload_content=False)

    def _send(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: dict[str, str],
        query: Mapping[str, str],
        timeout: float | urllib3.Timeout,
        **options: Any,
    ) -> urllib3.HTTPResponse:
        headers = {**headers, "User-Agent": MANAGER}
        self._client.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        answer: urllib3.HTTPResponse = self._client.rest_client.pool_manager.request(
            method,
            f"{self.url}{path}{'?' + urlencode(query) if query else ''}",
            body=body,
            headers=headers,
            timeout=timeout,
            retries=False,
            **options,
        )
        return answer

    def get(self, path: str, **query: str) -> Object:
        """Read something that is there."""
        return self._done("GET", path, self.request("GET", path, **query))

    def create(self, thing: Object, namespace: str = "", **query: str) -> Answer:
        """POST an object, with an unknown field refused as kubectl has it refused."""
        path = self.collection(thing, namespace)
        return self.request("POST", path, thing, **{"fieldValidation": "Strict", **query})

    def apply(self, thing: Object, namespace: str = "") -> Object:
        """Apply an object on the server's side, taking over whatever another manager holds."""
        path = f"{self.collection(thing, namespace)}/{thing['metadata']['name']}"
        answer = self.request("PATCH", path, thing, content=APPLY, fieldManager=MANAGER, force="true")
        return self._done("PATCH", path, answer)

    def collection(self, thing: Mapping[str, Any], namespace: str = "") -> str:
        """Where objects of its kind lie."""
        version = thing["apiVersion"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        plural, namespaced = self._resources(root)[thing["kind"]]
        within = thing.get("metadata", {}).get("namespace") or namespace or "default"
        return f"{root}/namespaces/{within}/{plural}" if namespaced else f"{root}/{plural}"

    def _discover(self, root: str) -> dict[str, tuple[str, bool]]:
        resources = self.get(root)["resources"]
        return {r["kind"]: (r["name"], r["namespaced"]) for r in resources if "/" not in r["name"]}

    @staticmethod
    def _done(method: str, path: str, answer: Answer) -> Object:
        assert answer.ok, f"{method} {path}: {answer.code} {answer.body.get('message', answer.body)}"
        return answer.body


class Watch:
    """One stream of changes; it ends when the server ends it, or when another thread closes it."""

    def __init__(self, answer: urllib3.HTTPResponse) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[tuple[str, Object]]:
        """`ADDED`, `MODIFIED`, `DELETED` or `ERROR`, and the object."""
        rest = b""
        for chunk in self._answer.stream(2**16):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                event = json.loads(line)
                yield event["type"], event["object"]

    def close(self) -> None:
        """Wake whoever waits for the next change."""
        with contextlib.suppress(RuntimeError, ValueError, OSError):  # It has ended by itself.
            self._answer.shutdown()


def _parsed(data: bytes) -> Object:
    try:
        parsed = json.loads(data)
    except ValueError:
        return {"message": data.decode(errors="replace")}
    return parsed if isinstance(parsed, dict) else {"items": parsed}
