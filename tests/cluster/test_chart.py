"""The Helm chart: what it renders, what it refuses, and a release on a real API server."""

import base64
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.api_server import ApiServer, Object
from support.chart import CHART, Chart, ChartError, load_all, one
from support.eventually import eventually
from support.service_accounts import service_account_kubeconfig
from tacotune.handlers.page_settings import page_settings

DEFINITION = CHART.parents[1] / "crds" / "ttsstudies.yaml"
EXTERNAL = {"postgresql": {"mode": "external", "existingSecret": "mine"}}
EVERYTHING: Object = {
    "commonLabels": {"team": "voices"},
    "commonAnnotations": {"example.org/owner": "voices"},
    "imagePullSecrets": ["registry"],
    "rbac": {"readers": [{"kind": "Group", "name": "voices"}]},
    "trainer": {"imagePullSecrets": ["registry", "other"]},
    "operator": {
        "extraArgs": ["--verbose"],
        "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
        "nodeSelector": {"pool": "system"},
        "tolerations": [{"key": "system", "operator": "Exists"}],
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [{"matchExpressions": [{"key": "gpu", "operator": "DoesNotExist"}]}]
                }
            }
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "zone",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": {"team": "voices"}},
            }
        ],
        "priorityClassName": "system-cluster-critical",
        "podLabels": {"scrape": "yes"},
        "podAnnotations": {"example.org/pod": "operator"},
    },
    "postgresql": {"embedded": {"parameters": {"shared_buffers": "256MB"}, "tolerations": [{"key": "db"}]}},
}
OUTSIDE: Object = {
    "dashboards": {
        "host": "{dashboard}-{study}.voices.example.org",
        "ingress": {"enabled": True, "className": "nginx", "tlsSecret": "voices-tls"},
        "httpRoute": {"enabled": True, "parentRefs": [{"name": "web", "namespace": "gateways"}]},
        "oauth2Proxy": {
            "enabled": True,
            "host": "auth.voices.example.org",
            "cookieDomain": ".voices.example.org",
            "existingSecret": "oauth2-proxy",
            "extraArgs": ["--provider=oidc"],
        },
    }
}
VARIANTS: dict[str, Object] = {
    "dashboards from outside": OUTSIDE,
    "embedded": {},
    "cnpg": {"postgresql": {"mode": "cnpg"}},
    "external": EXTERNAL,
    "two namespaces": {"watchNamespaces": ["alto", "tenor"]},
    "every value": EVERYTHING,
    "little": {
        "crd": {"install": False},
        "rbac": {"create": False, "aggregateToDefaultRoles": False},
        "serviceAccount": {"create": False, "name": "somebody"},
        "networkPolicy": {"enabled": False},
        "test": {"enabled": False},
        "metrics": {"enabled": False},
        "operator": {"podDisruptionBudget": {"enabled": False}},
        "postgresql": {"embedded": {"podDisruptionBudget": {"enabled": False}}},
    },
}


# What is rendered.


@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS)
def test_lint_finds_nothing(chart: Chart, values: Object) -> None:
    assert "[WARNING]" not in chart.lint(values)


@pytest.mark.parametrize(
    ("values", "kinds"),
    [
        (
            {},
            (
                "ClusterRole ClusterRole ClusterRole ClusterRoleBinding CustomResourceDefinition Deployment NetworkPolicy "
                "NetworkPolicy Pod PodDisruptionBudget PodDisruptionBudget Role Secret Secret Service Service ServiceAccount StatefulSet"
            ),
        ),
        (
            VARIANTS["cnpg"],
            (
                "Cluster ClusterRole ClusterRole ClusterRole ClusterRoleBinding CustomResourceDefinition Deployment "
                "NetworkPolicy Pod PodDisruptionBudget Role Secret Secret Service ServiceAccount"
            ),
        ),
        (
            EXTERNAL,
            (
                "ClusterRole ClusterRole ClusterRole ClusterRoleBinding CustomResourceDefinition Deployment NetworkPolicy "
                "Pod PodDisruptionBudget Role Service ServiceAccount"
            ),
        ),
        (
            {**EXTERNAL, "watchNamespaces": ["alto", "tenor"]},
            (
                "ClusterRole ClusterRole CustomResourceDefinition Deployment NetworkPolicy Pod PodDisruptionBudget Role Role Role "
                "RoleBinding RoleBinding Service ServiceAccount"
            ),
        ),
        (VARIANTS["little"], "Deployment Secret Secret Service StatefulSet"),
    ],
    ids=["embedded", "cnpg", "external", "two namespaces", "little"],
)
def test_each_mode_has_its_objects(chart: Chart, values: Object, kinds: str) -> None:
    assert sorted(o["kind"] for o in chart.render(values)) == kinds.split()


