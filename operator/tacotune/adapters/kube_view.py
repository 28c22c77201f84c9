"""What the API server last said of one study's Jobs, pods and volume, kept true to our own writes until it is asked again.

A look at a study takes several passes; between them only what we do ourselves is to be known, and what others did wakes the
next look. Shared by `kubernetes` and `kube_publication`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tacotune.adapters.kube_api import KubeApi, collection
from tacotune.api import names
from tacotune.api.study_key import StudyKey
from tacotune.manifests.common import selector

Document = Mapping[str, Any]


class KubeView:
    """One study's objects, listed at the first question after `forget`."""

    def __init__(self, api: KubeApi, study: StudyKey) -> None:
        self._api = api
        self._study = study
        self.jobs: dict[str, Document] = {}
        """By name."""
        self.pods: Sequence[Document] = ()
        self.claim: Document | None = None
        """The volume; None where there is none."""
        self._known = False
        self._new: set[str] = set()

    def forget(self) -> None:
        """Ask anew at the next question."""
        self._known = False

    def look(self) -> None:
        """Ask, unless it was asked since `forget`.

        Raises:
            ClusterUnavailable: The API server does not answer.
        """
        if self._known:
            return
        # Jobs before pods: a pod whose Job is missing here has none.
        jobs = self._api.list(self._path("jobs"), selector(self._study))
        self.pods = self._api.list(self._path("pods"), selector(self._study))
        self.claim = self._api.get(f"{self._path('persistentvolumeclaims')}/{self._claim_name}")
        self.jobs = {job["metadata"]["name"]: job for job in jobs}
        self._new.clear()
        self._known = True

    def put(self, job: Document | None) -> None:
        """A Job as the API server answered to a write; None: it was gone."""
        if job is not None:
            name = job["metadata"]["name"]
            if name not in self.jobs:
                self._new.add(name)
            self.jobs[name] = job

    def is_new(self, name: str) -> bool:
        """Whether a Job came after the listing, so that pods of it cannot be known."""
        return name in self._new

    def drop(self, name: str) -> None:
        """A Job that we deleted."""
        self.jobs.pop(name, None)

    @property
    def _claim_name(self) -> str:
        return names.checkpoints_claim_name(self._study.name)

    def _path(self, kind: str) -> str:
        return collection(self._study.namespace, kind)
