"""Lines that break between the operator and the API server: watches are lost, answers are lost, others are quicker."""

from pathlib import Path

from support.api_proxy import ApiProxy, Call
from support.api_server import ApiServer, Object
from support.cluster_study import SECONDS, ClusterStudy, complete
from support.control_plane import ControlPlane
from support.eventually import eventually
from support.operator_process import Operator
from support.pretend_kubelet import Ending, PretendKubelet


def test_what_happened_while_the_operator_was_cut_off_is_seen_and_nothing_is_doubled(
    study: ClusterStudy,
    kubelet: PretendKubelet,
    api: ApiServer,
    control_plane: ControlPlane,
    postgres_dsn: str,
    tmp_path: Path,
) -> None:
    study.create(maxTrials=2)

    def over(name: str) -> bool:
        """The Job controller has seen its end, or the operator already, which then deletes it."""
        job = api.request("GET", f"/apis/batch/v1/namespaces/{study.namespace}/jobs/{name}")
        return job.code == 404 or "completionTime" in job.body["status"]

    def end(name: str) -> None:
        kubelet.start(name)
        kubelet.finish(name, complete(study.document(kubelet.pod(name))))
        eventually(lambda: over(name), within=SECONDS)

    with (
        ApiProxy(api, tmp_path) as proxy,
        Operator(proxy.kubeconfig, postgres_dsn, tmp_path / "operator.log", "-n", study.namespace),
    ):
        kubelet.finish("demo-prepare-1")
        for name in ("demo-0-1", "demo-1-1"):
            kubelet.start(name)
        with proxy.muted():
            # Its watches are open and bring nothing, as behind a proxy that has forgotten them.
            end("demo-0-1")
            eventually(lambda: study.status["progress"] == "1/2", within=SECONDS)
        with proxy.closed():
            end("demo-1-1")
            study.edit(maxTrials=4)
            # What it would go on watching from is forgotten meanwhile.
            control_plane.compact()
            control_plane.stop("kube-apiserver")
            control_plane.start("kube-apiserver")
        for name in ("demo-2-1", "demo-3-1"):
            kubelet.start(name)
        # Its watches come later than its passes: they are tried again after 1, 1, 2, 3, 5, 8 … s.
        eventually(proxy.expired.is_set, within=SECONDS)
        for name in ("demo-2-1", "demo-3-1"):
            end(name)
        with kubelet.running_all(study.trains()):
            status = study.reaches("Succeeded")
        study.let_go()
    assert (status["progress"], status["attempts"], status["disruptions"]) == ("4/4", 5, 0)
    assert_told_once(study, trials=4)


def test_lost_answers_and_others_writes_double_nothing_and_everything_is_told_once(
    study: ClusterStudy, kubelet: PretendKubelet, api: ApiServer, postgres_dsn: str, tmp_path: Path
) -> None:
    lost: set[tuple[str, str]] = set()
    refused: list[Call] = []
    started: list[tuple[int, int]] = []

    def lose(call: Call) -> bool:
        if call.status == 409 and call.kind == "ttsstudies/status":
            refused.append(call)
        kind = (call.method, call.kind)
        if call.status >= 400 or kind in lost:
            return False
        lost.add(kind)
        return True

    def be_quicker(call: Call) -> None:
        # Every other time, or nothing would ever be written.
        if call.kind == "ttsstudies/status" and len(refused) * 2 <= len(written(proxy)):
            study.annotate(note=str(len(refused)))

    def train(document: Object) -> Ending:
        started.append((document["trial"], document["attempt"]))
        return complete(document)

    study.create(maxTrials=2)
    with (
        ApiProxy(api, tmp_path) as proxy,
        Operator(proxy.kubeconfig, postgres_dsn, tmp_path / "operator.log", "-n", study.namespace),
        kubelet.running_all(study.trains(train)),
    ):
        proxy.before, proxy.after = be_quicker, lose
        status = study.reaches("Succeeded")
        eventually(lambda: "StudySucceeded" in [reason for _, reason, _ in study.events()], within=SECONDS)
        proxy.before, proxy.after = (lambda _: None), (lambda _: False)
        study.let_go()
    assert status["progress"] == "2/2"
    assert sorted(started) == [(0, 1), (1, 1)]
    assert len(refused) >= 3
    assert {
        ("POST", "jobs"),
        ("POST", "configmaps"),
        ("POST", "events"),
        ("PATCH", "ttsstudies"),
        ("PUT", "ttsstudies/status"),
    } <= lost
    assert_told_once(study, trials=2)
    again = [call for call in proxy.calls if call.kind == "events" and call.status == 409]
    assert len(again) == 1, "the one whose answer was lost, under the same name"


def written(proxy: ApiProxy) -> list[Call]:
    """Status writes that were answered, well or not."""
    return [call for call in proxy.calls if call.kind == "ttsstudies/status"]


def assert_told_once(study: ClusterStudy, trials: int) -> None:
    told = [(reason, message) for _, reason, message in study.events()]
    assert sorted(told) == sorted(set(told))
    reasons = [reason for reason, _ in told]
    counts = {reason: reasons.count(reason) for reason in ("StudyStarted", "TrialStarted", "TrialFinished")}
    assert counts == {"StudyStarted": 1, "TrialStarted": trials, "TrialFinished": trials}
