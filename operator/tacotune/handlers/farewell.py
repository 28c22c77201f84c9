"""A study that is deleted: what Kubernetes cannot see is tidied up, in bounded time, and then it may go.

With `Retain` its rows and its volume stay, and Kubernetes ends its pods. With `Delete` its pods end first, then its rows are
dropped; the volume is the study's own and goes with it.
"""

import logging
from datetime import datetime

from tacotune.adapters.kube_api import Document, KubeApi
from tacotune.adapters.kube_studies import Studies
from tacotune.adapters.kubernetes import KubernetesCluster
from tacotune.api import names
from tacotune.api.study_key import StudyKey
from tacotune.handlers.databases import Databases
from tacotune.handlers.settings import OperatorSettings
from tacotune.ports import Clock, TransientError

log = logging.getLogger("tacotune")


class Farewell:
    """Lets studies go."""

    def __init__(
        self, api: KubeApi, studies: Studies, databases: Databases, settings: OperatorSettings, clock: Clock
    ) -> None:
        self._api = api
        self._studies = studies
        self._databases = databases
        self._settings = settings
        self._clock = clock

    def say(self, study: Document) -> float | None:
        """Take a step towards the end of a study that is being deleted.

        Returns:
            Seconds until the next look; None when it may go.
        """
        metadata = study["metadata"]
        if names.FINALIZER not in metadata.get("finalizers", []):
            return None
        if study.get("spec", {}).get("deletionPolicy") == "Delete":
            asked = datetime.fromisoformat(metadata["deletionTimestamp"])
            late = (self._clock.now() - asked).total_seconds() > self._settings.release_after_seconds
            key = StudyKey(metadata["namespace"], metadata["name"], metadata["uid"])
            ended = KubernetesCluster(self._api, key, self._settings.platform).delete_everything()
            if not ended and not late:
                return 1.0
            try:
                self._drop_rows(key, study)
            except TransientError as error:
                if not late:
                    return error.retry_after
                log.warning("its rows stay: %s", error)
        self._studies.release(study)
        return None

    def _drop_rows(self, key: StudyKey, study: Document) -> None:
        dsn = self._databases.dsn(key.namespace, study["spec"])
        self._databases.engine(dsn).drop(key.storage_name)
