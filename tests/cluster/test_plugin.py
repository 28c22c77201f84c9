"""`kubectl tacotune` against a real API server and a real Postgres: the installed program, as a person runs it."""

import base64
import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from support.api_server import STRATEGIC, ApiServer
from support.cluster_study import SPEC, ClusterStudy
from support.eventually import eventually
from support.kubeconfigs import write_kubeconfig
from support.operator_process import Operator
from support.plugin import Plugin
from support.pretend_kubelet import PretendKubelet
from support.service_accounts import service_account_kubeconfig
from support.toolchain import build
from tacotune.adapters.dsn import libpq_uri
from tacotune.adapters.kube_user import connect_user
from tacotune.adapters.kubectl import KubeFlags


@pytest.fixture
def plugin(kubeconfig: Path) -> Plugin:
    """The plugin, with the rights of an administrator."""
    return Plugin(kubeconfig, build(["kubectl"]))


@pytest.fixture
def somebody(api: ApiServer, namespace: str, tmp_path: Path) -> Plugin:
    """The plugin, without rights; its context names the test's namespace."""
    path = service_account_kubeconfig(api, namespace, "default", tmp_path / "kubeconfig")
    document = json.loads(path.read_text())
    document["contexts"][0]["context"]["namespace"] = namespace
    path.write_text(json.dumps(document))
    return Plugin(path, build(["kubectl"]))


def grant(api: ApiServer, namespace: str, role: str) -> None:
    """Bind a ClusterRole to the namespace's default account."""
    api.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": role},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": namespace}],
        },
        namespace,
    )


def store_url(api: ApiServer, namespace: str, name: str, url: str) -> None:
    """Make a Secret with a database's URL."""
    data = {"uri": base64.b64encode(url.encode()).decode()}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}
    assert api.create(secret, namespace).ok


# Suspending and resuming.


def test_suspend_and_resume_set_the_spec_and_say_when_there_is_nothing_to_do(
    plugin: Plugin, study: ClusterStudy
) -> None:
    study.create()

    def suspended() -> bool:
        found: bool = study.api.get(study.path)["spec"].get("suspend", False)
        return found

    where = ("demo", "-n", study.namespace)
    assert plugin.prints("suspend", *where) == "ttsstudy.tacotune.dev/demo suspended\n"
    assert suspended()
    assert plugin.prints("suspend", *where) == "ttsstudy.tacotune.dev/demo unchanged, is suspended\n"
    assert plugin.prints("resume", *where) == "ttsstudy.tacotune.dev/demo resumed\n"
    assert not suspended()
    assert plugin.prints("resume", *where) == "ttsstudy.tacotune.dev/demo unchanged, is not suspended\n"
    managers = {entry["manager"] for entry in study.api.get(study.path)["metadata"]["managedFields"]}
    assert "kubectl-tacotune" in managers, "not the operator's: what a person sets is the person's"


def test_the_namespace_and_the_cluster_are_those_of_the_context_that_is_named(
    api: ApiServer, kubeconfig: Path, plugin: Plugin, study: ClusterStudy, tmp_path: Path
) -> None:
    study.create()
    config = YAML(typ="safe").load(kubeconfig.read_text())
    here = {**config["contexts"][0]["context"], "namespace": study.namespace}
    config["contexts"].append({"name": "here", "context": here})
    path = tmp_path / "two-contexts"
    path.write_text(json.dumps(config))
    other = ("--kubeconfig", str(path))
    assert plugin.run("suspend", "demo", *other).code == 66
    assert plugin.prints("suspend", "demo", *other, "--context", "here").endswith("suspended\n")
    assert plugin.run("suspend", "demo", *other, "--context", "here", "-n", "default").code == 66
    said = plugin.run("suspend", "demo", *other, "--context", "nowhere")
    assert (said.code, "nowhere" in said.err, "--context" in said.err) == (64, True, True)


# Trials and the best of them.