def test_the_charts_definition_is_the_generated_one_and_stays_when_the_release_goes(chart: Chart) -> None:
    assert (CHART / "files" / "ttsstudies.yaml").read_text() == DEFINITION.read_text(), "run `make generate`"
    rendered = one(chart.render({}), "CustomResourceDefinition")
    assert rendered["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    assert [rendered] == load_all(DEFINITION.read_text())


OPERATOR_RULES = {
    ("tacotune.dev", "ttsstudies"): "get list watch patch",
    ("tacotune.dev", "ttsstudies/status"): "update",
    ("tacotune.dev", "ttsstudies/finalizers"): "update",
    ("batch", "jobs"): "get list watch create patch delete",
    ("", "pods"): "list watch",
    ("", "pods/log"): "get",
    ("", "configmaps"): "get list create delete",
    ("", "persistentvolumeclaims"): "get create patch",
    ("", "services"): "create patch get delete",
    ("", "secrets"): "create patch",
    ("", "events"): "list create",
    ("apps", "deployments"): "get list create patch delete",
}


def rules(role: Object) -> dict[tuple[str, str], str]:
    return {
        (group, resource): " ".join(rule["verbs"])
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


def test_the_operator_may_do_this_in_the_cluster_and_no_more(chart: Chart) -> None:
    objects = chart.render({})
    assert rules(one(objects, "ClusterRole", "tacotune-tacotune")) == OPERATOR_RULES
    binding = one(objects, "ClusterRoleBinding")
    assert binding["roleRef"]["name"] == "tacotune-tacotune"
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "tacotune", "namespace": "tacotune"}]


def test_pages_take_rights_of_their_own_and_only_where_they_are_wanted(chart: Chart) -> None:
    without = one(chart.render({"dashboards": {"enabled": False}}), "ClusterRole", "tacotune-tacotune")
    assert ("apps", "deployments") not in rules(without)
    assert rules(without)["", "services"] == "create patch"
    outside = rules(one(chart.render(OUTSIDE), "ClusterRole", "tacotune-tacotune"))
    assert outside["networking.k8s.io", "ingresses"] == "get create patch delete"
    assert outside["gateway.networking.k8s.io", "httproutes"] == "get create patch delete"


def test_visitors_of_an_ingress_log_in_first(chart: Chart) -> None:
    objects = chart.render(OUTSIDE)
    (container,) = one(objects, "Deployment", "tacotune")["spec"]["template"]["spec"]["containers"]
    told = next(e["value"] for e in container["env"] if e["name"] == "TACOTUNE_DASHBOARDS")
    annotations = page_settings(told, reader_url="", mlflow_url="").platform.exposure.annotations
    assert annotations["nginx.ingress.kubernetes.io/auth-url"] == (
        "http://tacotune-oauth2-proxy.tacotune.svc:4180/oauth2/auth"
    )
    assert annotations["nginx.ingress.kubernetes.io/auth-signin"].startswith(
        "https://auth.voices.example.org/"
    )
    proxy = one(objects, "Deployment", "tacotune-oauth2-proxy")["spec"]["template"]["spec"]["containers"][0]
    secrets = {e["valueFrom"]["secretKeyRef"]["key"] for e in proxy["env"]}
    assert secrets == {"client-id", "client-secret", "cookie-secret"}


