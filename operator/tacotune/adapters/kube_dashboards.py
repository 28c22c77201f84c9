"""A study's pages in a cluster: what is there becomes `PageState`s, and what `engine.dashboard_pods` decides is done.

Nothing here may hold up a trial: whatever goes wrong becomes the message of a page. Objects of others that happen to have a
page's name are never touched.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from tacotune.adapters.job_view import why_waiting
from tacotune.adapters.kube_api import Forbidden, KubeApi, collection
from tacotune.adapters.kube_view import KubeView
from tacotune.api import names
from tacotune.api.dashboards import Dashboard
from tacotune.api.study import TTSStudySpec
from tacotune.api.study_key import StudyKey
from tacotune.engine.dashboard_pods import Ground, PageState, Remove, Serve, plan_pages
from tacotune.engine.dashboards import ObservedDashboard, wanted
from tacotune.manifests.common import Manifest, Platform, selector
from tacotune.manifests.dashboard import (
    COMPONENT,
    CONTAINER,
    MLFLOW_KEY,
    READER_KEY,
    DashboardPlatform,
    deployment,
    http_route,
    ingress,
    service,
    service_url,
)
from tacotune.manifests.dashboards_secret import dashboards_secret
from tacotune.ports import PermanentError, TacotuneError, TransientError

Document = Mapping[str, Any]
NO_IMAGE: Final = "the operator was given no image for dashboards"
_LATE: Final = {Dashboard.DEMO: "opens with the study's first best checkpoint"}
_KINDS: Final = {
    "Deployment": "deployments",
    "Service": "services",
    "Ingress": "ingresses",
    "HTTPRoute": "httproutes",
}


@dataclass(frozen=True, slots=True)
class PageSettings:
    """What an operator process knows about pages."""

    platform: DashboardPlatform = field(default_factory=DashboardPlatform)
    reader_url: str = ""
    """DSN of Optuna's database for those who read; empty: there is none."""
    mlflow_url: str = ""
    """DSN of MLflow's own database; empty: there is none."""


