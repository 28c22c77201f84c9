"""Publishing on a cluster: a Job copies the voice, an annotation of the volume remembers which one lies there."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, Protocol

from tacotune.adapters.job_view import true_conditions, unannounced
from tacotune.adapters.kube_api import Conflict, KubeApi, collection
from tacotune.adapters.kube_view import KubeView
from tacotune.api import names
from tacotune.api.kubernetes import SecretKey
from tacotune.api.study import TTSStudySpec
from tacotune.api.study_key import StudyKey
from tacotune.api.trial_contract import PublicationDocument
from tacotune.engine.actions import PromoteBest
from tacotune.engine.observed import Publication, Purpose
from tacotune.manifests.common import Platform
from tacotune.manifests.publish_job import Announcement, publish_job

Document = Mapping[str, Any]


class Announcer(Protocol):
    """Who is shown a voice by the pod that publishes it."""

    def announcement(self, spec: TTSStudySpec, voice: PromoteBest) -> Announcement | None:
        """The chat, when one wants this voice now."""

    def lost(self, reason: str) -> None:
        """The chat was not reached."""


class Publisher:
    """The Jobs that publish voices of one study."""

    def __init__(
        self,
        api: KubeApi,
        view: KubeView,
        study: StudyKey,
        platform: Platform,
        root: PurePosixPath,
        *,
        announcer: Announcer | None = None,
    ) -> None:
        self._announcer = announcer
        self._api = api
        self._view = view
        self._study = study
        self._platform = platform
        self._root = root
        self._promoted = ""
        self._page_of: int | None = None

    def look(self, claim: Document) -> None:
        """Take note of a voice that was published, and forget its Job."""
        marked = _note(claim, names.ANNOTATION_PROMOTED)
        paged = _note(claim, names.ANNOTATION_PAGE)
        for name, job in self._jobs.items():
            if _condition(job, "Complete"):
                marked = self._mark(_source(job))
                path = f"{collection(self._study.namespace, 'persistentvolumeclaims')}/{claim['metadata']['name']}"
                paged = f"{self._root.name}/{_note(job, names.ANNOTATION_PAGE)}"
                notes = {
                    names.ANNOTATION_PROMOTED: marked,
                    names.ANNOTATION_PAGE: paged,
                    names.ANNOTATION_IMAGE: _image(job),
                }
                self._view.claim = self._api.merge(path, {"metadata": {"annotations": notes}})
                if self._announcer is not None and (reason := unannounced(self._view.pods, name)):
                    self._announcer.lost(reason)
                self._delete(name)
        folder, _, source = marked.partition("/")
        self._promoted = source if folder == self._root.name else ""
        folder, _, finished = paged.partition("/")
        # A voice of an operator that made no pages stays as it is.
        self._page_of = int(finished) if folder == self._root.name and finished.isdigit() else None

    def promoted(self) -> str:
        """The source of the voice in this study's `best/`."""
        return self._promoted

    def page_of(self) -> int | None:
        """Of how many trials the page beside that voice tells; None when none was asked for."""
        return self._page_of

    def publication(self) -> Publication | None:
        """The Job that goes on or failed."""
        for job in self._jobs.values():
            failed = _condition(job, "Failed")
            return Publication(
                source=_source(job),
                attempt=int(job["metadata"]["labels"].get(names.LABEL_ATTEMPT, 1)),
                failed_at=datetime.fromisoformat(failed["lastTransitionTime"]).astimezone(UTC)
                if failed
                else None,
                message=str(failed.get("message", "")) if failed else "",
            )
        return None

    def start(self, voice: PromoteBest, spec: TTSStudySpec, storage_secret: SecretKey) -> None:
        """Begin to copy a voice, in the place of one that failed."""
        for name in self._jobs:
            self._delete(name)
        document = PublicationDocument(
            source=voice.source,
            purpose="final" if voice.purpose is Purpose.FINAL else "trial",
            trial=voice.trial,
            checkpoint=voice.checkpoint,
        ).model_dump(mode="json", by_alias=True, exclude_none=True)
        # The Job that first published it may not be gone yet.
        again = f"#{voice.finished}" if voice.again else ""
        name = names.publish_job_name(self._study.name, f"{voice.source}#{voice.attempt}{again}")
        body = publish_job(
            self._study,
            self._platform,
            spec,
            name=name,
            root=str(self._root),
            document=document,
            announcement=self._announcer.announcement(spec, voice) if self._announcer is not None else None,
            storage_secret=storage_secret,
        )
        body["metadata"]["labels"][names.LABEL_ATTEMPT] = str(voice.attempt)
        body["metadata"].setdefault("annotations", {}).update(
            {names.ANNOTATION_SOURCE: voice.source, names.ANNOTATION_PAGE: str(voice.finished)}
        )
        try:
            self._view.put(self._api.create(self._path, body))
        except Conflict:
            return  # Started by a pass that was cut off: the name says which voice and which attempt.

    def _mark(self, source: str) -> str:
        return f"{self._root.name}/{source}"

    def _delete(self, name: str) -> None:
        self._api.delete(f"{self._path}/{name}")
        self._view.drop(name)

    @property
    def _jobs(self) -> dict[str, Document]:
        return {
            name: job
            for name, job in self._view.jobs.items()
            if job["metadata"].get("labels", {}).get(names.LABEL_COMPONENT) == "publish"
        }

    @property
    def _path(self) -> str:
        return collection(self._study.namespace, "jobs")


def _source(job: Document) -> str:
    return _note(job, names.ANNOTATION_SOURCE)


def _note(body: Document, annotation: str) -> str:
    return str(body["metadata"].get("annotations", {}).get(annotation, ""))


def _image(job: Document) -> str:
    """With what another pod can read what this one has published."""
    pod = job["spec"]["template"]["spec"]
    trainer = next(c for c in pod["containers"] if c["name"] == names.CONTAINER)
    return json.dumps(
        {
            "image": trainer["image"],
            "imagePullPolicy": trainer["imagePullPolicy"],
            "imagePullSecrets": [secret["name"] for secret in pod.get("imagePullSecrets", [])],
        }
    )


def _condition(job: Document, kind: str) -> Document | None:
    return dict(true_conditions(job.get("status", {}))).get(kind)
