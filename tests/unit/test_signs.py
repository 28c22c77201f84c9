"""Which events of Jobs and pods wake a look at their study, on the steps that a real Job of Kubernetes 1.37 goes through."""

from typing import Any

import pytest

from tacotune.api import names
from tacotune.handlers.operator import Watch
from tacotune.handlers.signs import signs_of


def thing(uid: str = "u1", **parts: Any) -> dict[str, Any]:
    labels = {names.LABEL_STUDY: "demo"}
    metadata = {"namespace": "voices", "name": "demo-0-1", "uid": uid, "labels": labels}
    return {"metadata": metadata | parts.pop("metadata", {}), **parts}


def condition(kind: str, status: str = "True", **fields: str) -> dict[str, Any]:
    return {"conditions": [{"type": kind, "status": status, **fields}]}


RUNNING = {"phase": "Running", "containerStatuses": [{"state": {"running": {}}}]}


def woken(*events: tuple[str, dict[str, Any]]) -> list[bool]:
    """For each event in turn, whether the study is looked at."""
    watch = Watch()
    found = []
    for kind, body in events:
        before = len(watch.queue)
        watch.child({"type": kind, "object": body})
        found.append(len(watch.queue) > before)
        watch.queue = type(watch.queue)()
    return found


def test_a_pod_wakes_when_it_runs_and_when_it_ends_and_at_nothing_in_between() -> None:
    ready = {**RUNNING, **condition("Ready")}
    ended = {"phase": "Succeeded"}
    steps = [
        ("ADDED", thing(status={"phase": "Pending"})),
        ("MODIFIED", thing(status={"phase": "Pending", **condition("PodScheduled")})),
        ("MODIFIED", thing(status=RUNNING)),
        ("MODIFIED", thing(status=ready)),
        ("MODIFIED", thing(status=ended)),
        ("MODIFIED", thing(status={**ended, **condition("Ready", "False")})),
        ("DELETED", thing(status=ended)),
    ]
    assert woken(*steps) == [False, False, True, False, True, False, False]


def test_a_job_wakes_when_it_ends_and_at_none_of_its_counts() -> None:
    steps = [
        ("ADDED", thing()),
        ("MODIFIED", thing(status={"active": 1, "ready": 1})),
        ("MODIFIED", thing(status=condition("SuccessCriteriaMet"))),
        ("MODIFIED", thing(status=condition("Complete"))),
        ("DELETED", thing(status=condition("Complete"))),
    ]
    assert woken(*steps) == [False, False, False, True, False]


def test_what_is_deleted_before_its_end_wakes() -> None:
    assert woken(("ADDED", thing()), ("DELETED", thing())) == [False, True]
    assert woken(("ADDED", thing(status=RUNNING)), ("DELETED", thing(status=RUNNING))) == [True, True]


@pytest.mark.parametrize(
    "body",
    [
        thing(status={"containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff"}}}]}),
        thing(status=condition("PodScheduled", "False", message="0/1 nodes are available")),
        thing(status={**RUNNING, **condition("DisruptionTarget")}),
        thing(metadata={"deletionTimestamp": "2030-01-01T00:00:00Z"}),
        thing(spec={"suspend": True}),
        thing(status=condition("Failed")),
        thing(status={"terminating": 1}),
    ],
)
def test_everything_that_a_decision_looks_at_wakes(body: dict[str, Any]) -> None:
    assert signs_of(body)
    assert woken(("ADDED", thing()), ("MODIFIED", body)) == [False, True]


def test_a_container_that_is_being_created_says_nothing() -> None:
    waiting = {"containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}]}
    assert signs_of(thing(status=waiting)) == ()


def test_an_end_that_was_missed_leaves_nothing_behind_the_next_resync() -> None:
    watch = Watch()
    watch.child({"type": "ADDED", "object": thing(status=RUNNING)})
    watch.resync()
    watch.queue = type(watch.queue)()
    watch.child({"type": "MODIFIED", "object": thing(status=RUNNING)})
    assert len(watch.queue) == 1, "looked at once more, for its signs were forgotten"