def test_with_watched_namespaces_it_may_do_nothing_outside_them(chart: Chart) -> None:
    objects = chart.render({"watchNamespaces": ["alto", "tenor"]})
    roles = [o for o in objects if o["kind"] == "Role" and o["metadata"]["name"] == "tacotune"]
    assert {role["metadata"]["namespace"]: rules(role) for role in roles} == {
        "alto": OPERATOR_RULES,
        "tenor": OPERATOR_RULES,
    }
    cluster = {o["metadata"]["name"] for o in objects if o["kind"].startswith("ClusterRole")}
    assert cluster == {"tacotune-tacotune-view", "tacotune-tacotune-edit"}
    (operator,) = one(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert operator["args"][:3] == ["operator", "--namespace=alto", "--namespace=tenor"]


def test_reading_secrets_is_asked_for_and_never_listing(chart: Chart) -> None:
    role = one(
        chart.render({"rbac": {"readStorageSecrets": True}, "watchNamespaces": ["alto"]}), "Role", "tacotune"
    )
    assert rules(role) == OPERATOR_RULES | {("", "secrets"): "create patch get"}


def test_secrets_of_notifications_are_read_by_name_alone(chart: Chart) -> None:
    role = one(
        chart.render({"rbac": {"notificationSecrets": ["bot", "slack"]}, "watchNamespaces": ["alto"]}),
        "Role",
        "tacotune",
    )
    named = [rule for rule in role["rules"] if "resourceNames" in rule]
    assert named == [
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["bot", "slack"], "verbs": ["get"]}
    ]
    assert rules({**role, "rules": [r for r in role["rules"] if r not in named]}) == OPERATOR_RULES | {
        ("", "secrets"): "create patch"
    }


@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS)
def test_no_rule_has_a_wildcard(chart: Chart, values: Object) -> None:
    for role in (o for o in chart.render(values) if o["kind"] in {"Role", "ClusterRole"}):
        for rule in role["rules"]:
            assert "*" not in {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}


