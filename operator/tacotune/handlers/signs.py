"""What of a Job or a pod can change a decision. Pure; called by `operator` for every event, most of which bring nothing new."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tacotune.api import names

Document = Mapping[str, Any]
Signs = tuple[str, ...]

ENDED: Final = frozenset({"Complete", "Failed", "Succeeded"})
"""One of these says that nothing more is to be expected but the object's end."""
_TELLING: Final = frozenset({"Complete", "Failed", "Suspended", "DisruptionTarget"})


def signs_of(thing: Document) -> Signs:
    """The signs that an object bears, in a fixed order; none while it only waits."""
    return tuple(sorted(_signs(thing)))


def _signs(thing: Document) -> Iterator[str]:
    status = thing.get("status") or {}
    if names.LABEL_DASHBOARD in thing["metadata"].get("labels", {}):
        yield from _page_signs(status)
    if "deletionTimestamp" in thing["metadata"]:
        yield "deleted"
    if thing.get("spec", {}).get("suspend"):
        yield "suspend"
    if status.get("phase", "Pending") != "Pending":
        yield status["phase"]
    for condition in status.get("conditions") or []:
        if condition.get("type") in _TELLING and condition.get("status") == "True":
            yield condition["type"]
        elif condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            yield f"unscheduled {condition.get('message', '')}"
    for container in status.get("containerStatuses") or []:
        waiting = container.get("state", {}).get("waiting", {})
        if waiting.get("reason") not in {None, "ContainerCreating", "PodInitializing"}:
            yield f"waiting {waiting['reason']}"
    if status.get("terminating"):
        yield "terminating"


def _page_signs(status: Document) -> Iterator[str]:
    """Of a dashboard's pod besides: whether it answers, and that it ended and was started again."""
    for condition in status.get("conditions") or []:
        if condition.get("type") == "Ready":
            yield f"ready {condition.get('status')}"
    for container in status.get("containerStatuses") or []:
        if said := container.get("lastState", {}).get("terminated"):
            yield f"ended {said.get('finishedAt')}"
