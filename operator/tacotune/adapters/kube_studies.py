"""TTSStudies on the API server: read one, write its status when nobody was quicker, hold and release it, tell events."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from tacotune.adapters.kube_api import Conflict, Document, KubeApi, Unanswered, collection
from tacotune.api import names
from tacotune.api.status import TTSStudyStatus
from tacotune.engine.events import Event
from tacotune.ports import TacotuneError

MAX_EVENT_MESSAGE: Final = 1024


class Studies:
    """Calls on TTSStudies. A `Conflict` says that somebody was quicker: look again."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api

    def read(self, namespace: str, name: str) -> Document | None:
        """The study as it is now; None when it is gone."""
        return self._api.get(_path(namespace, name))

    def hold(self, study: Document) -> Document | None:
        """Keep it from vanishing before `release`."""
        finalizers = study["metadata"].get("finalizers", [])
        if names.FINALIZER in finalizers:
            return study
        return self._set_finalizers(study, [*finalizers, names.FINALIZER])

    def release(self, study: Document) -> None:
        """Let it vanish."""
        finalizers = study["metadata"].get("finalizers", [])
        if names.FINALIZER in finalizers:
            self._set_finalizers(study, [f for f in finalizers if f != names.FINALIZER])

    def write_status(self, study: Document, status: TTSStudyStatus) -> Document:
        """Replace the status, unless the study was changed since it was read.

        Raises:
            Conflict: It was changed.
        """
        metadata = study["metadata"]
        document = status.model_dump(mode="json", by_alias=True, exclude_none=True)
        return self._api.put(
            f"{_path(metadata['namespace'], metadata['name'])}/status", {**study, "status": document}
        )

    def tell(self, study: Document, events: Mapping[Event, datetime]) -> dict[Event, datetime]:
        """Post events with the moments at which they happened; by both of them one is known that was posted before.

        Returns:
            Those to be told later, for the API server did not answer. One that it refuses is not worth another try.
        """
        metadata, later = study["metadata"], {}
        for event, moment in events.items():
            stamp = moment.isoformat(timespec="seconds").replace("+00:00", "Z")
            text = f"{metadata['uid']} {event.reason} {event.message} {stamp}"
            digest = hashlib.sha256(text.encode()).hexdigest()[:16]
            body: dict[str, Any] = {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {
                    "name": f"{metadata['name']}.{digest}",
                    "namespace": metadata["namespace"],
                },
                "involvedObject": {
                    "apiVersion": names.API_VERSION,
                    "kind": names.KIND,
                    "name": metadata["name"],
                    "namespace": metadata["namespace"],
                    "uid": metadata["uid"],
                    "resourceVersion": metadata["resourceVersion"],
                },
                "type": event.kind,
                "reason": event.reason.value,
                "message": event.message[:MAX_EVENT_MESSAGE],
                "firstTimestamp": stamp,
                "lastTimestamp": stamp,
                "count": 1,
                "source": {"component": "tacotune"},
                "reportingComponent": "tacotune.dev/operator",
                "reportingInstance": "tacotune",
            }
            try:
                self._api.create(collection(metadata["namespace"], "events"), body)
            except Unanswered:
                later[event] = moment
            except (Conflict, TacotuneError):
                continue  # Told already, or the namespace is going away.
        return later

    def _set_finalizers(self, study: Document, finalizers: list[str]) -> Document | None:
        metadata = study["metadata"]
        # With the version: an edit in between may have changed the list.
        body = {"metadata": {"finalizers": finalizers, "resourceVersion": metadata["resourceVersion"]}}
        return self._api.merge(_path(metadata["namespace"], metadata["name"]), body)


def _path(namespace: str, name: str) -> str:
    return f"{collection(namespace, names.PLURAL)}/{name}"
