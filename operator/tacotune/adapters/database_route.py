"""How a person's machine reaches the Postgres that a URL of the cluster names; `stored_study` reads from it.

Pods reach `tacotune-postgresql.tacotune.svc:5432`, a machine outside does not: there the way leads through
`kubectl port-forward`. A host that is no Service is taken as it stands.
"""

import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from sqlalchemy.engine import make_url

from tacotune.adapters.kubectl import KubeFlags, port_forward

POSTGRES_PORT = 5432


@dataclass(frozen=True, slots=True)
class Service:
    """A Service of the cluster, and its port."""

    namespace: str
    name: str
    port: int


def service_of(dsn: str, namespace: str) -> Service | None:
    """The Service that a URL names; None for a host outside of the cluster.

    Args:
        dsn: As pods are given it.
        namespace: Of these pods: a name without dots is a Service beside them.
    """
    url = make_url(dsn)
    host = (url.host or "").rstrip(".").lower()
    first, *rest = host.split(".")
    port = url.port or POSTGRES_PORT
    if len(rest) >= 2 and rest[1] == "svc":
        return Service(rest[0], first, port)
    if host and not rest and host != "localhost" and not _is_address(host):
        return Service(namespace, host, port)
    return None


def through(dsn: str, port: int) -> str:
    """The same URL by way of a port of this machine; the host's name stays, for the certificate is made out to it."""
    query = {"hostaddr": "127.0.0.1"}
    return make_url(dsn).set(port=port).update_query_dict(query).render_as_string(hide_password=False)


@contextmanager
def reachable(dsn: str, namespace: str, flags: KubeFlags) -> Iterator[str]:
    """The URL as this machine can use it, as long as the context lasts.

    Raises:
        ClusterUnavailable: The Service cannot be reached.
    """
    service = service_of(dsn, namespace)
    if service is None:
        yield dsn
        return
    with port_forward(replace(flags, namespace=service.namespace), service.name, service.port) as port:
        yield through(dsn, port)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
