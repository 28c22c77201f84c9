"""A page of a study: a Deployment of one pod, the Service before it, and where the chart says so an Ingress or an HTTPRoute."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from tacotune.api import names
from tacotune.api.dashboards import READY_PATHS, Dashboard
from tacotune.api.kubernetes import SecretKey
from tacotune.api.resources import Resources
from tacotune.api.study import TTSStudySpec
from tacotune.api.study_key import StudyKey
from tacotune.manifests.common import Manifest, Platform, labels, metadata
from tacotune.manifests.merge import merge_pod_template
from tacotune.manifests.pod import pod_template
from tacotune.manifests.reader_pod import PLACEMENT

COMPONENT: Final = "dashboard"
CONTAINER: Final = "dashboard"
READER_KEY: Final = "reader-uri"
MLFLOW_KEY: Final = "mlflow-uri"
RESOURCES: Final[Mapping[Dashboard, Resources]] = MappingProxyType(
    {
        # At rest 308, 110, 124 and 82 MB; the demo 522 while it speaks (benchmarks/dashboards.py).
        Dashboard.MLFLOW: {
            "requests": {"cpu": "20m", "memory": "384Mi"},
            "limits": {"memory": "1Gi"},
        },
        Dashboard.TENSORBOARD: {
            "requests": {"cpu": "20m", "memory": "160Mi"},
            "limits": {"memory": "1Gi"},
        },
        Dashboard.OPTUNA: {
            "requests": {"cpu": "20m", "memory": "160Mi"},
            "limits": {"memory": "512Mi"},
        },
        Dashboard.DEMO: {
            "requests": {"cpu": "20m", "memory": "128Mi"},
            "limits": {"memory": "1536Mi"},
        },
    }
)
STARTUP: Final = {"periodSeconds": 1, "failureThreshold": 30, "timeoutSeconds": 5}
"""30 looks a second apart; the port is open before the page is loaded, and a look may wait for it."""
WRITES: Final = frozenset({Dashboard.MLFLOW})
"""Pages that write into the study's folder: MLflow's copies of samples and pictures."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """How pages are reached from outside the cluster; the chart says so."""

    host: str = ""
    """`{dashboard}.{study}.{namespace}.voices.example.org`, with any of these three; empty: no Ingress and no HTTPRoute."""
    ingress: bool = False
    class_name: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
    tls_secret: str = ""
    """In the namespace of the study; `{study}` and so on as in `host`."""
    gateways: tuple[Mapping[str, Any], ...] = ()
    """`parentRefs` of an HTTPRoute; none: no HTTPRoute."""

    def name(self, study: StudyKey, dashboard: Dashboard) -> str:
        """The host name of a page; empty where there is none."""
        return _filled(self.host, study, dashboard) if self.ingress or self.gateways else ""

    def url(self, study: StudyKey, dashboard: Dashboard) -> str:
        """What a person opens; empty where there is none."""
        host = self.name(study, dashboard)
        secure = bool(self.tls_secret) or bool(self.gateways)
        return f"http{'s' if secure else ''}://{host}" if host else ""


@dataclass(frozen=True, slots=True)
class DashboardPlatform:
    """What the chart has decided about pages."""

    image: str = ""
    """Empty: there are no pages."""
    image_pull_policy: str = "IfNotPresent"
    resources: Mapping[Dashboard, Resources] = field(default_factory=lambda: RESOURCES)
    exposure: Exposure = field(default_factory=Exposure)


def service_url(study: StudyKey, dashboard: Dashboard, port: int) -> str:
    """Where pods of the cluster find a page."""
    return f"http://{names.dashboard_name(study.name, dashboard.value)}.{study.namespace}.svc:{port}"


def own_labels(study: StudyKey, dashboard: Dashboard) -> dict[str, str]:
    """Of everything that belongs to a page."""
    return {**labels(study, COMPONENT), names.LABEL_DASHBOARD: dashboard.value}


def deployment(
    study: StudyKey,
    platform: Platform,
    pages: DashboardPlatform,
    spec: TTSStudySpec,
    dashboard: Dashboard,
    *,
    directory: str,
    storage: SecretKey | None,
    resting_since: datetime | None = None,
) -> Manifest:
    """The Deployment.

    Args:
        study: Whose page.
        platform: What all pods of studies have in common.
        pages: What all pages have in common.
        spec: Says how long a page stays that nobody looks at, and where pods of this study may run.
        dashboard: Which page.
        directory: The study's folder on its volume.
        storage: A Secret of the user's with Optuna's database; None: the operator's own.
        resting_since: It has no replicas since then.
    """
    own = own_labels(study, dashboard)
    arguments = [
        *("dashboard", dashboard.value, "--host", "0.0.0.0", "--port", "8000"),  # noqa: S104  a pod of its own
        *("--study-directory", directory, "--study-name", study.storage_name),
        *(word for host in _hosts(study, pages, dashboard) for word in ("--allowed-host", host)),
    ]
    if spec.dashboards.idle_after_seconds is not None:
        arguments += ["--idle-after", str(spec.dashboards.idle_after_seconds)]
    template = pod_template(
        study,
        platform,
        spec,
        own,
        arguments=arguments,
        resources=pages.resources[dashboard],
        env=_env(study, dashboard, storage),
    )
    given = (spec.trainer.pod_template or {}).get("spec", {})
    template = merge_pod_template(
        template, {"spec": {name: value for name, value in given.items() if name in PLACEMENT}}
    )
    pod: dict[str, Any] = template["spec"]
    pod |= {"restartPolicy": "Always", "terminationGracePeriodSeconds": 10}
    (container,) = pod["containers"]
    container |= {
        "name": CONTAINER,
        "image": pages.image,
        "imagePullPolicy": pages.image_pull_policy,
        "ports": [{"name": "http", "containerPort": 8000}],
        "startupProbe": {**_look(dashboard, waits=True), **STARTUP},
        "readinessProbe": {**_look(dashboard), "periodSeconds": 5, "timeoutSeconds": 5},
        # Whether it is ready says the one above; this one is for a process that hangs.
        "livenessProbe": {"tcpSocket": {"port": "http"}, "periodSeconds": 20, "timeoutSeconds": 5},
    }
    for mount in container["volumeMounts"]:
        if mount["name"] == names.VOLUME and dashboard not in WRITES:
            mount["readOnly"] = True
    name = names.dashboard_name(study.name, dashboard.value)
    idle = {names.ANNOTATION_IDLE: resting_since.isoformat()} if resting_since is not None else None
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(study, platform, name, own, annotations=idle),
        "spec": {
            "replicas": 1 if resting_since is None else 0,
            "revisionHistoryLimit": 1,
            # Two mirrors would write the same rows, and a volume may hold to one node.
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": _selector(study, dashboard)},
            "template": template,
        },
    }


def service(study: StudyKey, platform: Platform, dashboard: Dashboard, port: int) -> Manifest:
    """The Service, on the port of `spec.dashboards`."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(
            study,
            platform,
            names.dashboard_name(study.name, dashboard.value),
            own_labels(study, dashboard),
        ),
        "spec": {
            "selector": _selector(study, dashboard),
            "ports": [{"name": "http", "port": port, "targetPort": "http"}],
        },
    }


