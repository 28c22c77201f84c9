"""A person's connection to a cluster, by kubectl's own rules; behind `kubectl tacotune`.

The kubeconfig is the one that is named, else those of $KUBECONFIG, else ~/.kube/config; without any, in a pod, its
ServiceAccount. The namespace is the one that is named, else the context's, else `default`.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from kubernetes import client, config
from kubernetes.config.config_exception import ConfigException
from yaml import YAMLError

from tacotune.adapters.kube_api import KubeApi
from tacotune.adapters.kubectl import KubeFlags
from tacotune.ports import PermanentError

MANAGER: Final = "kubectl-tacotune"
POD_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True, slots=True)
class User:
    """Somebody's connection."""

    api: KubeApi
    namespace: str
    flags: KubeFlags
    """The same cluster and namespace, for kubectl."""


def connect_user(flags: KubeFlags) -> User:
    """Connect as kubectl would with these flags.

    Raises:
        PermanentError: There is no cluster to connect to; the message says where it was looked for.
    """
    # A retry is nothing that a person has to know of; urllib3 would tell.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    settings = client.Configuration()
    file = flags.kubeconfig or None
    try:
        contexts, active = config.list_kube_config_contexts(config_file=file)  # type: ignore[no-untyped-call]
        namespace = namespace_of(flags, contexts, active)
        config.load_kube_config(  # type: ignore[no-untyped-call]
            config_file=file,
            context=flags.context or None,
            client_configuration=settings,
            persist_config=False,
        )
    except (ConfigException, OSError, YAMLError) as error:
        if flags.kubeconfig or flags.context or not _in_pod(settings):
            raise PermanentError(
                f"kubeconfig: {error}; name a file with --kubeconfig or KUBECONFIG, and a context in it with --context"
            ) from error
        namespace = flags.namespace or _pod_namespace()
    return User(KubeApi(settings, MANAGER), namespace, replace(flags, namespace=namespace))


def namespace_of(
    flags: KubeFlags, contexts: Sequence[Mapping[str, Any]], active: Mapping[str, Any] | None
) -> str:
    """The namespace that is meant: the one named, else that of the context named, else that of the current context."""
    if flags.namespace:
        return flags.namespace
    named = next((c for c in contexts if c.get("name") == flags.context), None)
    context = named if flags.context else active
    return str(((context or {}).get("context") or {}).get("namespace") or "default")


def _in_pod(settings: client.Configuration) -> bool:
    try:
        config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
    except ConfigException:
        return False
    return True


def _pod_namespace() -> str:
    try:
        return POD_NAMESPACE.read_text("utf-8").strip() or "default"
    except OSError:
        return "default"
