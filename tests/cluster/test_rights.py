"""The operator under its own ServiceAccount: the chart's role is enough for all that it does, and has nothing to spare."""

import threading
from pathlib import Path

import pytest

from support.api_server import APPLY, ApiServer, Object
from support.audit import Right, records, rights
from support.chart import Chart, one
from support.cluster_pages import Pages, serving
from support.cluster_study import SECONDS, ClusterStudy, complete, failed
from support.control_plane import ControlPlane
from support.eventually import eventually
from support.pretend_kubelet import Ending, PretendKubelet
from support.quotas import limit
from support.service_accounts import service_account_kubeconfig

RBAC = ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
# Server-side apply is a patch, and asks for the right to create as well where there is nothing yet.
APPLIED: set[Right] = {("", kind, "create") for kind in ("persistentvolumeclaims", "secrets", "services")} | {
    ("apps", "deployments", "create")
}
NEW: list[Object] = [
    {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "new"},
        "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {
                "metadata": {"labels": {"a": "b"}},
                "spec": {"containers": [{"name": "c", "image": "d"}]},
            },
        },
    },
    {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "new"}},
    {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "new"}, "spec": {"clusterIP": "None"}},
    {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "new"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    },
]
# Asked by OwnerReferencesPermissionEnforcement alone, for `blockOwnerDeletion`; OpenShift has it on, a default server not.
ADMISSION: set[Right] = {("tacotune.dev", "ttsstudies/finalizers", "update")}


def install(chart: Chart, api: ApiServer, values: Object, where: str) -> list[Object]:
    """Apply what the chart says about rights; that, as objects."""
    objects = [o for o in chart.render(values, where) if o["kind"] in RBAC]
    for thing in objects:
        api.apply(thing, where)
    return objects


class Life:
    """A study that goes through everything: a quota, an attempt that fails, a pruned trial, a suspension, a final training."""

    def __init__(self, study: ClusterStudy, kubelet: PretendKubelet, pages: Pages) -> None:
        self._study = study
        self._pages = pages
        self._kubelet = kubelet
        self._long = threading.Event()

    def train(self, document: Object) -> Ending:
        match document["trial"], document["attempt"]:
            case 0, 1:
                return failed(1, "boom")
            case 1, 1:
                return complete(document, state="pruned")
            case 2, 1:
                self._long.set()
                return complete(document, seconds=600)
        # The final training runs for a while, so that its log is looked into.
        return complete(document, seconds=2 if document["purpose"] == "final" else 0)

    def run(self, **spec: object) -> None:
        quota = limit(self._study.api, self._study.namespace, pods="0")
        self._study.create(
            parallelism=3, deletionPolicy="Delete", finalTraining={"enabled": True, "epochs": 2}, **spec
        )
        eventually(
            lambda: "quota" in self._study.condition("DatasetReady").get("message", ""), within=SECONDS
        )
        assert self._study.api.request("DELETE", quota).ok
        self._leave_behind("demo-0-1")
        self._pages.bind_volume()
        self._pages.there("mlflow")
        self._study.edit(dashboards={"mlflow": {"enabled": False}})
        eventually(lambda: self._pages.deployment("mlflow") is None, within=SECONDS)
        with self._kubelet.running_all(self._study.trains(self.train), "!tacotune.dev/dashboard"):
            eventually(self._long.is_set, within=SECONDS)
            self._study.edit(suspend=True)
            eventually(lambda: self._study.condition("Suspended").get("status") == "True", within=SECONDS)
            self._study.edit(suspend=False)
            status = self._study.reaches("Succeeded")
            assert status["trials"]["pruned"] == 1, status
            assert [f["cause"] for f in status["recentFailures"]] == ["Transient"]
            claim = self._study.claim()
            assert claim is not None
            eventually(lambda: "/final/" in self._promoted(), within=SECONDS)
            self._study.let_go()
        assert self._study.jobs() == []

    def _promoted(self) -> str:
        claim = self._study.claim() or {}
        return str(claim["metadata"].get("annotations", {}).get("tacotune.dev/promoted", ""))

    def _leave_behind(self, name: str) -> None:
        """A ConfigMap of a pass that was cut off before its Job, and that means something else by now."""
        study = self._study.api.get(self._study.path)
        owner = {k: study[k] for k in ("apiVersion", "kind")} | {
            k: study["metadata"][k] for k in ("name", "uid")
        }
        self._study.api.apply(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": name, "ownerReferences": [owner]},
                "data": {"trial.json": "{}"},
            },
            self._study.namespace,
        )


