"""The pages of studies in a cluster: real Deployments, ReplicaSets and Services; the kubelet's part is the test's."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.api_server import PATCH, ApiServer
from support.cluster_pages import IMAGE, KINDS, Pages, serving
from support.cluster_study import SECONDS, ClusterStudy
from support.eventually import eventually
from support.operator_process import Operator
from support.plugin import Plugin
from support.pretend_kubelet import PretendKubelet
from support.toolchain import build


@pytest.fixture
def operator(kubeconfig: Path, postgres_dsn: str, tmp_path: Path, study: ClusterStudy) -> Iterator[Operator]:
    with serving(kubeconfig, postgres_dsn, tmp_path / "operator.log", "-n", study.namespace) as running:
        yield running
        study.let_go()


@pytest.fixture
def pages(api: ApiServer, study: ClusterStudy) -> Pages:
    return Pages(api, study)


def test_s18_a_url_is_told_only_after_200(
    study: ClusterStudy, pages: Pages, operator: Operator, api: ApiServer
) -> None:
    # Every pod of a page is admitted where pod security is `restricted`.
    restricted = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    assert api.request("PATCH", f"/api/v1/namespaces/{study.namespace}", restricted, content=PATCH).ok
    study.create()
    eventually(lambda: "volume" in pages.status("demo").get("message", ""), within=SECONDS)
    assert study.condition("DashboardsReady")["reason"] == "Waiting"
    assert pages.deployment("mlflow") is None
    pages.bind_volume()
    for kind in KINDS:
        pages.there(kind)
    for kind in KINDS[:3]:
        pages.answers(kind)
    pages.answers("demo", ready=False)
    eventually(lambda: pages.status("optuna").get("ready") is True, within=SECONDS)
    assert study.condition("DashboardsReady")["status"] == "False"
    eventually(lambda: "first best checkpoint" in pages.status("demo")["message"], within=SECONDS)
    assert pages.status("demo").get("url", "") == ""
    pages.answers("demo")
    eventually(lambda: study.condition("DashboardsReady").get("status") == "True", within=SECONDS)
    assert study.condition("DashboardsReady")["reason"] == "Serving"
    namespace = study.namespace
    assert {kind: pages.status(kind)["url"] for kind in KINDS} == {
        "mlflow": f"http://demo-mlflow.{namespace}.svc:5000",
        "tensorboard": f"http://demo-tensorboard.{namespace}.svc:5001",
        "optuna": f"http://demo-optuna.{namespace}.svc:5002",
        "demo": f"http://demo-demo.{namespace}.svc:5003",
    }
    pages.answers("mlflow", ready=False)
    eventually(lambda: study.condition("DashboardsReady").get("status") == "False", within=SECONDS)


def test_pods_may_no_more_than_they_must(study: ClusterStudy, pages: Pages, operator: Operator) -> None:
    study.create()
    pages.bind_volume()
    for kind in KINDS:
        spec = pages.there(kind)["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        assert container["image"] == IMAGE
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert spec["automountServiceAccountToken"] is False
        mounts = {m["name"]: m.get("readOnly", False) for m in container["volumeMounts"]}
        assert mounts["study"] is (kind != "mlflow")
        probe = container["startupProbe"]
        assert (probe["failureThreshold"], probe["periodSeconds"]) == (30, 1)
        wanted = {"mlflow": {"mlflow-uri", "reader-uri"}, "optuna": {"reader-uri"}}
        keys = {e["valueFrom"]["secretKeyRef"]["key"] for e in container["env"] if "valueFrom" in e}
        assert keys == wanted.get(kind, set())
    assert "hidden" not in operator.log.read_text()


def test_a_page_that_nobody_opened_sleeps_until_it_is_wanted(
    study: ClusterStudy, pages: Pages, operator: Operator, kubeconfig: Path
) -> None:
    study.create(dashboards={"idleAfterSeconds": 60})
    pages.bind_volume()
    arguments = pages.there("optuna")["spec"]["template"]["spec"]["containers"][0]["args"]
    assert arguments[-2:] == ["--idle-after", "60"]
    pages.ends_idle("optuna")
    eventually(lambda: pages.there("optuna")["spec"]["replicas"] == 0, within=SECONDS)
    eventually(lambda: "asleep since" in pages.status("optuna")["message"], within=SECONDS)
    assert "kubectl tacotune dashboards" in pages.status("optuna")["message"]
    assert pages.there("mlflow")["spec"]["replicas"] == 1
    plugin = Plugin(kubeconfig, build(["kubectl"]))
    listed = plugin.run("dashboards", "demo", "-n", study.namespace)
    assert listed.code == 0, listed.err
    assert "asleep since" in listed.out
    nothing = plugin.run("dashboards", "demo", "-n", study.namespace, "--forward")
    assert nothing.code == 66
    assert "no dashboard that answers" in nothing.err
    woken = plugin.run("dashboards", "demo", "-n", study.namespace, "--wake")
    assert woken.code == 0, woken.err
    eventually(lambda: pages.there("optuna")["spec"]["replicas"] == 1, within=SECONDS)
    pages.answers("optuna")
    eventually(lambda: pages.status("optuna").get("ready") is True, within=SECONDS)


def test_what_belongs_to_others_is_left_alone_and_trials_go_on(
    study: ClusterStudy, pages: Pages, operator: Operator, api: ApiServer, kubelet: PretendKubelet
) -> None:
    other = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "demo-mlflow", "labels": {"owner": "somebody"}},
        "spec": {"ports": [{"port": 80}], "selector": {"app": "theirs"}},
    }
    api.apply(other, study.namespace)
    study.create(maxTrials=1, parallelism=1)
    pages.bind_volume()
    eventually(
        lambda: "belongs to something else" in pages.status("mlflow").get("message", ""), within=SECONDS
    )
    pages.there("optuna")
    found = pages.object("services", "mlflow")
    assert found is not None
    assert found["spec"]["selector"] == {"app": "theirs"}
    with kubelet.running_all(study.trains(), "!tacotune.dev/dashboard"):
        study.reaches("Succeeded")


def test_pages_follow_the_manifest_and_leave_with_the_study(
    study: ClusterStudy, pages: Pages, operator: Operator
) -> None:
    study.create(dashboards={"tensorboard": {"enabled": False, "port": 5001}})
    pages.bind_volume()
    pages.there("optuna")
    assert pages.deployment("tensorboard") is None
    study.edit(dashboards={"tensorboard": {"enabled": True, "port": 7001}, "optuna": {"enabled": False}})
    pages.there("tensorboard")
    eventually(lambda: pages.deployment("optuna") is None, within=SECONDS)
    found = pages.object("services", "tensorboard")
    assert found is not None
    assert found["spec"]["ports"][0]["port"] == 7001
    assert pages.object("services", "optuna") is None
    study.let_go()
    eventually(lambda: pages.deployment("tensorboard") is None, within=SECONDS)


def test_a_deployment_that_somebody_deleted_or_changed_comes_back(
    study: ClusterStudy, pages: Pages, operator: Operator, api: ApiServer
) -> None:
    study.create()
    pages.bind_volume()
    path = f"/apis/apps/v1/namespaces/{study.namespace}/deployments/demo-demo"
    first = pages.there("demo")["metadata"]["uid"]
    assert api.request("DELETE", path).ok
    study.annotate(look="again")
    eventually(
        lambda: (pages.deployment("demo") or {"metadata": {"uid": first}})["metadata"]["uid"] != first,
        within=SECONDS,
    )


def test_two_studies_have_pages_of_their_own(
    study: ClusterStudy, pages: Pages, operator: Operator, api: ApiServer
) -> None:
    other = ClusterStudy(api, study.namespace, "second")
    others = Pages(api, other)
    study.create()
    other.create()
    for each in (pages, others):
        each.bind_volume()
        each.there("mlflow")
    one, two = (each.object("services", "mlflow") for each in (pages, others))
    assert one is not None
    assert two is not None
    assert one["spec"]["selector"] != two["spec"]["selector"]
    assert one["spec"]["clusterIP"] != two["spec"]["clusterIP"]
    other.let_go()


def test_an_ingress_for_each_page_where_the_chart_says_so(
    kubeconfig: Path, postgres_dsn: str, tmp_path: Path, study: ClusterStudy, pages: Pages
) -> None:
    ingress = {
        "enabled": True,
        "className": "nginx",
        "annotations": {"nginx.ingress.kubernetes.io/auth-url": "http://proxy/oauth2/auth"},
        "tlsSecret": "{study}-tls",
    }
    host = "{dashboard}-{study}.voices.example.org"
    log = tmp_path / "operator.log"
    with serving(kubeconfig, postgres_dsn, log, "-n", study.namespace, host=host, ingress=ingress):
        study.create()
        pages.bind_volume()
        pages.there("optuna")
        found = pages.object("ingresses", "optuna", "/apis/networking.k8s.io/v1")
        assert found is not None
        assert found["spec"]["rules"][0]["host"] == "optuna-demo.voices.example.org"
        assert found["spec"]["tls"] == [
            {"hosts": ["optuna-demo.voices.example.org"], "secretName": "demo-tls"}
        ]
        assert found["metadata"]["annotations"] == ingress["annotations"]
        arguments = pages.there("optuna")["spec"]["template"]["spec"]["containers"][0]["args"]
        assert "optuna-demo.voices.example.org" in arguments
        pages.answers("optuna")
        eventually(
            lambda: pages.status("optuna").get("url") == "https://optuna-demo.voices.example.org",
            within=SECONDS,
        )
        study.let_go()


def test_without_an_image_the_condition_says_so(
    kubeconfig: Path, postgres_dsn: str, tmp_path: Path, study: ClusterStudy
) -> None:
    with Operator(kubeconfig, postgres_dsn, tmp_path / "operator.log", "-n", study.namespace):
        study.create()
        eventually(lambda: study.condition("DashboardsReady").get("reason") == "Disabled", within=SECONDS)
        assert "no image" in study.condition("DashboardsReady")["message"]
        study.let_go()
