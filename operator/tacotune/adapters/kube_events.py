"""What others say of our Jobs in events, where nothing else says it. Called by `kubernetes`."""

from dataclasses import replace
from typing import Final

from tacotune.adapters.kube_api import KubeApi, collection
from tacotune.engine.observed import ObservedJob

REFUSED: Final = "FailedCreate"
"""The Job controller could not make the pod: a quota, an admission policy."""


def refusal(api: KubeApi, namespace: str, job: ObservedJob) -> ObservedJob:
    """The Job with the reason why it has no pod, if one was given.

    Args:
        api: The API server.
        namespace: Of the Job.
        job: One without pods.
    """
    fields = f"involvedObject.kind=Job,involvedObject.name={job.name},reason={REFUSED}"
    events = api.list(collection(namespace, "events"), fields=fields)
    if not events:
        return job
    newest = max(events, key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
    return replace(job, reason=REFUSED, message=str(newest.get("message", "")))