@pytest.mark.parametrize("watched", [False, True], ids=["the whole cluster", "one namespace"])
def test_the_charts_role_is_enough_and_has_nothing_to_spare(
    watched: bool,
    chart: Chart,
    study: ClusterStudy,
    kubelet: PretendKubelet,
    api: ApiServer,
    control_plane: ControlPlane,
    module_namespace: str,
    postgres_dsn: str,
    tmp_path: Path,
) -> None:
    # One run with the least and one with the most that the chart can grant.
    values: Object = {
        "fullnameOverride": f"tacotune-{watched}".lower(),
        "rbac": {"readStorageSecrets": watched},
    }
    if watched:
        values["watchNamespaces"] = [study.namespace]
    objects = install(chart, api, values, module_namespace)
    account = one(objects, "ServiceAccount")["metadata"]["name"]
    config = service_account_kubeconfig(api, module_namespace, account, tmp_path / "kubeconfig")
    options = ["-n", study.namespace] if watched else []
    spec: Object = {"trainer": {"preset": "tiny", "workers": 2}}
    if watched:
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "mine"},
            "stringData": {"uri": postgres_dsn},
        }
        api.apply(secret, study.namespace)
        spec["storage"] = {"secretRef": {"name": "mine", "key": "uri"}}
    with serving(config, postgres_dsn, tmp_path / "operator.log", *options):
        Life(study, kubelet, Pages(api, study)).run(**spec)

    seen = list(records(control_plane.audit, f"system:serviceaccount:{module_namespace}:{account}"))
    assert [r for r in seen if not r.allowed] == []
    used = {r.right for r in seen}
    granted = rights(
        one(
            objects,
            "Role" if watched else "ClusterRole",
            account if watched else f"{module_namespace}-{account}",
        )["rules"]
    )
    spare = granted - used - APPLIED - ADMISSION
    assert spare == set()
    if watched:
        assert {r.namespace for r in seen} == {study.namespace}


def test_applying_what_is_not_there_takes_the_right_to_create(
    chart: Chart, api: ApiServer, namespace: str, tmp_path: Path
) -> None:
    objects = install(chart, api, {"watchNamespaces": [namespace]}, namespace)
    role = one(objects, "Role", "tacotune")
    less = [rule | {"verbs": [verb for verb in rule["verbs"] if verb != "create"]} for rule in role["rules"]]
    api.apply({**role, "rules": [rule for rule in less if rule["verbs"]]}, namespace)
    account = ApiServer(service_account_kubeconfig(api, namespace, "tacotune", tmp_path / "kubeconfig"))
    jobs = f"/apis/batch/v1/namespaces/{namespace}/jobs"
    # The authorizer hears of it a moment later.
    eventually(lambda: account.request("GET", jobs).ok)
    eventually(lambda: account.request("POST", jobs, {}).code == 403)
    for thing in NEW:
        path = f"{api.collection(thing, namespace)}/new"
        answer = account.request("PATCH", path, thing, content=APPLY, fieldManager="test", force="true")
        assert answer.code == 403, answer
        assert "cannot create resource" in answer.body["message"]
    applied = {
        (
            thing["apiVersion"].removesuffix("v1").rstrip("/"),
            api.collection(thing).rsplit("/", 1)[-1],
            "create",
        )
        for thing in NEW
    }
    assert applied == APPLIED
