"""What goes wrong with pods, and what the operator makes of it: the table "Retry by cause", on real Jobs."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from support.api_server import ApiServer, Object
from support.cluster_study import SECONDS, ClusterStudy, complete, failed
from support.eventually import eventually
from support.operator_process import Operator
from support.pretend_kubelet import Ending, PretendKubelet

ONE = {"maxTrials": 1, "parallelism": 1}


def test_exit_64_fails_at_once(study: ClusterStudy, kubelet: PretendKubelet, operator: Operator) -> None:
    study.create(**ONE)
    with kubelet.running_all(study.trains(lambda _: failed(64, "learning_rate: 7 is above 1"))):
        status = study.reaches("Failed")
    assert status["attempts"] == 2, "the preparation, and one attempt"
    assert "best" not in status
    assert status["recentFailures"][0]["cause"] == "Permanent"
    assert "learning_rate: 7 is above 1" in study.condition("Succeeded")["message"]
    assert ("Warning", "TrialFailed") in [(kind, reason) for kind, reason, _ in study.events()]


def test_want_of_memory_counts_and_halves_the_batch(
    study: ClusterStudy, kubelet: PretendKubelet, operator: Operator
) -> None:
    study.create(
        **ONE, retry={"maxAttempts": 2, "onOutOfMemory": "ReduceBatch", "backoff": {"initialSeconds": 0.1}}
    )
    seen: list[Object] = []

    def train(document: Object) -> Ending:
        seen.append(document)
        if document["attempt"] == 1:
            return Ending(exit_code=137, reason="OOMKilled")
        return complete(document)

    with kubelet.running_all(study.trains(train)):
        status = study.reaches("Succeeded")
    assert [f["cause"] for f in status["recentFailures"]] == ["OutOfMemory"]
    assert (seen[1]["parameters"]["batch_size"], seen[1]["parameters"]["accumulation_steps"]) == (8, 2)
    assert any(reason == "TrialRetry" and "OutOfMemory" in message for _, reason, message in study.events())


def test_a_disrupted_pod_is_replaced_by_its_job_and_counts_as_nothing(
    study: ClusterStudy, kubelet: PretendKubelet, operator: Operator
) -> None:
    study.create(**ONE, retry={"maxAttempts": 1})
    kubelet.finish("demo-prepare-1")
    kubelet.start("demo-0-1")
    kubelet.disrupt("demo-0-1")
    again = kubelet.pod("demo-0-1")
    kubelet.start("demo-0-1")
    kubelet.finish("demo-0-1", complete(study.document(again)))
    with kubelet.running_all(study.trains()):
        assert study.reaches("Succeeded")["recentFailures"] == []


def test_a_deleted_pod_is_resumed_by_the_next_attempt(
    study: ClusterStudy, kubelet: PretendKubelet, operator: Operator, api: ApiServer
) -> None:
    study.create(**ONE, retry={"maxAttempts": 1})
    kubelet.finish("demo-prepare-1")
    pod = kubelet.start("demo-0-1")
    path = f"/api/v1/namespaces/{study.namespace}/pods/{pod['metadata']['name']}"
    assert api.request("DELETE", path).ok
    kubelet.finish("demo-0-1", Ending(exit_code=75))
    eventually(lambda: study.has_job("demo-0-2"), within=SECONDS)
    with kubelet.running_all(study.trains()):
        status = study.reaches("Succeeded")
    assert status["disruptions"] == 1
    assert status["recentFailures"] == []


def test_s8_a_crash_is_retried_later_and_a_trial_that_only_fails_does_not_stop_the_study(
    study: ClusterStudy, kubelet: PretendKubelet, operator: Operator
) -> None:
    """Trial 0 fails, fails and ends well; trial 1 fails three times; trial 2 is pruned."""
    study.create(maxTrials=3, parallelism=3)
    rates: dict[int, float] = {}

    def train(document: Object) -> Ending:
        trial, attempt = document["trial"], document["attempt"]
        rates[trial] = document["parameters"]["learning_rate"]
        if trial == 2:
            return complete(document, state="pruned")
        return complete(document) if (trial, attempt) == (0, 3) else failed(1, "boom")

    with kubelet.running_all(study.trains(train)):
        status = study.reaches("Succeeded")
        eventually(lambda: "StudySucceeded" in [reason for _, reason, _ in study.events()], within=SECONDS)
    ends = {state: status["trials"][state] for state in ("succeeded", "failed", "pruned")}
    assert ends == {"succeeded": 1, "failed": 1, "pruned": 1}
    assert status["attempts"] == 1 + 3 + 3 + 1, "a pruned trial is never tried again"
    assert (status["best"]["trial"], status["best"]["value"]) == (0, rates[0])
    assert [f["message"] for f in status["recentFailures"]] == ["crashed: boom"] * 5
    retries = [m for kind, reason, m in study.events() if (kind, reason) == ("Warning", "TrialRetry")]
    said = r"Trial {} failed \(attempt {}\): crashed: boom; Transient, attempt {} in \d+ s"
    for trial, attempt in ((0, 1), (0, 2), (1, 1), (1, 2)):
        assert len([m for m in retries if re.fullmatch(said.format(trial, attempt, attempt + 1), m)]) == 1
    assert len(retries) == 4
    assert len(study.jobs()) == 3, "the last failures are kept, the rest is gone"


@pytest.mark.parametrize(
    ("hinder", "shown"),
    [
        (
            lambda k: k.hold("demo-0-1", "ImagePullBackOff", "no such image"),
            "ImagePullBackOff: no such image",
        ),
        (
            lambda k: k.leave_unscheduled(
                "demo-0-1", "0/3 nodes are available: 3 Insufficient nvidia.com/gpu"
            ),
            "Unschedulable: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu",
        ),
    ],
    ids=["no image", "no room"],
)
def test_a_pod_that_cannot_start_says_why(
    study: ClusterStudy,
    kubelet: PretendKubelet,
    operator: Operator,
    hinder: Callable[[PretendKubelet], None],
    shown: str,
) -> None:
    study.create(**ONE)
    kubelet.finish("demo-prepare-1")
    hinder(kubelet)
    expected = [("Pending", shown)]
    eventually(
        lambda: [(t["state"], t.get("message")) for t in study.status["active"]] == expected, within=SECONDS
    )
    assert study.status["trials"]["pending"] == 1


def test_a_job_that_somebody_deletes_is_waited_for_then_started_again(
    study: ClusterStudy, kubelet: PretendKubelet, operator: Operator, api: ApiServer
) -> None:
    study.create(**ONE)
    kubelet.finish("demo-prepare-1")
    first = kubelet.start("demo-0-1")
    path = f"/apis/batch/v1/namespaces/{study.namespace}/jobs/demo-0-1"
    assert api.request("DELETE", path, {"propagationPolicy": "Background"}).ok
    with kubelet.running_all(study.trains()):
        assert study.reaches("Succeeded")["progress"] == "1/1"
    assert first["metadata"]["uid"] not in [p["metadata"]["uid"] for p in kubelet.pods()]


def test_s4_a_killed_operator_and_the_manifest_applied_again_lose_and_double_nothing(
    study: ClusterStudy, kubelet: PretendKubelet, operator: Operator
) -> None:
    study.create(maxTrials=4)
    started: list[tuple[int, int]] = []
    rates: list[float] = []

    def train(document: Object) -> Ending:
        started.append((document["trial"], document["attempt"]))
        rates.append(document["parameters"]["learning_rate"])
        return complete(document, seconds=0.5)

    with kubelet.running_all(study.trains(train)):
        for wanted in (1, 2, 3):
            eventually(lambda wanted=wanted: len(started) >= wanted, within=SECONDS)
            operator.kill()
            study.apply(maxTrials=4)
            operator.start()
        status = study.reaches("Succeeded")
    assert status["progress"] == "4/4"
    assert sorted(started) == [(0, 1), (1, 1), (2, 1), (3, 1)]
    assert status["best"]["value"] == min(rates)


def test_two_operators_at_once_double_nothing(
    study: ClusterStudy,
    kubelet: PretendKubelet,
    operator: Operator,
    kubeconfig: Path,
    postgres_dsn: str,
    tmp_path: Path,
) -> None:
    started: list[tuple[int, int]] = []

    def train(document: Object) -> Ending:
        started.append((document["trial"], document["attempt"]))
        return complete(document)

    with (
        Operator(kubeconfig, postgres_dsn, tmp_path / "second.log", "-n", study.namespace),
        kubelet.running_all(study.trains(train)),
    ):
        study.create(maxTrials=5)
        status = study.reaches("Succeeded")
    assert status["progress"] == "5/5"
    assert sorted(started) == [(number, 1) for number in range(5)]