def test_trials_and_best_show_what_the_database_has(
    plugin: Plugin,
    study: ClusterStudy,
    kubelet: PretendKubelet,
    operator: Operator,
    postgres_dsn: str,
    api: ApiServer,
) -> None:
    # Before anything is stored, with the reader's Secret of a release, and as a person finds it: by name.
    store_url(api, study.namespace, "tacotune-reader", libpq_uri(postgres_dsn))
    release = ("--operator-namespace", study.namespace)
    where = ("demo", "-n", study.namespace)
    study.create()
    with kubelet.running_all(study.trains()):
        status = study.reaches("Succeeded")
    by_storage = json.loads(plugin.prints("trials", *where, "-o", "json", "--storage", postgres_dsn))
    assert [row["number"] for row in by_storage] == [0, 1, 2]
    assert {row["state"] for row in by_storage} == {"Complete"}
    assert all(
        row["attempts"] == 1 and row["value"] == row["parameters"]["learning_rate"] for row in by_storage
    )
    assert json.loads(plugin.prints("trials", *where, "-o", "json", *release)) == by_storage
    assert YAML(typ="safe").load(plugin.prints("trials", *where, "-o", "yaml", *release))[0]["number"] == 0
    header, *lines = plugin.prints("trials", *where, "--sort", "value", *release).splitlines()
    assert header.split()[:3] == ["TRIAL", "STATE", "TTS_SCORE"]
    assert int(lines[0].split()[0]) == status["best"]["trial"]

    best = json.loads(plugin.prints("best", *where, "-o", "json", *release))
    assert best["trial"] == status["best"]["trial"]
    assert best["metrics"] == {"tts_score": status["best"]["value"]}
    claim = study.claim()
    assert claim is not None
    assert json.loads(claim["metadata"]["annotations"]["tacotune.dev/image"]) == {
        "image": "tacotrain:test",
        "imagePullPolicy": "IfNotPresent",
        "imagePullSecrets": [],
    }
    uid = api.get(study.path)["metadata"]["uid"][:8]
    assert best["checkpoint"] == f"claim demo-checkpoints, {uid}/best/checkpoint"
    assert best["source"] == f"trial/{best['trial']}/checkpoints/step-00000010"
    table = plugin.prints("best", *where, *release)
    assert f"trial {best['trial']}, preset tiny" in table
    assert f"kubectl tacotune export demo -n {study.namespace}" in table


def test_best_does_without_the_database_and_says_so(
    plugin: Plugin, study: ClusterStudy, api: ApiServer
) -> None:
    study.create()
    where = ("demo", "-n", study.namespace, "--operator-namespace", study.namespace)
    said = plugin.run("best", *where)
    assert (said.code, said.out) == (66, "")
    assert "no best voice yet" in said.err
    best = {"trial": 4, "value": 0.25, "shown": "0.25", "parameters": {"learning_rate": 0.001}}
    status = {"phase": "Running", "best": best}
    assert api.request(
        "PATCH", f"{study.path}/status", {"status": status}, content="application/merge-patch+json"
    ).ok
    said = plugin.run("best", *where)
    assert said.code == 0
    assert "trial 4, preset tiny" in said.out
    assert "only what the study's status knows" in said.err
    assert "there is no Secret tacotune-reader" in said.err


def test_the_secret_that_a_study_names_is_read_and_nothing_is_made_in_a_wrong_database(
    plugin: Plugin, study: ClusterStudy, api: ApiServer, postgres_dsn: str
) -> None:
    study.create(storage={"secretRef": {"name": "mine", "key": "uri"}})
    where = ("demo", "-n", study.namespace)
    said = plugin.run("trials", *where)
    assert (said.code, "there is no Secret mine (spec.storage.secretRef)" in said.err) == (66, True)
    store_url(api, study.namespace, "mine", libpq_uri(postgres_dsn))
    # Nobody has made Optuna's tables there.
    said = plugin.run("trials", *where)
    assert said.code == 64
    assert "does not exist" in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize("host", ["tacotune-postgresql.{}.svc", "tacotune-postgresql"])
def test_a_service_that_is_not_there_is_named(
    plugin: Plugin, study: ClusterStudy, api: ApiServer, host: str
) -> None:
    study.create()
    url = f"postgresql://reader:secret@{host.format(study.namespace)}:5432/optuna"
    store_url(api, study.namespace, "tacotune-reader", url)
    said = plugin.run("trials", "demo", "-n", study.namespace, "--operator-namespace", study.namespace)
    assert said.code == 69
    assert f"service tacotune-postgresql in namespace {study.namespace}" in said.err
    assert "not found" in said.err
    assert "secret" not in said.err


def test_a_database_that_is_away_is_said_to_be(plugin: Plugin, study: ClusterStudy) -> None:
    study.create()
    url = "postgresql://reader:secret@127.0.0.1:1/optuna"
    said = plugin.run("trials", "demo", "-n", study.namespace, "--storage", url)
    assert said.code == 69
    assert "the database does not answer" in said.err
    assert "secret" not in said.err


# Plan.


def test_plan_shows_what_the_manifest_in_the_cluster_asks_for(plugin: Plugin, study: ClusterStudy) -> None:
    study.create(maxTrials=7)
    where = ("demo", "-n", study.namespace)
    document = json.loads(
        plugin.prints("plan", *where, "--trials", "2", "-o", "json", "--seconds-per-step", "0.5")
    )
    assert document["maxTrials"] == 7
    assert [set(proposal) for proposal in document["proposals"]] == [{"learning_rate"}] * 2
    assert document["utterances"] == SPEC["dataset"]["speech"]["utterances"]
    assert "7 trials at the most, 2 at a time" in plugin.prints("plan", *where)


