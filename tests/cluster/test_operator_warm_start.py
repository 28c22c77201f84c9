"""A study whose trials begin with the voice of an earlier one: its volume in their pods, or a sentence instead of a pod."""

from support.api_server import ApiServer
from support.cluster_study import SECONDS, ClusterStudy
from support.eventually import eventually
from support.operator_process import Operator
from support.pretend_kubelet import Ending, PretendKubelet

BEST = {"fromStudies": ["demo"], "weights": "best"}
ONE = {"maxTrials": 1, "parallelism": 1}


def test_trials_begin_with_the_voice_of_an_earlier_study(
    study: ClusterStudy, kubelet: PretendKubelet, operator: Operator, api: ApiServer
) -> None:
    study.create(**ONE)
    eventually(lambda: study.has_job("demo-prepare-1"), within=SECONDS)
    second = ClusterStudy(api, study.namespace, "second")
    second.create(warmStart=BEST, maxTrials=2, parallelism=1)
    try:
        eventually(lambda: second.condition("Succeeded").get("reason") == "InvalidSpec", within=SECONDS)
        assert "demo has published no voice yet" in second.condition("Succeeded")["message"]
        assert second.jobs() == []
        with kubelet.running_all(study.trains()):
            study.reaches("Succeeded")
            eventually(lambda: (study.claim() or {})["metadata"].get("annotations"), within=SECONDS)
            claim = study.claim()
            assert claim is not None
            folder = claim["metadata"]["annotations"]["tacotune.dev/promoted"].partition("/")[0]
        second.annotate(note="look again")

        kubelet.finish("second-prepare-1")
        pod = kubelet.pod("second-0-1")
        assert second.document(pod)["warmStart"] == {"checkpoint": "/warm-start/checkpoint"}
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        assert volumes["warm-start"]["persistentVolumeClaim"] == {
            "claimName": "demo-checkpoints",
            "readOnly": True,
        }
        (trainer,) = pod["spec"]["containers"]
        (mount,) = [mount for mount in trainer["volumeMounts"] if mount["name"] == "warm-start"]
        assert (mount["mountPath"], mount["subPath"]) == ("/warm-start", f"{folder}/best")
        assert mount["readOnly"] is True

        # What an attempt began with the next one goes on with, whatever the study says now.
        second.edit(warmStart={"fromStudies": ["demo"], "weights": "none"})
        kubelet.finish("second-0-1", Ending(exit_code=75))
        pod = kubelet.pod("second-0-2")
        assert second.document(pod)["warmStart"] == {"checkpoint": "/warm-start/checkpoint"}
        assert "warm-start" in {volume["name"] for volume in pod["spec"]["volumes"]}
    finally:
        second.let_go()
