"""A ResourceQuota in a namespace, in force."""

from support.api_server import ApiServer
from support.cluster_study import SECONDS
from support.eventually import eventually


def limit(api: ApiServer, namespace: str, **hard: str) -> str:
    """Put a quota into force; its path."""
    named = {key.replace("_", "/", 1).replace("_", "."): amount for key, amount in hard.items()}
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "tight"},
        "spec": {"hard": named},
    }
    assert api.create(quota, namespace).ok
    path = f"/api/v1/namespaces/{namespace}/resourcequotas/tight"
    eventually(lambda: "hard" in api.get(path).get("status", {}), within=SECONDS)
    return path
