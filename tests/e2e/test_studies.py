"""Studies on a real cluster: the chart installed by helm, real pods, the real trainer, a real Postgres."""

from support.eventually import eventually
from support.kind_study import LONG, SECONDS, KindStudy
from support.namespace import Namespace
from support.pods import pod, pod_spec

ONE = {"maxTrials": 1, "parallelism": 1}
TRAINER = "tacotune/trainer:e2e"


def test_a_study_ends_with_a_voice_that_speaks(study: KindStudy) -> None:
    status = study.create(maxTrials=2, finalTraining={"enabled": True, "epochs": 6}).ends()
    assert status["trials"]["succeeded"] == 2
    assert {"StudyStarted", "TrialStarted", "NewBest", "FinalTrainingStarted", "StudySucceeded"} <= set(
        study.events()
    )
    uid = study.namespace.get("tts/tiny")["metadata"]["uid"][:8]
    speak = (
        f"sha=$(sha256sum /study/{uid}/best/checkpoint/weights.pt | cut -d' ' -f1) && grep -q $sha /study/{uid}/best/best.json"
        # The page beside it tells of all trials, which the publishing pod has read from Postgres.
        f" && grep -q '2 trials: 2 complete' /study/{uid}/best/report.html"
        f" && tacotrain synthesize --checkpoint /study/{uid}/best/checkpoint --text 'the red cat' -o /tmp/speech.wav"
        " && head -c4 /tmp/speech.wav"
    )
    spec = pod_spec("sh", "-c", speak, image=TRAINER, claims={"/study": "tiny-checkpoints"})
    study.namespace.apply(pod("reader", spec))
    study.namespace.wait("pod/reader", "jsonpath={.status.phase}=Succeeded", within=240)
    assert study.namespace.kubectl("logs", "pod/reader").endswith("RIFF")


def test_a_pod_deleted_in_mid_training_resumes_and_ends_with_the_same_numbers(
    study: KindStudy, namespace: Namespace
) -> None:
    study.create(**ONE, fixedParameters=LONG)
    name = study.pod(0)
    scraped = namespace.kubectl(
        "get", "--raw", f"/api/v1/namespaces/{namespace.name}/pods/{name}:9090/proxy/metrics"
    )
    assert {"tacotrain_step", "tacotrain_loss", "tacotrain_memory_used_bytes"} <= set(scraped.split())
    namespace.kubectl("delete", "pod", name, "--wait=false")
    disturbed = study.ends()
    assert disturbed["disruptions"] == 1
    assert disturbed["recentFailures"] == []
    namespace.kubectl("delete", "tts/tiny", "pvc/tiny-checkpoints", "--timeout=120s")
    undisturbed = study.create(**ONE, fixedParameters=LONG).ends()
    assert undisturbed["disruptions"] == 0
    assert disturbed["best"] == undisturbed["best"]


def test_want_of_memory_is_recognized(study: KindStudy) -> None:
    # Preparation fits in; a decoder of 50 million weights and their gradients does not.
    tight = {"preset": "tiny", "threads": 1, "resources": {"limits": {"memory": "400Mi"}}}
    status = study.create(
        **ONE,
        trainer=tight,
        fixedParameters={"decoder_rnn_dim": 4096},
        retry={"maxAttempts": 3, "backoff": {"initialSeconds": 0.1}},
    ).ends("Failed")
    assert [f["exitCode"] for f in status["recentFailures"]] == [137, 137, 137]
    # The node may report one too late (test_ground.py), hardly all of them.
    causes = [f["cause"] for f in status["recentFailures"]]
    assert causes.count("OutOfMemory") >= 2, causes


def test_a_bad_configuration_fails_at_once(study: KindStudy) -> None:
    status = study.create(**ONE, objective={"metric": "naturalness", "direction": "Maximize"}).ends("Failed")
    assert [(f["cause"], f["exitCode"]) for f in status["recentFailures"]] == [("Permanent", 64)]


