"""A study on a real API server, from `kubectl apply` to its end: the real command, real Jobs; the kubelet is the test's."""

from pathlib import Path
from typing import Any

from support.api_server import TABLE, ApiServer, Object
from support.cluster_study import SECONDS, ClusterStudy, complete
from support.eventually import eventually
from support.operator_process import Operator
from support.pretend_kubelet import PretendKubelet


def test_a_study_runs_to_its_end(study: ClusterStudy, kubelet: PretendKubelet, operator: Operator) -> None:
    study.create()
    with kubelet.running_all(study.trains()):
        status = study.reaches("Succeeded")
    assert status["trials"]["succeeded"] == 3
    assert status["progress"] == "3/3"
    # Events come after the status that they tell of.
    eventually(lambda: "StudySucceeded" in [reason for _, reason, _ in study.events()], within=SECONDS)
    reasons = [reason for _, reason, _ in study.events()]
    for reason in ("StudyStarted", "Preparing", "TrialStarted", "TrialFinished", "NewBest"):
        assert reason in reasons, reasons
    assert reasons.count("TrialStarted") == reasons.count("TrialFinished") == 3
    # What was recorded is deleted; only the volume and what lies on it is left.
    eventually(lambda: study.jobs() == [] and study.config_maps() == [], within=SECONDS)
    claim = study.claim()
    assert claim is not None
    folder = claim["metadata"]["annotations"]["tacotune.dev/promoted"].split("/", 1)
    assert folder[1] == f"trial/{status['best']['trial']}/checkpoints/step-00000010"
    # The page beside the voice tells of all trials, whichever was the best.
    assert claim["metadata"]["annotations"]["tacotune.dev/page"] == f"{folder[0]}/3"
    assert "ownerReferences" not in claim["metadata"], "Retain: the volume outlives the study"


def test_a_trial_costs_two_objects_and_a_pod_with_one_container(
    study: ClusterStudy, kubelet: PretendKubelet, operator: Operator
) -> None:
    study.create(maxTrials=1, parallelism=1)
    kubelet.finish("demo-prepare-1")
    pod = kubelet.pod("demo-0-1")
    assert [container["name"] for container in pod["spec"]["containers"]] == ["trainer"]
    assert study.config_maps() == ["demo-0-1"]
    assert [name for name in study.jobs() if "prepare" not in name] == ["demo-0-1"]
    reference = pod["spec"]["containers"][0]["env"]
    (dsn,) = [e for e in reference if e["name"] == "TACOTUNE_STORAGE_URL"]
    assert dsn["valueFrom"]["secretKeyRef"] == {"name": "demo-storage", "key": "uri"}
    assert "secret@postgres" not in str(study.job("demo-0-1"))


def test_studies_of_two_namespaces_do_not_touch(
    study: ClusterStudy,
    kubelet: PretendKubelet,
    api: ApiServer,
    module_namespace: str,
    kubeconfig: Path,
    postgres_dsn: str,
    tmp_path: Path,
) -> None:
    other = ClusterStudy(api, module_namespace)
    both = ["-n", study.namespace, "-n", module_namespace]
    study.create(maxTrials=2)
    other.create(maxTrials=1, parallelism=1)
    with (
        Operator(kubeconfig, postgres_dsn, tmp_path / "operator.log", *both),
        kubelet.running_all(study.trains()),
        PretendKubelet(api, module_namespace).running_all(other.trains()),
    ):
        assert study.reaches("Succeeded")["progress"] == "2/2"
        assert other.reaches("Succeeded")["progress"] == "1/1"
        study.let_go()
        other.let_go()


def test_the_columns_show_live_numbers(
    study: ClusterStudy, kubelet: PretendKubelet, operator: Operator, api: ApiServer
) -> None:
    study.create()
    kubelet.finish("demo-prepare-1")
    kubelet.start("demo-0-1")

    def row() -> dict[str, Any]:
        table = api.request("GET", study.path, accept=TABLE).body
        names = [column["name"] for column in table["columnDefinitions"]]
        return dict(zip(names, table["rows"][0]["cells"], strict=True))

    eventually(lambda: row()["Running"] == 1, within=SECONDS)
    assert (row()["Phase"], row()["Trials"]) == ("Running", "0/3")
    kubelet.finish("demo-0-1", complete(study.document(kubelet.pod("demo-0-1"))))
    eventually(lambda: row()["Trials"] == "1/3", within=SECONDS)
    assert row()["Best"]


def test_a_settled_study_writes_nothing(
    study: ClusterStudy, kubelet: PretendKubelet, operator: Operator, api: ApiServer
) -> None:
    study.create(maxTrials=1, parallelism=1)
    with kubelet.running_all(study.trains()):
        study.reaches("Succeeded")
    eventually(lambda: study.jobs() == [], within=SECONDS)
    version = api.get(study.path)["metadata"]["resourceVersion"]
    # An edit that changes nothing for the engine makes the operator look again.
    study.annotate(note="look")
    seen: list[Object] = []
    eventually(lambda: seen.append(api.get(study.path)) or len(seen) > 20)
    assert {s["metadata"]["managedFields"][-1].get("manager") for s in seen} != {"tacotune"}
    assert int(seen[-1]["metadata"]["resourceVersion"]) > int(version)
    assert seen[-1]["metadata"]["resourceVersion"] == seen[0]["metadata"]["resourceVersion"]
