"""What the real Job controller makes of pods whose status a test has set: the ground that the operator's tests stand on."""

from typing import Any

import pytest

from support.api_server import PATCH, ApiServer, Object
from support.control_plane import ControlPlane
from support.eventually import eventually
from support.pretend_kubelet import Ending, PretendKubelet

JOB: Object = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "demo-0-0"},
    "spec": {
        "backoffLimit": 0,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {
            "rules": [
                {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                {
                    "action": "FailJob",
                    "onExitCodes": {"containerName": "trainer", "operator": "In", "values": [64]},
                },
            ]
        },
        "template": {
            "spec": {"restartPolicy": "Never", "containers": [{"name": "trainer", "image": "trainer:1"}]}
        },
    },
}


class Jobs:
    """The Job of a test."""

    def __init__(self, api: ApiServer, namespace: str) -> None:
        self._api = api
        self.path = f"{api.collection(JOB, namespace)}/demo-0-0"
        created = api.create(JOB, namespace)
        assert created.ok, created.body

    def ended(self) -> tuple[str, str]:
        """Its last condition, as soon as it has one that is true, and the reason."""

        def found() -> tuple[str, str] | None:
            conditions: list[dict[str, Any]] = self._api.get(self.path)["status"].get("conditions", [])
            ends = [c for c in conditions if c["type"] in {"Complete", "Failed"} and c["status"] == "True"]
            return (ends[0]["type"], ends[0]["reason"]) if ends else None

        end = eventually(found, within=60)
        assert end is not None
        return end

    def suspend(self) -> None:
        assert self._api.request("PATCH", self.path, {"spec": {"suspend": True}}, content=PATCH).ok


@pytest.fixture
def kubelet(api: ApiServer, namespace: str) -> PretendKubelet:
    return PretendKubelet(api, namespace)


@pytest.fixture
def job(api: ApiServer, namespace: str) -> Jobs:
    return Jobs(api, namespace)


def test_a_container_that_ends_well_completes_its_job(kubelet: PretendKubelet, job: Jobs) -> None:
    kubelet.start("demo-0-0")
    kubelet.finish("demo-0-0", Ending(message='{"state": "complete"}'))
    assert job.ended() == ("Complete", "CompletionsReached")
    (pod,) = kubelet.pods()
    terminated = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (terminated["exitCode"], terminated["message"]) == (0, '{"state": "complete"}')


def test_a_crash_fails_its_job(kubelet: PretendKubelet, job: Jobs) -> None:
    kubelet.finish("demo-0-0", Ending(exit_code=137, reason="OOMKilled"))
    assert job.ended() == ("Failed", "BackoffLimitExceeded")


def test_a_permanent_exit_code_fails_it_by_its_policy(kubelet: PretendKubelet, job: Jobs) -> None:
    kubelet.finish("demo-0-0", Ending(exit_code=64))
    assert job.ended() == ("Failed", "PodFailurePolicy")


def test_a_disruption_brings_another_pod(kubelet: PretendKubelet, job: Jobs) -> None:
    first = kubelet.start("demo-0-0")
    kubelet.disrupt("demo-0-0")
    second = kubelet.start("demo-0-0")
    assert second["metadata"]["uid"] != first["metadata"]["uid"]
    kubelet.finish("demo-0-0")
    assert job.ended() == ("Complete", "CompletionsReached")


def test_a_suspended_job_waits_for_the_end_of_its_pod(kubelet: PretendKubelet, job: Jobs) -> None:
    kubelet.start("demo-0-0")
    job.suspend()
    eventually(lambda: "deletionTimestamp" in kubelet.pod("demo-0-0")["metadata"])
    kubelet.finish("demo-0-0", Ending(exit_code=75))
    eventually(lambda: not kubelet.pods())


def test_a_pod_that_cannot_start_says_why(kubelet: PretendKubelet, job: Jobs) -> None:
    kubelet.leave_unscheduled("demo-0-0", "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.")
    (condition,) = kubelet.pod("demo-0-0")["status"]["conditions"]
    assert condition["message"] == "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
    kubelet.hold("demo-0-0", "ErrImagePull", "no such image")
    (container,) = kubelet.pod("demo-0-0")["status"]["containerStatuses"]
    assert container["state"]["waiting"] == {"reason": "ErrImagePull", "message": "no such image"}


def test_pods_run_to_their_ends_by_themselves(kubelet: PretendKubelet, job: Jobs) -> None:
    with kubelet.running_all(lambda pod: Ending(message=pod["metadata"]["name"], seconds=0.1)):
        assert job.ended() == ("Complete", "CompletionsReached")
    (pod,) = kubelet.pods()
    assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["message"] == pod["metadata"]["name"]


def test_running_pods_of_a_suspended_job_are_stopped(kubelet: PretendKubelet, job: Jobs) -> None:
    with kubelet.running_all(lambda _: Ending(seconds=60)):
        eventually(lambda: kubelet.pod("demo-0-0").get("status", {}).get("phase") == "Running")
        job.suspend()
        eventually(lambda: not kubelet.pods())


def test_pods_run_to_their_ends_past_an_outage_of_the_server(
    kubelet: PretendKubelet, job: Jobs, control_plane: ControlPlane
) -> None:
    with kubelet.running_all(lambda _: Ending(seconds=0.2)):
        eventually(lambda: kubelet.pod("demo-0-0").get("status", {}).get("phase") == "Running")
        control_plane.stop("kube-apiserver")
        control_plane.start("kube-apiserver")
        assert job.ended() == ("Complete", "CompletionsReached")
