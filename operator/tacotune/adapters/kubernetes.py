"""The `Cluster` port on Kubernetes: an attempt is a Job of one pod and the ConfigMap that it reads; the volume keeps the rest.

    <study>-checkpoints        the volume; its annotations say what pods have brought about on it
    <study>-<trial>-<attempt>  ConfigMap (trial.json), then the Job that mounts it
    <study>-publish-…          the Job that copies the best voice

The study's objects are listed once for the passes of one look (`kube_view`); what these write is added to what was seen.
Names are deterministic, so doing something twice finds what the first time made.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

from tacotune.adapters.documents import prepare_arguments, trial_document, under_earlier_snapshot
from tacotune.adapters.job_view import LABEL_JOB, deleted_by_others, observed_job
from tacotune.adapters.kube_api import Conflict, KubeApi, collection
from tacotune.adapters.kube_dashboards import is_page
from tacotune.adapters.kube_events import refusal
from tacotune.adapters.kube_logs import last_words
from tacotune.adapters.kube_publication import Announcer, Publisher
from tacotune.adapters.kube_view import KubeView
from tacotune.adapters.kube_warm_start import WarmStart
from tacotune.api import names
from tacotune.api.hashing import spec_hash
from tacotune.api.kubernetes import SecretKey
from tacotune.api.study import TTSStudySpec
from tacotune.api.study_key import StudyKey
from tacotune.api.trial_contract import TrialDocument
from tacotune.engine.actions import PromoteBest
from tacotune.engine.observed import JobPhase, ObservedJob, Publication, Purpose
from tacotune.manifests.common import DATA, DOCUMENT, MOUNT, Platform, selector
from tacotune.manifests.prepare_job import prepare_job
from tacotune.manifests.storage_secret import storage_secret_key
from tacotune.manifests.trial_config import trial_config_map
from tacotune.manifests.trial_job import trial_job
from tacotune.manifests.volume_claim import volume_claim
from tacotune.manifests.warm_start import warm_start_checkpoint
from tacotune.manifests.workers_service import workers_service
from tacotune.ports import ClusterUnavailable, Launch

KEPT_FAILURES: Final = 3
"""Failed Jobs that stay, recorded, so that people can read their pods' logs."""


