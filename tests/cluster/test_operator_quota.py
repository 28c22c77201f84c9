"""What a quota holds back says so in the study's status, and comes when there is room."""

from support.api_server import ApiServer
from support.cluster_study import SECONDS, ClusterStudy
from support.eventually import eventually
from support.operator_process import Operator
from support.pretend_kubelet import PretendKubelet
from support.quotas import limit


def reasons(study: ClusterStudy) -> dict[int, str]:
    """Trial → why it waits."""
    return {row["trial"]: row.get("message", "") for row in study.status.get("active", [])}


def test_a_trial_whose_pod_is_refused_says_why_and_runs_when_there_is_room(
    study: ClusterStudy, kubelet: PretendKubelet, operator: Operator, api: ApiServer
) -> None:
    study.create(maxTrials=2)
    with kubelet.running_all(study.trains()):
        study.reaches("Succeeded")
    quota = limit(api, study.namespace, pods="0")
    study.edit(maxTrials=3)
    eventually(lambda: "exceeded quota" in reasons(study).get(2, ""), within=SECONDS)
    assert reasons(study)[2].startswith("FailedCreate: ")
    assert api.request("DELETE", quota).ok
    with kubelet.running_all(study.trains()):
        assert study.reaches("Succeeded")["progress"] == "3/3"


def test_a_job_that_is_refused_says_why_and_comes_when_there_is_room(
    study: ClusterStudy, kubelet: PretendKubelet, operator: Operator, api: ApiServer
) -> None:
    quota = limit(api, study.namespace, count_jobs_batch="0")
    study.create(maxTrials=1, parallelism=1)
    eventually(lambda: "exceeded quota" in study.condition("DatasetReady").get("message", ""), within=SECONDS)
    assert api.request("DELETE", quota).ok
    with kubelet.running_all(study.trains()):
        study.reaches("Succeeded")