def pod_specs(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    for thing in objects:
        if thing["kind"] in {"Deployment", "StatefulSet"}:
            yield thing["kind"], thing["spec"]["template"]["spec"]
        if thing["kind"] == "Pod":
            yield thing["kind"], thing["spec"]


def test_only_the_migration_knows_the_administrator(chart: Chart) -> None:
    seen: dict[str, list[str]] = {}
    for kind, spec in pod_specs(chart.render({})):
        for container in (*spec.get("initContainers", ()), *spec["containers"]):
            names = [entry["name"] for entry in container["env"]]
            seen[f"{kind} {container['name']}"] = [n for n in names if n.startswith("TACOTUNE_")]
    urls = [f"TACOTUNE_{role}STORAGE_URL" for role in ("", "TRIAL_", "READER_", "MLFLOW_")]
    images = ["TACOTUNE_TRAINER_IMAGE", "TACOTUNE_IMAGE_PULL_POLICY"]
    assert seen == {
        "Deployment migrate": ["TACOTUNE_ADMIN_STORAGE_URL", *urls],
        # The last two go into the Secrets of studies, for their pages.
        "Deployment operator": [*urls[:2], *images, *urls[2:], "TACOTUNE_DASHBOARDS"],
        "StatefulSet postgres": [],
        "Pod check": urls,
    }


def test_every_container_has_a_read_only_root_and_resources(chart: Chart) -> None:
    for _, spec in pod_specs(chart.render({})):
        assert spec["enableServiceLinks"] is False
        for container in (*spec.get("initContainers", ()), *spec["containers"]):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {"requests", "limits"} <= set(container["resources"])


def test_there_are_never_two_operators(chart: Chart) -> None:
    spec = one(chart.render({}), "Deployment")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_every_image_is_a_value_and_a_digest_wins(chart: Chart) -> None:
    digest = f"sha256:{'0123456789abcdef' * 4}"
    image = {"repository": "mirror.example:5000/a/b", "digest": digest}
    values = {"image": image, "trainer": {"image": image}, "postgresql": {"embedded": {"image": image}}}
    text = chart.text({**values, "crd": {"install": False}})
    wanted = f"mirror.example:5000/a/b@{digest}"
    assert set(re.findall(r"image: (\S+)", text)) == {wanted}
    assert f"value: {wanted}" in text


def test_labels_placement_and_pull_secrets_reach_the_pods(chart: Chart) -> None:
    objects = chart.render(EVERYTHING)
    deployment = one(objects, "Deployment")
    template = deployment["spec"]["template"]
    given: dict[str, Any] = EVERYTHING["operator"]
    for name in ("nodeSelector", "tolerations", "affinity", "topologySpreadConstraints", "priorityClassName"):
        assert template["spec"][name] == given[name]
    assert template["spec"]["imagePullSecrets"] == [{"name": "registry"}]
    assert {"team": "voices", "scrape": "yes"}.items() <= template["metadata"]["labels"].items()
    assert template["metadata"]["annotations"]["example.org/pod"] == "operator"
    env = template["spec"]["containers"][0]["env"]
    assert {"name": "TACOTUNE_IMAGE_PULL_SECRETS", "value": "registry other"} in env
    assert given["extraEnv"][0] in env
    postgres = one(objects, "StatefulSet")["spec"]["template"]["spec"]["containers"][0]
    assert postgres["args"] == ["postgres", "-c", "max_connections=400", "-c", "shared_buffers=256MB"]
    for thing in objects:
        if thing["kind"] != "CustomResourceDefinition":
            assert thing["metadata"]["labels"]["team"] == "voices", thing["kind"]


def test_postgres_is_reached_by_the_operator_and_by_studies_of_watched_namespaces_only(chart: Chart) -> None:
    policy = one(chart.render({"watchNamespaces": ["alto"]}), "NetworkPolicy", "tacotune-postgresql")
    (rule,) = policy["spec"]["ingress"]
    release = {"app.kubernetes.io/name": "tacotune", "app.kubernetes.io/instance": "tacotune"}
    studies = {"app.kubernetes.io/name": "tacotune", "app.kubernetes.io/managed-by": "tacotune"}
    where = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["alto"]}
    assert rule["from"] == [
        {"podSelector": {"matchLabels": release}},
        {"podSelector": {"matchLabels": studies}, "namespaceSelector": {"matchExpressions": [where]}},
    ]
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert "egress" not in policy["spec"]


def decoded(secret: Object) -> dict[str, str]:
    return {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}


def test_each_role_has_a_url_of_its_own(chart: Chart) -> None:
    secret = decoded(one(chart.render({}), "Secret", "tacotune-database"))
    where = "tacotune-postgresql.tacotune.svc:5432"
    for role, user, database in (
        ("admin", "postgres", "postgres"),
        ("owner", "owner", "optuna"),
        ("trial", "trial", "optuna"),
        ("reader", "reader", "optuna"),
        ("mlflow", "mlflow", "mlflow"),
    ):
        password = secret.pop(f"{role}-password")
        assert re.fullmatch(r"[A-Za-z0-9]{32}", password)
        assert secret.pop(f"{role}-uri") == f"postgresql://{user}:{password}@{where}/{database}"
    assert secret == {}


def test_with_cloudnativepg_the_administrator_is_its_superuser(chart: Chart) -> None:
    objects = chart.render({"postgresql": {"mode": "cnpg"}})
    assert (
        "@tacotune-postgresql-rw.tacotune.svc:5432/optuna?sslmode=require"
        in (decoded(one(objects, "Secret", "tacotune-database"))["owner-uri"])
    )
    (migrate,) = one(objects, "Deployment")["spec"]["template"]["spec"]["initContainers"]
    env = {entry["name"]: entry for entry in migrate["env"]}
    superuser = env["POSTGRES_PASSWORD"]["valueFrom"]["secretKeyRef"]
    assert superuser == {"name": "tacotune-postgresql-superuser", "key": "password"}
    assert env["TACOTUNE_ADMIN_STORAGE_URL"]["value"] == (
        "postgresql://$(POSTGRES_USER):$(POSTGRES_PASSWORD)@tacotune-postgresql-rw.tacotune.svc:5432/postgres?sslmode=require"
    )