def ingress(study: StudyKey, platform: Platform, exposure: Exposure, dashboard: Dashboard) -> Manifest | None:
    """The Ingress; None where the chart wants none."""
    if not exposure.ingress:
        return None
    host = exposure.name(study, dashboard)
    name = names.dashboard_name(study.name, dashboard.value)
    backend = {"service": {"name": name, "port": {"name": "http"}}}
    content: Manifest = {
        "rules": [
            {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
        ]
    }
    if exposure.class_name:
        content["ingressClassName"] = exposure.class_name
    if exposure.tls_secret:
        content["tls"] = [{"hosts": [host], "secretName": _filled(exposure.tls_secret, study, dashboard)}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": metadata(
            study, platform, name, own_labels(study, dashboard), annotations=exposure.annotations
        ),
        "spec": content,
    }


def http_route(
    study: StudyKey, platform: Platform, exposure: Exposure, dashboard: Dashboard, port: int
) -> Manifest | None:
    """The HTTPRoute of the Gateway API; None where the chart wants none."""
    if not exposure.gateways:
        return None
    name = names.dashboard_name(study.name, dashboard.value)
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": metadata(study, platform, name, own_labels(study, dashboard)),
        "spec": {
            "parentRefs": [dict(gateway) for gateway in exposure.gateways],
            "hostnames": [exposure.name(study, dashboard)],
            "rules": [{"backendRefs": [{"name": name, "port": port}]}],
        },
    }


def _selector(study: StudyKey, dashboard: Dashboard) -> dict[str, str]:
    return {names.LABEL_STUDY_UID: study.uid, names.LABEL_DASHBOARD: dashboard.value}


def _hosts(study: StudyKey, pages: DashboardPlatform, dashboard: Dashboard) -> tuple[str, ...]:
    name = names.dashboard_name(study.name, dashboard.value)
    inside = tuple(
        f"{name}{tail}" for tail in ("", *(f".{study.namespace}{t}" for t in ("", ".svc", ".svc.*")))
    )
    outside = pages.exposure.name(study, dashboard)
    return (*inside, outside) if outside else inside


def _env(study: StudyKey, dashboard: Dashboard, storage: SecretKey | None) -> list[Manifest]:
    own = names.dashboards_secret_name(study.name)
    reader = storage or SecretKey(name=own, key=READER_KEY)
    found = []
    if dashboard in {Dashboard.MLFLOW, Dashboard.OPTUNA}:
        found.append(_from_secret(names.READER_STORAGE_URL, reader.name, reader.key))
    if dashboard is Dashboard.MLFLOW:
        found.append(_from_secret(names.MLFLOW_STORAGE_URL, own, MLFLOW_KEY))
    return found


def _from_secret(variable: str, name: str, key: str) -> Manifest:
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": name, "key": key}}}


def _look(dashboard: Dashboard, *, waits: bool = False) -> Manifest:
    if waits and dashboard is Dashboard.DEMO:
        # It is not ready before there is a voice, which may take days; that is no reason to start it anew.
        return {"tcpSocket": {"port": "http"}}
    # By a name that every page takes; the kubelet would say the pod's address.
    return {
        "httpGet": {
            "path": READY_PATHS[dashboard],
            "port": "http",
            "httpHeaders": [{"name": "Host", "value": "localhost"}],
        }
    }


def _filled(pattern: str, study: StudyKey, dashboard: Dashboard) -> str:
    for word, value in (
        ("{dashboard}", dashboard.value),
        ("{study}", study.name),
        ("{namespace}", study.namespace),
    ):
        pattern = pattern.replace(word, value)
    return pattern