class KubernetesCluster:
    """Attempts of one study as Jobs.

    Args:
        api: The API server.
        study: Whose Jobs.
        platform: What is the same for all studies.
        reset: The token of the last reset; trial folders from before it are not taken for this study's.
        announcer: Who is shown a voice that is published.
    """

    def __init__(
        self,
        api: KubeApi,
        study: StudyKey,
        platform: Platform,
        *,
        reset: str = "",
        announcer: Announcer | None = None,
    ) -> None:
        self._api = api
        self._study = study
        self._platform = platform
        self._root = PurePosixPath(MOUNT) / names.study_directory(study.uid, reset)
        self._spec: TTSStudySpec | None = None
        self._view = KubeView(api, study)
        self._publisher = Publisher(api, self._view, study, platform, self._root, announcer=announcer)
        self._warm_start = WarmStart(api, self._view, study, self._root)

    @property
    def view(self) -> KubeView:
        """What the API server last said of the study's objects."""
        return self._view

    @property
    def directory(self) -> str:
        """The study's folder on its volume."""
        return str(self._root)

    def follow(self, spec: TTSStudySpec) -> None:
        """Take the study and its objects as they are now; before the passes of each look."""
        self._spec = spec
        self._view.forget()

    def jobs(self) -> Sequence[ObservedJob]:
        """Attempts that run or ended and were not deleted."""
        self._view.look()
        jobs = list(self._view.jobs.values())
        found = [*self._attempts(), *deleted_by_others(self._view.pods, jobs)]
        return sorted(found, key=lambda job: job.name)

    def dataset(self) -> tuple[bool, str]:
        """Whether the prepared dataset lies on the volume; the volume is made when there is none.

        Raises:
            InvalidStudy: Trials are to begin with an earlier study's weights, and there are none.
        """
        spec = self._the_spec()
        self._view.look()
        claim = self._view.claim
        if claim is None or (spec.deletion_policy == "Delete") != bool(
            claim["metadata"].get("ownerReferences")
        ):
            claim = self._api.apply(self._claim_path(), volume_claim(self._study, self._platform, spec))
        self._view.claim = claim
        self._publisher.look(claim)
        self._warm_start.look(claim, spec)
        if self._annotation(names.ANNOTATION_PREPARED) == self._dataset_mark():
            return True, f"prepared on {claim['metadata']['name']}"
        if any(
            job.purpose is Purpose.PREPARE and job.phase is JobPhase.SUCCEEDED for job in self._attempts()
        ):
            return True, f"prepared on {claim['metadata']['name']}"
        phase = claim.get("status", {}).get("phase", "Pending")
        return (
            False,
            "not prepared yet" if phase == "Bound" else f"volume {claim['metadata']['name']} is {phase}",
        )

    def promoted(self) -> str:
        """What lies in `best/`; a Job that has just put it there is taken note of and forgotten."""
        return self._publisher.promoted()

    def page_of(self) -> int | None:
        """Of how many trials the page in `best/` tells."""
        return self._publisher.page_of()

    def publication(self) -> Publication | None:
        """The Job that copies the best voice, until it has succeeded."""
        return self._publisher.publication()

    def promote(self, voice: PromoteBest) -> None:
        """Start the Job that copies a voice to `best/`."""
        spec = self._the_spec()
        self._publisher.start(voice, spec, self._secret(spec))

    def create_job(self, launch: Launch) -> None:
        """Make the attempt's ConfigMap, then its Job; those already there are adopted."""
        name = names.job_name(self._study.name, launch.purpose.value, launch.trial, launch.attempt)
        spec = launch.spec
        if launch.purpose is Purpose.PREPARE:
            arguments = prepare_arguments(spec, self._prepared(), claim=PurePosixPath(DATA))
            body = prepare_job(
                self._study,
                self._platform,
                spec,
                attempt=launch.attempt,
                name=name,
                arguments=arguments,
                deadline_seconds=spec.active_deadline_seconds,
            )
        else:
            if spec.trainer.workers > 1:
                service = workers_service(self._study, self._platform)
                self._api.apply(f"{self._path('services')}/{service['metadata']['name']}", service)
            warm = self._configure(name, launch).warm_start is not None
            body = trial_job(
                self._study,
                self._platform,
                spec,
                purpose=launch.purpose.value,
                trial=launch.trial,
                attempt=launch.attempt,
                name=name,
                storage_secret=self._secret(spec),
                deadline_seconds=spec.active_deadline_seconds,
                warm_start=self._warm_start.voice if warm else None,
            )
        try:
            self._view.put(self._api.create(self._path("jobs"), body))
        except Conflict:
            self._view.put(self._adopt(name))

    def stop_job(self, name: str, reason: str) -> None:
        """Suspend it: its pod gets SIGTERM and the grace period to write a checkpoint."""
        body = {"metadata": {"annotations": {names.ANNOTATION_STOPPING: reason}}, "spec": {"suspend": True}}
        self._view.put(self._api.merge(f"{self._path('jobs')}/{name}", body))

    def kill_job(self, name: str, reason: str) -> None:
        """As `stop_job`: after the grace period the kubelet kills what does not listen."""
        self.stop_job(name, reason)

    def delete_job(self, name: str) -> None:
        """Forget an ended attempt; the last few that failed stay to be looked at, out of sight of `jobs`."""
        job = self._view.jobs.get(name)
        seen = None if job is None else observed_job(job, self._pods_of(name))
        if seen is None:
            return
        if seen.purpose is Purpose.PREPARE and seen.phase is JobPhase.SUCCEEDED:
            self._annotate(names.ANNOTATION_PREPARED, self._dataset_mark())
        if seen.phase is JobPhase.FAILED and not seen.stopping:
            body = {"metadata": {"labels": {names.LABEL_SETTLED: "true"}}}
            self._view.put(self._api.merge(f"{self._path('jobs')}/{name}", body))
            self._drop(self._settled()[KEPT_FAILURES:])
            return
        self._drop([name])

    def delete_everything(self) -> bool:
        """Delete all Jobs and ConfigMaps of the study; True once no pod of it is left."""
        for kind in ("jobs", "configmaps"):
            for found in self._api.list(self._path(kind), selector(self._study)):
                self._api.delete(f"{self._path(kind)}/{found['metadata']['name']}")
        # Pages go on: they are in nobody's way, and leave with the study itself.
        pods = [p for p in self._api.list(self._path("pods"), selector(self._study)) if not is_page(p)]
        return not any(pod.get("status", {}).get("phase") in {"Pending", "Running"} for pod in pods)

    def _attempts(self) -> Iterator[ObservedJob]:
        for name, job in self._view.jobs.items():
            metadata = job["metadata"]
            if names.LABEL_SETTLED in metadata.get("labels", {}):
                continue
            seen = observed_job(job, self._pods_of(name))
            if seen is None or (seen.phase.ended and "deletionTimestamp" in metadata):
                continue
            if seen.phase is JobPhase.PENDING and not (
                seen.reason or self._pods_of(name) or self._view.is_new(name)
            ):
                seen = refusal(self._api, self._study.namespace, seen)
            if seen.purpose is Purpose.FINAL and seen.phase is JobPhase.RUNNING:
                # It reports nothing into the storage; its log shows that it lives.
                seen = last_words(self._api, seen, self._pods_of(name))
            yield seen

    def _pods_of(self, job: str) -> list[Mapping[str, Any]]:
        return [pod for pod in self._view.pods if pod["metadata"].get("labels", {}).get(LABEL_JOB) == job]

    def _configure(self, name: str, launch: Launch) -> TrialDocument:
        """Leave the attempt's document where its pod reads it."""
        voice, setting = self._warm_start.voice, launch.spec.warm_start
        wanted = voice is not None and setting is not None and setting.weights == "best"
        document = trial_document(
            launch,
            self._study,
            dataset=self._prepared(),
            directory=self._root / names.trial_directory(launch.purpose.value, launch.trial),
            threads=launch.spec.trainer.threads,
            every_seconds=10.0,
            warm_start=warm_start_checkpoint(self._study, voice) if voice is not None and wanted else None,
        )
        if launch.spec_hash != spec_hash(launch.spec) and (earlier := self._earlier_document(launch)):
            document = under_earlier_snapshot(document, earlier, launch.overrides)
        if document.warm_start is not None:
            self._warm_start.still_there()
        body = trial_config_map(
            self._study, self._platform, name, document.model_dump(mode="json", by_alias=True)
        )
        try:
            self._api.create(self._path("configmaps"), body)
        except Conflict as conflict:
            there = self._api.get(f"{self._path('configmaps')}/{name}") or {}
            mark = names.ANNOTATION_DOCUMENT
            annotations = there.get("metadata", {}).get("annotations", {})
            if annotations.get(mark) == body["metadata"]["annotations"][mark]:
                return document
            if self._api.get(f"{self._path('jobs')}/{name}") is None and _owned(there, self._study):
                # Left by a pass that was cut off before the Job, or from before a reset; nothing reads it.
                self._api.delete(f"{self._path('configmaps')}/{name}")
                self._api.create(self._path("configmaps"), body)
                return document
            raise ClusterUnavailable(
                f"ConfigMap {name} is there with other content: {conflict}", 10.0
            ) from None
        return document

    def _earlier_document(self, launch: Launch) -> Mapping[str, Any] | None:
        for attempt in range(launch.attempt - 1, 0, -1):
            name = names.job_name(self._study.name, launch.purpose.value, launch.trial, attempt)
            found = self._api.get(f"{self._path('configmaps')}/{name}")
            if found is not None:
                document = json.loads(found["data"][DOCUMENT])
                return document if isinstance(document, dict) else None
        return None

    def _adopt(self, name: str) -> Mapping[str, Any]:
        there = self._api.get(f"{self._path('jobs')}/{name}")
        if there is None or not _owned(there, self._study) or "deletionTimestamp" in there["metadata"]:
            raise ClusterUnavailable(
                f"Job {name} is there and belongs to something else, or is being deleted", 2.0
            )
        return there

    def _secret(self, spec: TTSStudySpec) -> SecretKey:
        return storage_secret_key(self._study) if spec.storage is None else spec.storage.secret_ref

    def _settled(self) -> list[str]:
        """Failed Jobs that were kept, newest first."""
        kept = [
            job["metadata"]
            for job in self._view.jobs.values()
            if names.LABEL_SETTLED in job["metadata"].get("labels", {})
        ]
        return [m["name"] for m in sorted(kept, key=lambda m: m["creationTimestamp"], reverse=True)]

    def _drop(self, jobs: Sequence[str]) -> None:
        for name in jobs:
            self._api.delete(f"{self._path('jobs')}/{name}")
            labels = self._view.jobs[name]["metadata"].get("labels", {})
            self._view.drop(name)
            if labels.get(names.LABEL_PURPOSE) != Purpose.PREPARE:
                self._api.delete(f"{self._path('configmaps')}/{name}")

    def _prepared(self) -> PurePosixPath:
        """The folder of the prepared dataset.

        Speech is made from its settings alone, so a later study on the same volume finds it done. Recordings may have changed
        since an earlier study: each study prepares its own.
        """
        if self._the_spec().dataset.speech is None:
            return self._root / "prepared"
        return PurePosixPath(MOUNT) / f"speech-{self._dataset_hash()}"

    def _dataset_mark(self) -> str:
        """Which dataset is prepared, and in which folder."""
        if self._the_spec().dataset.speech is None:
            return f"{self._root.name}/{self._dataset_hash()}"
        return self._prepared().name

    def _dataset_hash(self) -> str:
        spec = self._the_spec()
        image = spec.trainer.image or self._platform.trainer_image
        document = f"{spec.dataset.model_dump_json(by_alias=True)} {image}"
        return hashlib.sha256(document.encode()).hexdigest()[:16]

    def _annotation(self, name: str) -> str:
        return str((self._view.claim or {}).get("metadata", {}).get("annotations", {}).get(name, ""))

    def _annotate(self, name: str, value: str) -> None:
        self._view.claim = self._api.merge(self._claim_path(), {"metadata": {"annotations": {name: value}}})

    def _the_spec(self) -> TTSStudySpec:
        assert self._spec is not None, "follow() comes before the first pass"
        return self._spec

    def _claim_path(self) -> str:
        return f"{self._path('persistentvolumeclaims')}/{names.checkpoints_claim_name(self._study.name)}"

    def _path(self, kind: str) -> str:
        return collection(self._study.namespace, kind)


def _owned(there: Mapping[str, Any], study: StudyKey) -> bool:
    owners = there.get("metadata", {}).get("ownerReferences", [])
    return any(owner.get("uid") == study.uid for owner in owners)
