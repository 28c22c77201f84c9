"""Pods and Jobs as tacotune makes them: restricted, read-only, one container; a test says only what matters to it."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

Object = dict[str, Any]
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
TOOLS = "tacotune/tools:e2e"
USER = 10001


def pod_spec(
    *command: str,
    image: str = TOOLS,
    user: int = USER,
    grace: int = 30,
    claims: Mapping[str, str] = NOTHING,
    scratch: Sequence[str] = ("/tmp",),
    **container: Any,
) -> Object:
    """A pod of one container `main`.

    Args:
        command: The image's own when empty.
        image: One that the cluster has.
        user: It runs as this user and group, and so are its volumes.
        grace: Seconds between SIGTERM and SIGKILL.
        claims: Path → PVC.
        scratch: Paths that can be written to.
        container: Further fields of the container.
    """
    volumes = {
        **{
            path: {"name": claim, "persistentVolumeClaim": {"claimName": claim}}
            for path, claim in claims.items()
        },
        **{path: {"name": f"scratch-{index}", "emptyDir": {}} for index, path in enumerate(scratch)},
    }
    return {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": grace,
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": user,
            "runAsGroup": user,
            "fsGroup": user,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "main",
                "image": image,
                "imagePullPolicy": "Never",
                **({"command": list(command)} if command else {}),
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                    "readOnlyRootFilesystem": True,
                },
                "volumeMounts": [
                    {"name": volume["name"], "mountPath": path} for path, volume in volumes.items()
                ],
                **container,
            }
        ],
        "volumes": list(volumes.values()),
    }


def pod(name: str, spec: Object, **labels: str) -> Object:
    """A pod by itself."""
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": spec}


def job(name: str, spec: Object) -> Object:
    """A Job that is tried once."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"backoffLimit": 0, "podReplacementPolicy": "Failed", "template": {"spec": spec}},
    }


def claim(name: str, size: str = "64Mi") -> Object:
    """A volume of the default StorageClass."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}},
    }


def service(name: str, port: int, **selector: str) -> Object:
    """A Service in front of the pods with these labels."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": selector, "ports": [{"port": port}]},
    }


def terminated(pod: Object) -> Object:
    """How the container ended."""
    [status] = pod["status"]["containerStatuses"]
    ended = status["state"]["terminated"]
    assert isinstance(ended, dict)
    return ended


PATIENT = """\
import sys, time, urllib.request
def answer(url, until):
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10) as found:
                return found.status, found.read().decode(errors="replace")
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(1)
"""
"""`answer(url, until)`: a Service's endpoints reach DNS and the node a moment after its pod is ready."""
