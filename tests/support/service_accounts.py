"""Acting as a service account, as a pod does: with a token, and with what RBAC grants to it and no more."""

from pathlib import Path

from support.api_server import ApiServer, Object
from support.kubeconfigs import write_kubeconfig

REQUEST: Object = {
    "apiVersion": "authentication.k8s.io/v1",
    "kind": "TokenRequest",
    "spec": {"expirationSeconds": 3600},
}


def service_account_kubeconfig(api: ApiServer, namespace: str, name: str, path: Path) -> Path:
    """Write the kubeconfig of a service account that is there, good for an hour."""
    account = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}"
    answer = api.request("POST", f"{account}/token", REQUEST)
    assert answer.ok, answer.body
    return write_kubeconfig(path, api.url, api.authority, answer.body["status"]["token"])
