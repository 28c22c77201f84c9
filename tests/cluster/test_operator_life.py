"""What people do to a study: suspend, edit, reopen, reset, delete, and write what cannot work."""

from pathlib import Path

import pytest

from support.api_server import ApiServer, Object
from support.cluster_study import SECONDS, ClusterStudy, complete
from support.eventually import eventually
from support.operator_process import Operator
from support.pretend_kubelet import Ending, PretendKubelet
from support.stores import spec_hashes_in, trials_in

ONE = {"maxTrials": 1, "parallelism": 1}


def test_suspend_checkpoints_frees_the_pods_and_resumes_the_same_trials(
    study: ClusterStudy, kubelet: PretendKubelet, operator: Operator
) -> None:
    study.create(maxTrials=2)
    kubelet.finish("demo-prepare-1")
    for name in ("demo-0-1", "demo-1-1"):
        kubelet.start(name)
    study.edit(suspend=True)
    eventually(lambda: study.job("demo-0-1")["spec"].get("suspend") is True, within=SECONDS)
    assert study.condition("Suspended")["status"] == "False"
    for name in ("demo-0-1", "demo-1-1"):
        kubelet.finish(name, Ending(exit_code=75))
    eventually(lambda: study.condition("Suspended").get("status") == "True", within=SECONDS)
    assert study.status["phase"] == "Suspended"
    study.edit(suspend=False)
    with kubelet.running_all(study.trains()):
        status = study.reaches("Succeeded")
    assert status["trials"]["total"] == 2
    assert status["disruptions"] == 2
    assert status["recentFailures"] == []


def test_a_raised_budget_reopens_a_finished_study(
    study: ClusterStudy, kubelet: PretendKubelet, operator: Operator
) -> None:
    study.create(**ONE)
    with kubelet.running_all(study.trains()):
        study.reaches("Succeeded")
        study.edit(maxTrials=3)
        eventually(lambda: study.status["progress"] == "3/3", within=SECONDS)
        study.reaches("Succeeded")
    assert "StudyReopened" in [reason for _, reason, _ in study.events()]


def test_s11_an_edit_never_reaches_a_trial_that_runs(
    study: ClusterStudy, kubelet: PretendKubelet, operator: Operator, postgres_dsn: str
) -> None:
    study.create(maxTrials=5, parallelism=4)
    kubelet.finish("demo-prepare-1")
    names = [f"demo-{number}-1" for number in range(4)]
    before = [study.document(kubelet.start(name)) for name in names]
    study.edit(checkpoints={"everySteps": 77})
    kubelet.finish("demo-0-1", Ending(exit_code=1))
    again = study.document(kubelet.pod("demo-0-2"))
    assert again == {**before[0], "attempt": 2}
    assert [study.document(kubelet.pod(name)) for name in names[1:]] == before[1:]
    kubelet.finish("demo-0-2", complete(again))
    after = study.document(kubelet.pod("demo-4-1"))
    assert after["checkpoints"]["everySteps"] == 77
    snapshots = [document["specHash"] for document in [*before, after]]
    assert len(set(snapshots)) == 2
    assert spec_hashes_in(postgres_dsn) == snapshots


def test_what_pydantic_refuses_and_the_api_server_lets_through_is_said_and_starts_nothing(
    study: ClusterStudy, operator: Operator
) -> None:
    study.create(initialTrials=[{"learning_rat": 0.001}])
    eventually(lambda: study.condition("Succeeded").get("reason") == "InvalidSpec", within=SECONDS)
    assert "learning_rat" in study.condition("Succeeded")["message"]
    assert study.status["phase"] == "Failed"
    assert study.jobs() == []
    study.edit(initialTrials=[{"learning_rate": 0.001}])
    eventually(lambda: study.has_job("demo-prepare-1"), within=SECONDS)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"dataset": {"path": "recordings"}}, "spec.dataset.path is a folder of one machine"),
        ({"warmStart": {"fromStudies": ["a"], "weights": "best"}}, "has no study 'a' in this database"),
    ],
    ids=["a local folder", "the voice of a study that never was"],
)
def test_what_the_cluster_does_not_have_is_refused(
    study: ClusterStudy, operator: Operator, spec: Object, said: str
) -> None:
    study.create(**spec)
    eventually(lambda: study.condition("Succeeded").get("reason") == "InvalidSpec", within=SECONDS)
    assert said in study.condition("Succeeded")["message"]
    assert study.jobs() == []