class KubeDashboards:
    """Pages of one study.

    Args:
        api: The API server.
        view: What it said of the study's pods and volume.
        study: Whose pages.
        platform: What all pods of studies have in common.
        settings: What all pages have in common.
        directory: The study's folder on its volume.
    """

    def __init__(
        self,
        api: KubeApi,
        view: KubeView,
        study: StudyKey,
        *,
        platform: Platform,
        settings: PageSettings,
        directory: str,
    ) -> None:
        self._api = api
        self._view = view
        self._study = study
        self._platform = platform
        self._settings = settings
        self._directory = directory
        self._secret_given = False
        self._seen: tuple[ObservedDashboard, ...] = ()

    def keep(
        self, spec: TTSStudySpec, opened_at: datetime | None
    ) -> tuple[tuple[ObservedDashboard, ...], str]:
        """Bring the pages one step further.

        Args:
            spec: Of the study.
            opened_at: When a person last said that pages are wanted.

        Returns:
            Each page that is wanted; and why there is none at all, where that is so.
        """
        if not self._settings.platform.image:
            return (), NO_IMAGE
        try:
            self._view.look()
            found = self._api.list(
                self._path("deployments"), f"{selector(self._study)},{names.LABEL_DASHBOARD}"
            )
            states = [self._state(document) for document in found]
            planned = plan_pages(
                spec.dashboards,
                states,
                self._ground(spec, opened_at),
                lambda step: _hash(self._objects(step, spec)),
            )
        except TacotuneError as error:
            if self._seen and isinstance(error, TransientError) and not isinstance(error, Forbidden):
                return self._seen, ""  # What was true a moment ago: a page does not go with the API server.
            return tuple(
                ObservedDashboard(kind, message=str(error)) for kind, _ in wanted(spec.dashboards)
            ), ""
        seen = {page.dashboard: page for page in planned.seen}
        for step in planned.steps:
            try:
                self._take(step, spec)
            except TacotuneError as error:
                if isinstance(step, Serve):
                    seen[step.dashboard] = ObservedDashboard(step.dashboard, message=str(error))
        self._seen = tuple(seen.values())
        return self._seen, ""

    def _take(self, step: Serve | Remove, spec: TTSStudySpec) -> None:
        if isinstance(step, Remove):
            name = names.dashboard_name(self._study.name, step.dashboard.value)
            for plural in self._plurals():
                self._api.delete(f"{self._path(plural)}/{name}")
            return
        self._give_secret()
        objects = self._objects(step, spec)
        mark = _hash(objects)
        for body in objects:
            if body["kind"] == "Deployment":
                # Last, and it says what all of them were: a look that was cut off before is made again.
                body["metadata"].setdefault("annotations", {})[names.ANNOTATION_DOCUMENT] = mark
            self._apply(body)

    def _apply(self, body: Manifest) -> None:
        kind, name = body["kind"], body["metadata"]["name"]
        path = f"{self._path(_KINDS[kind])}/{name}"
        there = self._api.get(path)
        if (
            there is not None
            and there["metadata"].get("labels", {}).get(names.LABEL_STUDY_UID) != self._study.uid
        ):
            raise PermanentError(f"{kind} {name} is there and belongs to something else")
        self._api.apply(path, body)

    def _objects(self, step: Serve, spec: TTSStudySpec) -> list[Manifest]:
        pages, study, platform = self._settings.platform, self._study, self._platform
        made = deployment(
            study,
            platform,
            pages,
            spec,
            step.dashboard,
            directory=self._directory,
            storage=None if spec.storage is None else spec.storage.secret_ref,
            resting_since=step.resting_since,
        )
        return [
            body
            for body in (
                service(study, platform, step.dashboard, step.port),
                ingress(study, platform, pages.exposure, step.dashboard),
                http_route(study, platform, pages.exposure, step.dashboard, step.port),
                made,
            )
            if body is not None
        ]

    def _give_secret(self) -> None:
        if self._secret_given:
            return
        urls = {READER_KEY: self._settings.reader_url, MLFLOW_KEY: self._settings.mlflow_url}
        body = dashboards_secret(self._study, self._platform, {key: url for key, url in urls.items() if url})
        # Not read first, for the operator may not read Secrets; the name is the study's own.
        self._api.apply(f"{self._path('secrets')}/{body['metadata']['name']}", body)
        self._secret_given = True

    def _ground(self, spec: TTSStudySpec, opened_at: datetime | None) -> Ground:
        claim = self._view.claim or {}
        phase = claim.get("status", {}).get("phase", "")
        exposure = self._settings.platform.exposure
        return Ground(
            volume_bound=phase == "Bound",
            volume_shared="ReadWriteOncePod" not in spec.checkpoints.volume.access_modes,
            lacks=dict(self._lacks(spec)),
            opened_at=opened_at,
            urls={
                kind: exposure.url(self._study, kind) or service_url(self._study, kind, port)
                for kind, port in wanted(spec.dashboards)
            },
        )

    def _lacks(self, spec: TTSStudySpec) -> Iterator[tuple[Dashboard, str]]:
        if spec.storage is None and not self._settings.reader_url:
            for kind in (Dashboard.MLFLOW, Dashboard.OPTUNA):
                yield kind, f"the operator has no {names.READER_STORAGE_URL}"
        elif not self._settings.mlflow_url:
            yield Dashboard.MLFLOW, f"the operator has no {names.MLFLOW_STORAGE_URL}"

    def _state(self, found: Document) -> PageState:
        metadata = found["metadata"]
        dashboard = Dashboard(metadata["labels"][names.LABEL_DASHBOARD])
        annotations = metadata.get("annotations", {})
        pod = self._pod(dashboard)
        return PageState(
            dashboard,
            document_hash=annotations.get(names.ANNOTATION_DOCUMENT, ""),
            resting_since=_moment(annotations.get(names.ANNOTATION_IDLE)),
            ended_idle_at=idle_since(pod),
            ready=is_ready(pod),
            message=_why(found, pod) or _LATE.get(dashboard, "does not answer yet"),
        )

    def _pod(self, dashboard: Dashboard) -> Document | None:
        own = [
            pod
            for pod in self._view.pods
            if pod["metadata"].get("labels", {}).get(names.LABEL_DASHBOARD) == dashboard.value
            and "deletionTimestamp" not in pod["metadata"]
        ]
        return max(own, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")), default=None)

    def _plurals(self) -> Iterator[str]:
        yield "deployments"
        yield "services"
        if self._settings.platform.exposure.ingress:
            yield "ingresses"
        if self._settings.platform.exposure.gateways:
            yield "httproutes"

    def _path(self, plural: str) -> str:
        return collection(self._study.namespace, plural)


def is_page(pod: Document) -> bool:
    """Whether a pod is a page's, and none of a trial's."""
    return bool(pod["metadata"].get("labels", {}).get(names.LABEL_COMPONENT) == COMPONENT)


def is_ready(pod: Document | None) -> bool:
    """Whether a page's pod has answered 200."""
    conditions = ((pod or {}).get("status") or {}).get("conditions") or []
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def idle_since(pod: Document | None) -> datetime | None:
    """When a page's pod ended because nobody looked; None when it did not."""
    for said in _ends(pod):
        try:
            word = json.loads(said.get("message", ""))
        except ValueError:
            continue
        if isinstance(word, dict) and word.get("state") == "idle":
            return _moment(said.get("finishedAt"))
    return None


def _ends(pod: Document | None) -> Iterator[Document]:
    for container in ((pod or {}).get("status") or {}).get("containerStatuses") or []:
        if container.get("name") == CONTAINER:
            for state in ("state", "lastState"):
                if said := container.get(state, {}).get("terminated"):
                    yield said


def _why(found: Document, pod: Document | None) -> str:
    """Why a page is not ready, in the platform's words."""
    if pod is None:
        # A quota or an admission rule: the Deployment knows.
        for condition in found.get("status", {}).get("conditions") or []:
            if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
                return str(condition.get("message", ""))
        return "starting"
    if waiting := ": ".join(filter(None, why_waiting({}, pod))):
        return waiting
    for said in _ends(pod):
        words = str(said.get("message", "")).strip()
        return f"ended with code {said.get('exitCode')}, {said.get('reason', '')}: {words}"
    return ""


def _hash(objects: Sequence[Manifest]) -> str:
    text = json.dumps(objects, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