def test_an_external_database_needs_the_owners_and_the_trials_url_only(chart: Chart) -> None:
    (migrate,) = one(chart.render(EXTERNAL), "Deployment")["spec"]["template"]["spec"]["initContainers"]
    optional = {e["name"]: e["valueFrom"]["secretKeyRef"].get("optional", False) for e in migrate["env"]}
    assert optional == {
        "TACOTUNE_ADMIN_STORAGE_URL": True,
        "TACOTUNE_STORAGE_URL": False,
        "TACOTUNE_TRIAL_STORAGE_URL": False,
        "TACOTUNE_READER_STORAGE_URL": True,
        "TACOTUNE_MLFLOW_STORAGE_URL": True,
    }


def test_people_who_read_get_one_secret_with_one_url_and_the_way_to_it(chart: Chart) -> None:
    objects = chart.render({})
    everything = decoded(one(objects, "Secret", "tacotune-database"))
    assert decoded(one(objects, "Secret", "tacotune-reader")) == {"uri": everything["reader-uri"]}
    role = one(objects, "Role", "tacotune-reader")
    assert rules(role) == {
        ("", "secrets"): "get",
        ("", "services"): "get",
        ("", "pods"): "get list",
        ("", "pods/portforward"): "get create",
    }
    named = {rule["resources"][0]: rule.get("resourceNames") for rule in role["rules"]}
    assert named == {
        "secrets": ["tacotune-reader"],
        "services": ["tacotune-postgresql"],
        "pods": None,
        "pods/portforward": ["tacotune-postgresql-0"],
    }
    assert [o for o in objects if o["kind"] == "RoleBinding"] == [], "nobody is let in unasked"


def test_readers_are_bound_to_that_role_only(chart: Chart) -> None:
    account = {"kind": "ServiceAccount", "name": "ci", "namespace": "voices"}
    readers = [{"kind": "Group", "name": "oidc:voices"}, {"kind": "User", "name": "ann"}, account]
    binding = one(chart.render({"rbac": {"readers": readers}}), "RoleBinding", "tacotune-reader")
    assert binding["roleRef"]["name"] == "tacotune-reader"
    api_group = "rbac.authorization.k8s.io"
    assert binding["subjects"] == [
        {"kind": "Group", "name": "oidc:voices", "apiGroup": api_group},
        {"kind": "User", "name": "ann", "apiGroup": api_group},
        account,
    ]


def test_cloudnativepgs_service_is_the_one_that_readers_may_reach(chart: Chart) -> None:
    objects = chart.render({"postgresql": {"mode": "cnpg"}})
    assert (
        "@tacotune-postgresql-rw.tacotune.svc:5432/optuna"
        in (decoded(one(objects, "Secret", "tacotune-reader"))["uri"])
    )
    named = {
        rule["resources"][0]: rule.get("resourceNames")
        for rule in one(objects, "Role", "tacotune-reader")["rules"]
    }
    assert named["services"] == ["tacotune-postgresql-rw"]


def test_beside_a_secret_of_somebodys_own_no_readers_secret_is_made(chart: Chart) -> None:
    objects = chart.render(EXTERNAL)
    assert [o for o in objects if o["kind"] == "Secret"] == []
    assert rules(one(objects, "Role", "tacotune-reader")) == {("", "secrets"): "get"}