def test_a_killed_operator_loses_and_doubles_nothing(study: KindStudy, release: Namespace) -> None:
    study.create(maxTrials=3, fixedParameters=LONG)
    study.pod(0)
    operator = "app.kubernetes.io/component=operator"
    release.kubectl("delete", "pod", "-l", operator, "--grace-period=0", "--force")
    status = study.ends()
    assert status["progress"] == "3/3"
    attempts = [name for name in study.attempts() if "publish" not in name]
    assert attempts == ["tiny-0-1", "tiny-1-1", "tiny-2-1", "tiny-prepare-1"]


def test_training_goes_on_while_postgres_restarts(study: KindStudy, release: Namespace) -> None:
    study.create(**ONE, fixedParameters={"epochs": 2000, "max_steps": 400})
    study.pod(0)
    release.kubectl("scale", "statefulset/tacotune-postgresql", "--replicas=0")
    try:
        eventually(lambda: study.condition("StorageReady") == "False", within=SECONDS, every=1)
        assert study.pod(0), "it trains on"
    finally:
        # The release is everybody's.
        release.kubectl("scale", "statefulset/tacotune-postgresql", "--replicas=1")
    eventually(lambda: study.condition("StorageReady") == "True", within=SECONDS, every=1)
    status = study.ends()
    assert (status["attempts"], status["recentFailures"]) == (2, [])
    assert {"StorageUnavailable", "StorageBack"} <= set(study.events())


def test_suspend_frees_the_pods_and_resumes_the_same_trials(study: KindStudy) -> None:
    study.create(maxTrials=2, fixedParameters=LONG)
    study.pod(0)
    study.pod(1)
    study.edit(suspend=True)
    eventually(lambda: study.condition("Suspended") == "True", within=SECONDS, every=1)
    selector = "tacotune.dev/purpose=trial"
    assert (
        study.namespace.kubectl(
            "get", "pods", "-l", selector, "--field-selector=status.phase=Running", "-o", "name"
        )
        == ""
    )
    study.edit(suspend=False)
    status = study.ends()
    assert status["trials"]["total"] == 2
    assert status["disruptions"] == 2


def test_what_is_retained_stays_and_what_is_to_be_deleted_goes(
    study: KindStudy, namespace: Namespace
) -> None:
    study.create(**ONE).ends()
    namespace.kubectl("delete", "tts/tiny", "--timeout=120s")
    assert namespace.get("pvc/tiny-checkpoints")["status"]["phase"] == "Bound"
    namespace.delete("pvc/tiny-checkpoints")
    study.create(**ONE, deletionPolicy="Delete", fixedParameters=LONG)
    study.pod(0)
    namespace.kubectl("delete", "tts/tiny", "--timeout=240s", within=250)
    eventually(
        lambda: "tiny" not in namespace.kubectl("get", "pvc,jobs,cm", "-o", "name"), within=SECONDS, every=1
    )


def test_studies_of_one_name_in_two_namespaces_keep_apart(
    study: KindStudy, neighbour: KindStudy, release: Namespace
) -> None:
    both = (study.create(**ONE), neighbour.create(maxTrials=2, parallelism=1))
    ended = [one.ends() for one in both]
    assert [status["trials"]["total"] for status in ended] == [1, 2]
    pods = [{name for name in one.attempts() if "publish" not in name} for one in both]
    assert pods == [{"tiny-prepare-1", "tiny-0-1"}, {"tiny-prepare-1", "tiny-0-1", "tiny-1-1"}]
    assert [_rows(release, one) for one in both] == [1, 2]


def _rows(release: Namespace, study: KindStudy) -> int:
    """How many trials the database has of a study."""
    uid = study.namespace.get("tts/tiny")["metadata"]["uid"][:8]
    count = (
        "SELECT count(*) FROM trials JOIN studies USING (study_id)"
        f" WHERE study_name = '{study.namespace.name}.tiny.{uid}'"
    )
    query = ("psql", "--username=postgres", "--no-psqlrc", "-At", "-c", count, "optuna")
    return int(release.kubectl("exec", "statefulset/tacotune-postgresql", "--", *query))