# Logs.


def test_logs_name_the_pods_there_are_and_why_one_has_not_started(
    plugin: Plugin, study: ClusterStudy, kubelet: PretendKubelet, operator: Operator
) -> None:
    where = ("demo", "-n", study.namespace)
    study.create(maxTrials=2)
    kubelet.finish("demo-prepare-1")
    kubelet.pod("demo-0-1")
    kubelet.hold("demo-0-1", "ImagePullBackOff", "no such image")
    said = plugin.run("logs", *where, "--trial", "0")
    assert said.code == 69
    assert "trial 0, attempt 1 (pod demo-0-1-" in said.err
    assert "has not started: ImagePullBackOff: no such image" in said.err
    said = plugin.run("logs", *where, "--trial", "9")
    assert (said.code, "no pod of trial 9 is there; there are: " in said.err) == (66, True)
    assert "trial 0, attempt 1" in said.err
    assert plugin.run("logs", *where, "--trial", "0", "--final").code == 2
    # It runs, by the word of the test; its node, which would have the log, is not there.
    kubelet.start("demo-0-1")
    said = plugin.run("logs", *where)
    assert (said.code, said.out) == (69, "")
    assert "trial 0, attempt 1" in said.err
    assert "/log: " in said.err
    assert "Traceback" not in said.err


def test_a_stream_is_read_as_it_comes(api: ApiServer, kubeconfig: Path, namespace: str) -> None:
    maps = f"/api/v1/namespaces/{namespace}/configmaps"
    eventually(lambda: api.get(maps)["items"], within=30)
    user = connect_user(KubeFlags(str(kubeconfig), namespace=namespace))
    # A watch has no end, as a log that is followed has none.
    stream = user.api.stream(maps, watch="true")
    assert b"kube-root-ca.crt" in next(stream)
    stream.close()  # type: ignore[attr-defined]


# Errors.


def test_a_study_that_is_not_there_is_missed_with_the_names_of_those_that_are(
    plugin: Plugin, study: ClusterStudy
) -> None:
    study.create()
    for command in (
        ("trials",),
        ("best",),
        ("logs",),
        ("plan",),
        ("suspend",),
        ("resume",),
        ("export", "-o", "voice"),
    ):
        said = plugin.run(*command, "dem", "-n", study.namespace)
        assert (said.code, said.out) == (66, ""), said
        assert (
            f"kubectl tacotune: there is no study dem in namespace {study.namespace}; did you mean demo?"
            in said.err
        )


def test_who_has_no_rights_is_told_which_are_missing(
    api: ApiServer, somebody: Plugin, study: ClusterStudy, postgres_dsn: str
) -> None:
    study.create()
    said = somebody.run("plan", "demo")
    assert said.code == 69
    assert f"you may not read TTSStudies of namespace {study.namespace}" in said.err
    assert "`view`" in said.err
    grant(api, study.namespace, "view")
    # What the chart adds to `view`.
    api.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": "studies"},
            "rules": [{"apiGroups": ["tacotune.dev"], "resources": ["ttsstudies"], "verbs": ["get", "list"]}],
        },
        study.namespace,
    )
    api.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "studies"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "studies"},
            "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": study.namespace}],
        },
        study.namespace,
    )
    eventually(lambda: somebody.run("plan", "demo").code == 0, within=30)
    said = somebody.run("suspend", "demo")
    assert said.code == 69
    assert "you may not change TTSStudies" in said.err
    assert "`edit`" in said.err
    store_url(api, study.namespace, "tacotune-reader", libpq_uri(postgres_dsn))
    said = somebody.run("trials", "demo", "--operator-namespace", study.namespace)
    assert said.code == 69
    assert f"you may not read Secret tacotune-reader in namespace {study.namespace}" in said.err
    assert "rbac.readers" in said.err
    assert "--storage" in said.err


def test_a_cluster_that_does_not_answer_is_said_to_be_away(
    plugin: Plugin, api: ApiServer, tmp_path: Path
) -> None:
    away = write_kubeconfig(tmp_path / "away", "https://127.0.0.1:1", api.authority, "token")
    said = plugin.run("plan", "demo", "--kubeconfig", str(away))
    assert (said.code, said.out) == (69, "")
    assert "does not answer" in said.err
    assert len(said.err.splitlines()) == 1
    said = plugin.run("plan", "demo", "--kubeconfig", str(tmp_path / "none"))
    assert (said.code, len(said.err.splitlines())) == (64, 1)
    assert "--kubeconfig" in said.err