# What is refused.


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"replicas": 2}, "additional properties 'replicas' not allowed"),
        ({"postgresql": {"mode": "sqlite"}}, "/postgresql/mode"),
        ({"postgresql": {"mode": "external"}}, "/postgresql/existingSecret"),
        ({"postgresql": {"maxConnections": "many"}}, "/postgresql/maxConnections"),
        ({"postgresql": {"maxConnections": 5}}, "/postgresql/maxConnections"),
        ({"postgresql": {"trialConnections": 400}}, "trialConnections must stay below"),
        ({"postgresql": {"embedded": {"persistence": {"size": "ten"}}}}, "/persistence/size"),
        ({"postgresql": {"embedded": {"persistence": {"accessModes": ["Any"]}}}}, "/accessModes/0"),
        ({"postgresql": {"embedded": {"runAsUser": 0}}}, "/runAsUser"),
        ({"postgresql": {"embedded": {"parameters": {"max_connections": 9}}}}, "max_connections"),
        ({"postgresql": {"cnpg": {"instances": 0}}}, "/cnpg/instances"),
        ({"image": {"digest": "latest"}}, "/image/digest"),
        ({"image": {"tag": "a b"}}, "/image/tag"),
        ({"image": {"pullPolicy": "Sometimes"}}, "/image/pullPolicy"),
        ({"trainer": {"image": {"repository": ""}}}, "/trainer/image/repository"),
        ({"watchNamespaces": "alto"}, "/watchNamespaces"),
        ({"watchNamespaces": ["alto", "alto"]}, "/watchNamespaces"),
        ({"watchNamespaces": ["Not a name"]}, "/watchNamespaces/0"),
        ({"rbac": {"readSecrets": True}}, "additional properties 'readSecrets' not allowed"),
        ({"rbac": {"readers": [{"kind": "ServiceAccount", "name": "ci"}]}}, "missing property 'namespace'"),
        ({"rbac": {"readers": ["ann"]}}, "/rbac/readers/0"),
        ({"operator": {"resources": {"limit": {}}}}, "additional properties 'limit' not allowed"),
        ({"operator": {"podDisruptionBudget": {"maxUnavailable": "half"}}}, "/maxUnavailable"),
        ({"operator": {"extraEnv": [{"value": "x"}]}}, "missing property 'name'"),
        ({"networkPolicy": {"operatorEgressPorts": [70000]}}, "/operatorEgressPorts/0"),
        ({"commonLabels": {"a": 1}}, "/commonLabels/a"),
        ({"imagePullSecrets": [{"name": "x"}]}, "/imagePullSecrets/0"),
        ({"dashboards": {"ingress": {"enabled": True}}}, "dashboards.host is needed"),
        ({"dashboards": {"host": "voices.example.org"}}, "/dashboards/host"),
        ({"dashboards": {"resources": {"grafana": {}}}}, "'grafana' not allowed"),
        ({"dashboards": {"oauth2Proxy": {"enabled": True}}}, "dashboards.oauth2Proxy needs"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_values_are_refused_by_name(chart: Chart, values: Object, message: str) -> None:
    with pytest.raises(ChartError, match=re.escape(message)):
        chart.text(values)


def leaves(tree: Object, path: str = "") -> Iterator[str]:
    for name, value in tree.items():
        deeper = isinstance(value, dict) and value and name != "resources"
        yield from leaves(value, f"{path}{name}.") if deeper else [f"{path}{name}"]


def test_the_readme_lists_every_value_with_its_default() -> None:
    listed = dict(
        re.findall(r"^\| `([\w.]+)` \| `(.*?)` \|", (CHART / "README.md").read_text(), re.MULTILINE)
    )
    (values,) = load_all((CHART / "values.yaml").read_text())
    assert sorted(listed) == sorted(leaves(values))
    for path, default in listed.items():
        value: Any = values
        for name in path.split("."):
            value = value[name]
        assert load_all(f"- {default}") == [[value]], path


# On a real API server.


@pytest.fixture
def restricted(api: ApiServer, namespace: str) -> str:
    """A namespace that lets only restricted pods in, and says so."""
    levels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
    answer = api.request(
        "PATCH",
        f"/api/v1/namespaces/{namespace}",
        {"metadata": {"labels": levels}},
        content="application/merge-patch+json",
    )
    assert answer.ok, answer.body
    return namespace


@pytest.fixture(scope="session")
def cloudnativepg(api: ApiServer) -> None:
    """CloudNativePG's own definition of a Cluster, from its Go module."""
    module = "github.com/cloudnative-pg/cloudnative-pg@v1.27.0"
    answer = subprocess.run(
        ["go", "mod", "download", "-json", module], capture_output=True, text=True, check=True, cwd="/"
    )
    (folder,) = re.findall(r'"Dir": "(.*)"', answer.stdout)
    (definition,) = load_all(Path(folder, "config/crd/bases/postgresql.cnpg.io_clusters.yaml").read_text())
    api.apply(definition)
    eventually(lambda: api.request("GET", "/apis/postgresql.cnpg.io/v1/clusters").ok, within=30)


@pytest.mark.parametrize("variant", [name for name in VARIANTS if name != "cnpg"])
def test_the_api_server_admits_every_object_without_a_warning(
    chart: Chart, api: ApiServer, kubeconfig: Path, restricted: str, variant: str
) -> None:
    values = VARIANTS[variant]
    if "watchNamespaces" in values:
        values = {**values, "watchNamespaces": [restricted]}
    # kubectl tells of a definition that the tests' own fixture applied in another way.
    text = chart.text({**values, "crd": {"install": False}}, restricted)
    assert chart.dry_run(text, kubeconfig) == []


@pytest.mark.usefixtures("cloudnativepg")
def test_cloudnativepg_admits_the_cluster(chart: Chart, kubeconfig: Path, restricted: str) -> None:
    text = chart.text({**VARIANTS["cnpg"], "crd": {"install": False}}, restricted)
    assert chart.dry_run(text, kubeconfig) == []


def test_the_api_server_admits_the_definition_of_the_chart(chart: Chart, api: ApiServer) -> None:
    definition = one(chart.render({}), "CustomResourceDefinition")
    path = f"{api.collection(definition)}/{definition['metadata']['name']}"
    query = {"fieldManager": "helm", "force": "true", "dryRun": "All", "fieldValidation": "Strict"}
    answer = api.request("PATCH", path, definition, content="application/apply-patch+yaml", **query)
    assert answer.ok, answer.body


def test_the_definition_follows_upgrades_outlives_the_release_and_is_taken_over(
    chart: Chart, api: ApiServer, kubeconfig: Path, restricted: str, tmp_path: Path
) -> None:
    # Of another group: the tests share the real definition.
    copy = chart.copied(tmp_path / "chart")
    file = tmp_path / "chart" / "files" / "ttsstudies.yaml"
    file.write_text(file.read_text().replace("tacotune.dev", "chart.example"))
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/ttsstudies.chart.example"

    def categories() -> list[str]:
        return list(api.get(path)["spec"]["names"]["categories"])

    try:
        copy.helm(kubeconfig, restricted, "install", "tacotune", "CHART")
        assert categories() == ["tacotune"]
        file.write_text(file.read_text().replace("    - tacotune\n", "    - tacotune\n    - voices\n", 1))
        copy.helm(kubeconfig, restricted, "upgrade", "tacotune", "CHART")
        assert categories() == ["tacotune", "voices"]
        copy.helm(kubeconfig, restricted, "uninstall", "tacotune")
        assert categories() == ["tacotune", "voices"]
        with pytest.raises(ChartError, match="cannot be imported into the current release"):
            copy.helm(kubeconfig, restricted, "install", "other", "CHART")
        copy.helm(kubeconfig, restricted, "install", "other", "CHART", "--take-ownership")
    finally:
        for name in ("tacotune", "other"):
            copy.helm(kubeconfig, restricted, "uninstall", name, "--ignore-not-found")
        api.request("DELETE", path)


RELEASE: Object = {"crd": {"install": False}}


@pytest.fixture
def release(chart: Chart, kubeconfig: Path, restricted: str) -> Iterator[str]:
    """The chart installed; without nodes nothing of it runs."""
    said = chart.helm(kubeconfig, restricted, "install", "tacotune", "CHART", values=RELEASE)
    assert "Warning" not in said
    yield restricted
    chart.helm(kubeconfig, restricted, "uninstall", "tacotune", "--ignore-not-found")


def test_the_pods_of_a_release_are_let_in_and_the_notes_say_what_comes_next(
    chart: Chart, api: ApiServer, kubeconfig: Path, release: str
) -> None:
    def components() -> set[str]:
        pods = api.get(f"/api/v1/namespaces/{release}/pods")["items"]
        return {pod["metadata"]["labels"]["app.kubernetes.io/component"] for pod in pods}

    eventually(lambda: components() == {"operator", "postgresql"}, within=60)
    notes = chart.helm(kubeconfig, release, "get", "notes", "tacotune")
    assert [line.strip() for line in notes.splitlines() if line.startswith("  kubectl")] == [
        f"kubectl --namespace {release} rollout status deployment/tacotune",
        "kubectl --namespace default apply -f examples/quickstart.yaml",
        "kubectl --namespace default get ttsstudies --watch",
    ]


def test_passwords_stay_the_same_through_upgrade_uninstall_and_install(
    chart: Chart, api: ApiServer, kubeconfig: Path, release: str
) -> None:
    def secret() -> dict[str, str]:
        return decoded(api.get(f"/api/v1/namespaces/{release}/secrets/tacotune-database"))

    first = secret()
    more = {**RELEASE, "postgresql": {"maxConnections": 500}}
    chart.helm(kubeconfig, release, "upgrade", "tacotune", "CHART", values=more)
    assert secret() == first
    chart.helm(kubeconfig, release, "uninstall", "tacotune")
    assert secret() == first
    chart.helm(kubeconfig, release, "install", "tacotune", "CHART", values=RELEASE)
    assert secret() == first


def test_the_operators_account_may_patch_studies_but_not_read_secrets(
    api: ApiServer, release: str, tmp_path: Path
) -> None:
    account = ApiServer(service_account_kubeconfig(api, release, "tacotune", tmp_path / "kubeconfig"))
    here = f"/api/v1/namespaces/{release}"
    eventually(lambda: account.request("GET", "/apis/tacotune.dev/v1alpha1/ttsstudies").code == 200)
    assert account.request("GET", "/apis/batch/v1/jobs").code == 200
    for path in (
        f"{here}/secrets",
        f"{here}/secrets/tacotune-database",
        "/api/v1/secrets",
        f"{here}/configmaps/x/y",
    ):
        assert account.request("GET", path).code == 403
    assert account.request("DELETE", f"{here}/secrets/tacotune-database").code == 403
    assert (
        account.request("DELETE", "/apis/tacotune.dev/v1alpha1/namespaces/default/ttsstudies/x").code == 403
    )


def test_a_reader_reads_one_secret_of_the_release_and_no_other(
    chart: Chart, api: ApiServer, kubeconfig: Path, release: str, tmp_path: Path
) -> None:
    account = ApiServer(service_account_kubeconfig(api, release, "default", tmp_path / "kubeconfig"))
    here = f"/api/v1/namespaces/{release}"
    assert account.request("GET", f"{here}/secrets/tacotune-reader").code == 403
    readers = [{"kind": "ServiceAccount", "name": "default", "namespace": release}]
    chart.helm(
        kubeconfig, release, "upgrade", "tacotune", "CHART", values={**RELEASE, "rbac": {"readers": readers}}
    )
    eventually(lambda: account.request("GET", f"{here}/secrets/tacotune-reader").code == 200)
    secret = decoded(account.get(f"{here}/secrets/tacotune-reader"))
    database = decoded(api.get(f"{here}/secrets/tacotune-database"))
    assert secret == {"uri": database["reader-uri"]}
    for path in ("secrets", "secrets/tacotune-database", "configmaps/x"):
        assert account.request("GET", f"{here}/{path}").code == 403, path
    assert account.request("GET", f"{here}/services/tacotune-postgresql").code == 200


def test_who_may_edit_a_namespace_may_make_studies_there(
    api: ApiServer, release: str, tmp_path: Path
) -> None:
    account = ApiServer(service_account_kubeconfig(api, release, "default", tmp_path / "kubeconfig"))
    studies = f"/apis/tacotune.dev/v1alpha1/namespaces/{release}/ttsstudies"
    assert account.request("GET", studies).code == 403
    api.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "editor"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
            "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": release}],
        },
        release,
    )
    eventually(lambda: account.request("GET", studies).code == 200)
    eventually(lambda: account.request("DELETE", f"{studies}/missing").code == 404)
