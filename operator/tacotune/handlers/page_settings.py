"""What the chart says of dashboards, as the JSON of one environment variable; read by `cli.operator`."""

from typing import Any

from pydantic import Field, ValidationError

from tacotune.adapters.kube_dashboards import PageSettings
from tacotune.api.base import ApiModel
from tacotune.api.dashboards import Dashboard
from tacotune.manifests.dashboard import RESOURCES, DashboardPlatform, Exposure
from tacotune.ports import PermanentError

VARIABLE = "TACOTUNE_DASHBOARDS"


class _Ingress(ApiModel):
    enabled: bool = False
    class_name: str = ""
    annotations: dict[str, str] = Field(default_factory=dict)
    tls_secret: str = ""


class _HTTPRoute(ApiModel):
    enabled: bool = False
    parent_refs: list[dict[str, Any]] = Field(default_factory=list)


class _Dashboards(ApiModel):
    image: str = ""
    image_pull_policy: str = "IfNotPresent"
    resources: dict[Dashboard, dict[str, dict[str, Any]]] = Field(default_factory=dict)
    host: str = ""
    ingress: _Ingress = Field(default_factory=_Ingress)
    http_route: _HTTPRoute = Field(default_factory=_HTTPRoute)


def page_settings(document: str, *, reader_url: str, mlflow_url: str) -> PageSettings:
    """Parse it.

    Args:
        document: JSON; empty: there are no dashboards.
        reader_url: DSN of those who read Optuna's database.
        mlflow_url: DSN of MLflow's own database.

    Raises:
        PermanentError: It is no such JSON; the message names the field.
    """
    if not document:
        return PageSettings()
    try:
        given = _Dashboards.model_validate_json(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise PermanentError(f"{VARIABLE}: {place}: {first['msg']}") from None
    if (given.ingress.enabled or given.http_route.enabled) and "{study}" not in given.host:
        raise PermanentError(f"{VARIABLE}: host: {given.host!r} has no {{study}}: studies would share a name")
    exposure = Exposure(
        host=given.host,
        ingress=given.ingress.enabled,
        class_name=given.ingress.class_name,
        annotations=given.ingress.annotations,
        tls_secret=given.ingress.tls_secret,
        gateways=tuple(given.http_route.parent_refs) if given.http_route.enabled else (),
    )
    return PageSettings(
        platform=DashboardPlatform(
            image=given.image,
            image_pull_policy=given.image_pull_policy,
            resources={**RESOURCES, **given.resources},  # type: ignore[dict-item]
            exposure=exposure,
        ),
        reader_url=reader_url,
        mlflow_url=mlflow_url,
    )
