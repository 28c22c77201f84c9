"""Secrets of notifications in a cluster: read by the operator, or by a person with `kubectl tacotune`, with rights of their own."""

import base64
import binascii
import re

from tacotune.adapters.channels import Secrets
from tacotune.adapters.kube_api import Forbidden, KubeApi, collection
from tacotune.api.kubernetes import SecretKey
from tacotune.ports import ClusterUnavailable, Undelivered


def from_cluster(api: KubeApi, namespace: str) -> Secrets:
    """Secrets of a study's namespace."""

    def read(name: str, reference: SecretKey) -> str:
        field = f"spec.notifications.{name}.secretRef"
        where = f"Secret {reference.name} of namespace {namespace}"
        problem = ""
        try:
            secret = api.get(f"{collection(namespace, 'secrets')}/{reference.name}")
        except Forbidden as error:
            problem = _how_to_grant(str(error), namespace, reference.name)
        except ClusterUnavailable:
            problem = "the API server did not answer"
        if problem:
            raise Undelivered(f"{field}: {where} cannot be read: {problem}")
        if secret is None:
            raise Undelivered(f"{field}: there is no {where}")
        encoded = (secret.get("data") or {}).get(reference.key)
        value = _decoded(encoded) if encoded is not None else ""
        if not value:
            raise Undelivered(f"{field}: {where} has nothing under the key {reference.key}")
        return value

    return read


def _decoded(encoded: str) -> str:
    try:
        return base64.b64decode(encoded).decode().strip()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _how_to_grant(refusal: str, namespace: str, secret: str) -> str:
    """Two commands that let whoever was refused read this one Secret."""
    account = re.search(r"system:serviceaccount:([-a-z0-9.]+):([-a-z0-9.]+)", refusal)
    person = re.search(r'User "([^"]+)"', refusal)
    subject = (
        f"--serviceaccount={account[1]}:{account[2]}" if account else f"--user={person[1] if person else '…'}"
    )
    role = f"read-{secret}"
    return (
        f"not allowed. Allow it with: kubectl -n {namespace} create role {role} --verb=get --resource=secrets "
        f"--resource-name={secret} && kubectl -n {namespace} create rolebinding {role} --role={role} {subject}"
    )
