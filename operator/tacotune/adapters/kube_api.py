"""The API server over HTTP: dictionaries in and out, explicit time-outs, and the errors of `ports`.

One client per process, safe for threads. Only calls that may be repeated are repeated here (reads and deletes, by urllib3);
whatever else fails ends the pass, and the next pass decides anew.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import urllib3
from kubernetes import client, config
from kubernetes.client.rest import RESTResponse
from kubernetes.config.config_exception import ConfigException

from tacotune.api import names
from tacotune.ports import ClusterUnavailable, InvalidStudy, PermanentError

CONNECT_SECONDS: Final = 3.0
READ_SECONDS: Final = 15.0
POOL_SIZE: Final = 16
FIELD_MANAGER: Final = "tacotune"
CHUNK: Final = 1 << 16

Document = dict[str, Any]

_APPLY: Final = "application/apply-patch+yaml"
_MERGE: Final = "application/merge-patch+json"
_REPEATED: Final = urllib3.Retry(
    total=2,
    backoff_factor=0.2,
    status_forcelist=(429, 500, 502, 503, 504),
    allowed_methods=("GET", "DELETE"),
    raise_on_status=False,
)


class Forbidden(ClusterUnavailable):
    """Whoever asks lacks the right (403)."""


class Conflict(Exception):  # noqa: N818  a state of the world reads best without a suffix
    """The object is there already, or was changed since it was read (409)."""


class Unanswered(ClusterUnavailable):
    """The API server did not say whether it did it: it is away, or overwhelmed."""


def collection(namespace: str, plural: str) -> str:
    """Where the objects of a kind lie in a namespace."""
    match plural:
        case "jobs":
            root = "/apis/batch/v1"
        case "deployments":
            root = "/apis/apps/v1"
        case "ingresses":
            root = "/apis/networking.k8s.io/v1"
        case "httproutes":
            root = "/apis/gateway.networking.k8s.io/v1"
        case names.PLURAL:
            root = f"/apis/{names.API_VERSION}"
        case _:
            root = "/api/v1"
    return f"{root}/namespaces/{namespace}/{plural}"


class KubeApi:
    """Calls on objects by their path below the server, such as `/apis/batch/v1/namespaces/voices/jobs/a-0-1`.

    Args:
        configuration: Where the server is, and who asks.
        manager: Who the fields that it writes belong to.
    """

    def __init__(self, configuration: client.Configuration, manager: str = FIELD_MANAGER) -> None:
        self._manager = manager
        configuration.retries = _REPEATED
        configuration.connection_pool_maxsize = POOL_SIZE
        self._client = client.ApiClient(configuration)
        self._client.user_agent = "tacotune"

    def get(self, path: str, **query: str) -> Document | None:
        """Read an object; None when there is none."""
        status, body = self._call("GET", path, query=query)
        if status == 404:
            return None
        return self._document(status, body, "GET", path)

    def list(self, path: str, selector: str = "", *, fields: str = "") -> list[Document]:
        """Read all objects of a collection that carry these labels and have these fields."""
        query = {"labelSelector": selector, "fieldSelector": fields}
        status, body = self._call("GET", path, query={name: value for name, value in query.items() if value})
        items = self._document(status, body, "GET", path).get("items")
        return items if isinstance(items, list) else []

    def text(self, path: str, **query: str) -> str:
        """Read what is no JSON, such as a log; empty when there is none (yet)."""
        status, body = self._call("GET", path, query=query)
        return body if status < 300 else ""

    def stream(self, path: str, **query: str) -> Iterator[bytes]:
        """Read what comes as it comes, for as long as the server sends, such as a log that is followed."""
        answer = self._send("GET", path, query=query, read_seconds=None)
        try:
            if answer.status >= 300:
                self._document(answer.status, answer.read().decode(errors="replace"), "GET", path)  # type: ignore[no-untyped-call]
            yield from answer.response.stream(CHUNK)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ClusterUnavailable(f"GET {path}: the API server broke off: {error}") from error
        finally:
            answer.response.close()

    def create(self, path: str, body: Document) -> Document:
        """Make an object in a collection.

        Raises:
            Conflict: One of that name is there.
        """
        status, answer = self._call("POST", path, body=body, query={"fieldManager": self._manager})
        return self._document(status, answer, "POST", f"{path}/{body['metadata'].get('name', '')}")

    def apply(self, path: str, body: Document) -> Document:
        """Make an object as described, or bring the one that is there in line (server-side apply)."""
        query = {"fieldManager": self._manager, "force": "true"}
        status, answer = self._call("PATCH", path, body=body, query=query, content_type=_APPLY)
        return self._document(status, answer, "PATCH", path)

    def merge(self, path: str, body: Document) -> Document | None:
        """Change parts of an object (JSON merge patch); None when there is none.

        A `metadata.resourceVersion` in the body makes it conditional.

        Raises:
            Conflict: It was changed since.
        """
        query = {"fieldManager": self._manager}
        status, answer = self._call("PATCH", path, body=body, query=query, content_type=_MERGE)
        return None if status == 404 else self._document(status, answer, "PATCH", path)

    def put(self, path: str, body: Document) -> Document:
        """Replace an object; its `metadata.resourceVersion` makes that conditional.

        Raises:
            Conflict: It was changed since.
        """
        status, answer = self._call("PUT", path, body=body, query={"fieldManager": self._manager})
        return self._document(status, answer, "PUT", path)

    def delete(self, path: str) -> None:
        """Delete an object and, in the background, what it owns; one that is gone is fine."""
        body = {"propagationPolicy": "Background"}
        status, answer = self._call("DELETE", path, body=body)
        if status != 404:
            self._document(status, answer, "DELETE", path)

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Document | None = None,
        content_type: str = "application/json",
    ) -> tuple[int, str]:
        answer = self._send(method, path, query=query, body=body, content_type=content_type)
        try:
            return answer.status, answer.read().decode(errors="replace")  # type: ignore[no-untyped-call]
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _silent(method, path, error) from error

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Document | None = None,
        content_type: str = "application/json",
        read_seconds: float | None = READ_SECONDS,
    ) -> RESTResponse:
        call = self._client.param_serialize(
            method=method,
            resource_path=path,
            query_params=list((query or {}).items()),
            header_params={"Accept": "application/json, */*", "Content-Type": content_type},
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            return self._client.call_api(*call, _request_timeout=(CONNECT_SECONDS, read_seconds))
        except (urllib3.exceptions.HTTPError, client.ApiException, OSError) as error:
            raise _silent(method, path, error) from error

    def _document(self, status: int, body: str, method: str, path: str) -> Document:
        try:
            answer = json.loads(body)
        except json.JSONDecodeError:
            answer = {}
        if status < 300:
            return answer if isinstance(answer, dict) else {}
        said = answer.get("message", body) if isinstance(answer, dict) else body
        message = f"{method} {path}: {said or status}"
        match status:
            case 409:
                raise Conflict(message)
            case 400 | 422:
                # What we send follows from the spec: sending it again would be refused again.
                raise InvalidStudy(message)
            case 403:
                # Quota and admission come and go; missing rights wait for a person, who may be at it.
                raise Forbidden(message, retry_after=10.0)
            case _:
                raise Unanswered(message, retry_after=2.0)


def _silent(method: str, path: str, error: Exception) -> Unanswered:
    return Unanswered(f"{method} {path}: the API server does not answer: {error}")


def connect() -> KubeApi:
    """Connect as the pod's ServiceAccount, else as the kubeconfig of the person says.

    Raises:
        PermanentError: There is neither.
    """
    settings = client.Configuration()
    try:
        try:
            config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        except ConfigException:
            config.load_kube_config(client_configuration=settings)  # type: ignore[no-untyped-call]
    except (ConfigException, OSError) as error:
        raise PermanentError(
            f"no cluster: {error}; run inside one, set KUBECONFIG, or name a file with --kubeconfig"
        ) from error
    return KubeApi(settings)
