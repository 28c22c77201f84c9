"""The kubeconfig file of one user."""

import base64
import json
from pathlib import Path

from support.certificates import Credentials


def write_kubeconfig(path: Path, server: str, authority: bytes, user: Credentials | str) -> Path:
    """Write a kubeconfig, readable by its owner only: JSON is YAML. The user is a certificate or a token."""
    identity = (
        {"token": user}
        if isinstance(user, str)
        else {
            "client-certificate-data": _base64(user.certificate),
            "client-key-data": _base64(user.key),
        }
    )
    name = "tacotune-test"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [
            {"name": name, "cluster": {"server": server, "certificate-authority-data": _base64(authority)}}
        ],
        "users": [{"name": name, "user": identity}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": "default"}}],
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(content, indent=1))
    return path


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