# Export, as far as it goes without a kubelet that runs anything.


def publish(study: ClusterStudy, folder: str, image: dict[str, Any] | None = None) -> None:
    """Make the claim as the operator leaves it when a voice is published."""
    notes = {"tacotune.dev/promoted": f"{folder}/trial/0/checkpoints/step-00000010"}
    if image is not None:
        notes["tacotune.dev/image"] = json.dumps(image)
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "demo-checkpoints", "annotations": notes},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    study.api.apply(claim, study.namespace)


def restrict(api: ApiServer, namespace: str) -> None:
    """Let only restricted pods in."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    path = f"/api/v1/namespaces/{namespace}"
    assert api.request("PATCH", path, {"metadata": {"labels": labels}}, content=STRATEGIC).ok


def test_export_refuses_before_it_makes_anything(plugin: Plugin, study: ClusterStudy, tmp_path: Path) -> None:
    study.create()
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("mine")
    where = ("demo", "-n", study.namespace)
    said = plugin.run("export", *where, "-o", str(full))
    assert (said.code, "is not empty; --force" in said.err) == (2, True)
    said = plugin.run("export", *where, "-o", str(tmp_path / "voice"))
    assert (said.code, "has no best voice yet" in said.err) == (66, True)
    # A voice of an earlier study of the same name is none of this one's.
    publish(study, "0" * 8)
    assert plugin.run("export", *where, "-o", str(tmp_path / "voice")).code == 66
    publish(study, study.api.get(study.path)["metadata"]["uid"][:8])
    said = plugin.run("export", *where, "-o", str(tmp_path / "voice"))
    assert (said.code, "give --image" in said.err) == (66, True)
    assert study.api.get(f"/api/v1/namespaces/{study.namespace}/pods")["items"] == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full"]


def test_the_pod_of_an_export_is_let_in_by_the_restricted_profile_and_goes_again(
    plugin: Plugin, study: ClusterStudy, api: ApiServer, tmp_path: Path
) -> None:
    study.create()
    restrict(api, study.namespace)
    image = {"image": "trainer:test", "imagePullPolicy": "Never", "imagePullSecrets": ["registry"]}
    publish(study, api.get(study.path)["metadata"]["uid"][:8], image)
    said = plugin.run(
        "export", "demo", "-n", study.namespace, "-o", str(tmp_path / "voice"), "--timeout", "1"
    )
    # There is no node: the pod waits, and the time is over.
    assert said.code == 69, said
    assert "pod demo-export-" in said.err
    assert "has not started" in said.err
    pods = f"/api/v1/namespaces/{study.namespace}/pods"
    eventually(lambda: api.get(pods)["items"] == [], within=30)
    assert list(tmp_path.iterdir()) == []


def test_the_pod_goes_when_an_export_is_interrupted(
    plugin: Plugin, study: ClusterStudy, api: ApiServer, tmp_path: Path
) -> None:
    study.create()
    publish(study, api.get(study.path)["metadata"]["uid"][:8], {"image": "trainer:test"})
    pods = f"/api/v1/namespaces/{study.namespace}/pods"
    command = plugin.command("export", "demo", "-n", study.namespace, "-o", str(tmp_path / "voice"))
    for number in (signal.SIGINT, signal.SIGTERM):
        with subprocess.Popen(command, env=plugin.env, stderr=subprocess.DEVNULL) as process:
            (pod,) = eventually(lambda: api.get(pods)["items"], within=60)
            assert pod["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "kubectl-tacotune"
            process.send_signal(number)
            assert process.wait(30) != 0
        eventually(lambda: api.get(pods)["items"] == [], within=30)


# Completion.


def test_kubectl_is_told_the_names_of_studies(plugin: Plugin, study: ClusterStudy) -> None:
    study.create()
    where = ("-n", study.namespace)
    said = plugin.run("trials", *where, "de", program="kubectl_complete-tacotune")
    assert (said.code, said.out.splitlines()) == (0, ["demo", ":4"])
    said = plugin.run("trials", *where, "x", program="kubectl_complete-tacotune")
    assert [line for line in said.out.splitlines() if line] == [":4"]


def test_kubectl_finds_the_plugin(plugin: Plugin, study: ClusterStudy) -> None:
    study.create()
    command = ["kubectl", "tacotune", "plan", "demo", "-n", study.namespace]
    done = subprocess.run(command, env=plugin.env, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, "3 trials at the most" in done.stdout) == (0, True), done.stderr
    command = ["kubectl", "__complete", "tacotune", "trials", "-n", study.namespace, ""]
    done = subprocess.run(command, env=plugin.env, capture_output=True, text=True, check=False, timeout=60)
    assert "demo" in done.stdout.splitlines(), done