def test_a_retained_study_leaves_its_rows_and_its_volume(
    study: ClusterStudy, kubelet: PretendKubelet, operator: Operator, postgres_dsn: str
) -> None:
    study.create(**ONE)
    with kubelet.running_all(study.trains()):
        study.reaches("Succeeded")
    study.delete()
    eventually(lambda: not study.exists, within=SECONDS)
    assert study.claim() is not None
    assert trials_in(postgres_dsn) == 1
    # The next study on that volume finds the speech that was made for this one, and begins with a trial. (The Job controller
    # mistakes a Job for one of its name whose pods it has not seen go yet.)
    eventually(lambda: study.jobs() == [] and kubelet.pods() == [], within=SECONDS)
    study.create(**ONE)
    with kubelet.running_all(study.trains()):
        assert study.reaches("Succeeded")["attempts"] == 1


def test_a_study_to_be_deleted_takes_its_rows_and_its_volume_along(
    study: ClusterStudy, kubelet: PretendKubelet, operator: Operator, postgres_dsn: str
) -> None:
    study.create(deletionPolicy="Delete", maxTrials=2)
    kubelet.finish("demo-prepare-1")
    kubelet.start("demo-0-1")
    study.delete()
    eventually(lambda: "deletionTimestamp" in kubelet.pod("demo-0-1")["metadata"], within=SECONDS)
    assert study.exists, "it waits for its pods"
    kubelet.finish("demo-0-1", Ending(exit_code=75))
    with kubelet.running_all(lambda _: Ending(exit_code=75)):
        eventually(lambda: not study.exists, within=SECONDS)
    assert trials_in(postgres_dsn) == 0
    eventually(lambda: study.config_maps() == [], within=SECONDS)


def test_s3_a_reset_begins_anew_once_after_the_pods_are_gone_under_two_operators(
    study: ClusterStudy,
    kubelet: PretendKubelet,
    operator: Operator,
    api: ApiServer,
    kubeconfig: Path,
    postgres_dsn: str,
    tmp_path: Path,
) -> None:
    other = ClusterStudy(api, study.namespace, "other").create(**ONE)
    with kubelet.running_all(other.trains()):
        kept = other.reaches("Succeeded")["best"]
    study.create(maxTrials=2, parallelism=1)
    kubelet.finish("demo-prepare-1")
    kubelet.finish("demo-0-1", complete(study.document(kubelet.pod("demo-0-1"))))
    running = kubelet.start("demo-1-1")
    before = study.document(running)["directory"]
    seen: list[Object] = []

    def train(document: Object) -> Ending:
        seen.append(document)
        return complete(document)

    with Operator(kubeconfig, postgres_dsn, tmp_path / "second.log", "-n", study.namespace):
        study.annotate(reset="once")
        eventually(lambda: "deletionTimestamp" in kubelet.pod("demo-1-1")["metadata"], within=SECONDS)
        assert trials_in(postgres_dsn) == 1 + 2, "nothing is dropped while a pod still writes"
        kubelet.finish("demo-1-1", Ending(exit_code=75))
        with kubelet.running_all(study.trains(train)):
            assert study.reaches("Succeeded")["progress"] == "2/2"
    assert [d["trial"] for d in seen] == [0, 1]
    assert before not in {d["directory"] for d in seen}, "no result from before is taken for one of now"
    study.annotate(reset="once", note="the same token again")
    assert study.reaches("Succeeded")["progress"] == "2/2"
    assert other.status["best"] == kept
    assert trials_in(postgres_dsn) == 1 + 2
    other.let_go()


def test_a_study_without_a_database_is_pending_and_goes_on_when_it_is_there(
    study: ClusterStudy, kubelet: PretendKubelet, operator: Operator, api: ApiServer, postgres_dsn: str
) -> None:
    study.create(**ONE, storage={"secretRef": {"name": "mine", "key": "uri"}})
    eventually(lambda: study.condition("StorageReady").get("status") == "False", within=SECONDS)
    assert "mine" in study.condition("StorageReady")["message"]
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "mine"},
        "stringData": {"uri": postgres_dsn},
    }
    assert api.create(secret, study.namespace).ok
    with kubelet.running_all(study.trains()):
        study.reaches("Succeeded")
    assert study.condition("StorageReady")["status"] == "True"
