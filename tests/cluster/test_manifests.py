"""Every object that a study brings about is one that a real API server takes as it is, where pods are `restricted`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.api_server import STRATEGIC, ApiServer, Object
from support.eventually import eventually
from support.objects import study
from support.study_objects import PLATFORM, UID, objects_of
from tacotune.api.manifest import read_manifest
from tacotune.api.study import TTSStudy
from tacotune.api.study_key import StudyKey
from tacotune.manifests.merge import merge_pod_template
from tacotune.manifests.storage_secret import storage_secret_key
from tacotune.manifests.trial_job import trial_job

ROOT = Path(__file__).parents[2]
STUDIES = [
    *sorted((ROOT / "examples").glob("*.yaml")),
    *sorted((ROOT / "tests/unit/manifests/golden").glob("*/study.yaml")),
]
LEVELS = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}


@pytest.fixture(scope="module")
def restricted(api: ApiServer) -> Iterator[str]:
    """A namespace in which no pod may do more than `restricted` allows."""
    meta = {"generateName": "tacotune-restricted-", "labels": LEVELS}
    created = api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": meta})
    assert created.ok, created
    name: str = created.body["metadata"]["name"]
    eventually(lambda: api.request("GET", f"/api/v1/namespaces/{name}/serviceaccounts/default").ok, within=30)
    yield name
    api.request("DELETE", f"/api/v1/namespaces/{name}")


def study_of(path: Path, namespace: str) -> TTSStudy:
    read = read_manifest(path.read_text("utf-8"))
    return read.model_copy(
        update={"metadata": read.metadata.model_copy(update={"namespace": namespace, "uid": UID})}
    )


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_object_of_a_study_is_taken_without_a_warning(
    api: ApiServer, restricted: str, path: Path
) -> None:
    for thing in objects_of(study_of(path, restricted)):
        answer = api.create(thing, dryRun="All")
        assert (answer.code, answer.body.get("message", ""), answer.warnings) == (201, "", ()), thing["kind"]


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_pod_of_a_study_is_a_restricted_one(api: ApiServer, restricted: str, path: Path) -> None:
    jobs = [thing for thing in objects_of(study_of(path, restricted)) if thing["kind"] == "Job"]
    assert len(jobs) == 4
    for job in jobs:
        answer = api.create(pod_of(job, restricted), dryRun="All")
        assert (answer.code, answer.body.get("message", ""), answer.warnings) == (201, "", ()), job[
            "metadata"
        ]


def pod_of(job: Object, namespace: str) -> Object:
    template = job["spec"]["template"]
    meta = {**template["metadata"], "generateName": "pod-", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template["spec"]}


def test_the_job_controller_makes_the_pods_of_a_distributed_trial(api: ApiServer, restricted: str) -> None:
    large = study_of(ROOT / "tests/unit/manifests/golden/distributed/study.yaml", restricted)
    ref = StudyKey(restricted, large.metadata.name, UID)
    job = trial_job(
        ref,
        PLATFORM,
        large.spec,
        purpose="trial",
        trial=3,
        attempt=1,
        name="large-3-1",
        storage_secret=storage_secret_key(ref),
        deadline_seconds=None,
    )
    # Its owner is not there; garbage collection would take it away.
    del job["metadata"]["ownerReferences"]
    assert api.create(job).ok
    path = f"/api/v1/namespaces/{restricted}/pods"
    pods = eventually(
        lambda: len(found := api.get(path, labelSelector="tacotune.dev/trial=3")["items"]) == 4 and found,
        within=60,
    )
    assert sorted((p["spec"]["hostname"], p["spec"]["subdomain"]) for p in pods) == [
        (f"large-3-1-{index}", "workers-large") for index in range(4)
    ]
    for pod in pods:
        (trainer,) = pod["spec"]["containers"]
        assert "JOB_COMPLETION_INDEX" in [variable["name"] for variable in trainer["env"]]


@pytest.mark.parametrize(("policy", "left"), [("Retain", ["PersistentVolumeClaim"]), ("Delete", [])])
def test_applying_again_changes_nothing_and_what_is_owned_goes_with_the_study(
    api: ApiServer, namespace: str, policy: str, left: list[str]
) -> None:
    manifest = study({"spec.deletionPolicy": policy, "metadata.namespace": namespace})
    created = api.create(manifest)
    assert created.ok, created.body
    things = [
        thing
        for thing in objects_of(TTSStudy.from_manifest(created.body))
        if thing["kind"] not in {"Job", "ConfigMap"}
    ]
    paths = {thing["kind"]: f"{api.collection(thing)}/{thing['metadata']['name']}" for thing in things}

    def versions() -> list[str]:
        return [api.apply(thing)["metadata"]["resourceVersion"] for thing in things]

    # The controllers add their own to a new claim, once.
    assert eventually(lambda: versions() == versions(), within=30)
    assert api.request("DELETE", f"{api.collection(manifest)}/demo").ok
    kept = [kind for kind in paths if kind in left]

    def gone() -> bool:
        # A claim that is being deleted waits for a controller that looks for pods; nothing brings it back.
        there = {kind: api.request("GET", path) for kind, path in paths.items()}
        return [k for k, a in there.items() if a.ok and "deletionTimestamp" not in a.body["metadata"]] == kept

    # The collector learns of a new definition within half a minute.
    assert eventually(gone, within=120)


BASE: Object = {
    "metadata": {"labels": {"a": "1"}},
    "spec": {
        "restartPolicy": "Never",
        "securityContext": {"runAsUser": 1, "fsGroup": 1},
        "tolerations": [{"key": "a", "operator": "Exists"}],
        "containers": [
            {
                "name": "trainer",
                "image": "x",
                "args": ["a", "b"],
                "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                "ports": [{"containerPort": 80, "name": "http"}],
                "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
            }
        ],
        "volumes": [{"name": "tmp", "emptyDir": {"medium": "Memory"}}],
        "imagePullSecrets": [{"name": "one"}],
        "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a"]}],
        "topologySpreadConstraints": [
            {"topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "maxSkew": 1, "labelSelector": {}}
        ],
    },
}

PATCHES: dict[str, Any] = {
    "nothing": {},
    "mappings": {"metadata": {"labels": {"b": "2", "a": None}}, "spec": {"nodeSelector": {"spot": "true"}}},
    "null": {"spec": {"securityContext": {"fsGroup": None}, "tolerations": None}},
    "a mapping replaced": {"spec": {"securityContext": {"$patch": "replace", "runAsUser": 2}}},
    "a mapping deleted": {"spec": {"securityContext": {"$patch": "delete"}}},
    "an atomic list": {"spec": {"tolerations": [{"key": "b", "operator": "Exists"}]}},
    "another container": {"spec": {"containers": [{"name": "log", "image": "y"}]}},
    "inside a container": {
        "spec": {
            "containers": [
                {
                    "name": "trainer",
                    "args": ["c"],
                    "env": [{"name": "B", "value": "3"}, {"name": "C", "value": "4"}],
                    "ports": [{"containerPort": 80, "name": "web"}, {"containerPort": 81, "name": "more"}],
                    "volumeMounts": [
                        {"name": "fast", "mountPath": "/tmp"},
                        {"name": "fast", "mountPath": "/fast"},
                    ],
                }
            ],
            "volumes": [{"name": "fast", "emptyDir": {}}, {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}}],
        }
    },
    "items deleted": {
        "spec": {
            "containers": [
                {
                    "name": "trainer",
                    "env": [{"name": "A", "$patch": "delete"}],
                    "volumeMounts": [{"mountPath": "/tmp", "$patch": "delete"}],
                }
            ],
            "volumes": [{"name": "tmp", "$patch": "delete"}],
        }
    },
    "a list replaced": {
        "spec": {
            "containers": [{"name": "trainer", "env": [{"$patch": "replace"}, {"name": "Z", "value": "9"}]}]
        }
    },
    "by their own keys": {
        "spec": {
            "imagePullSecrets": [{"name": "two"}],
            "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["b"]}, {"ip": "10.0.0.2", "hostnames": ["c"]}],
            "topologySpreadConstraints": [
                {
                    "topologyKey": "zone",
                    "whenUnsatisfiable": "ScheduleAnyway",
                    "maxSkew": 2,
                    "labelSelector": {},
                }
            ],
        }
    },
}


@pytest.mark.parametrize("patch", PATCHES.values(), ids=PATCHES)
def test_our_merge_comes_to_what_the_api_servers_comes_to(
    api: ApiServer, module_namespace: str, patch: Object
) -> None:
    """A PodTemplate is patched by the server; ours is created as merged here. The order of lists is the server's own."""

    def template(name: str, content: Object) -> Object:
        meta = {"name": name, "namespace": module_namespace}
        return {"apiVersion": "v1", "kind": "PodTemplate", "metadata": meta, "template": content}

    path = f"/api/v1/namespaces/{module_namespace}/podtemplates"
    assert api.create(template("base", BASE)).ok
    try:
        theirs = api.request(
            "PATCH", f"{path}/base", {"template": patch}, content=STRATEGIC, dryRun="All", fieldManager="test"
        )
        ours = api.create(template("ours", merge_pod_template(BASE, patch)), dryRun="All")
        assert theirs.ok, theirs.body
        assert ours.ok, ours.body
        assert unordered(ours.body["template"]) == unordered(theirs.body["template"])
    finally:
        api.request("DELETE", f"{path}/base")


def unordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: unordered(child) for key, child in value.items() if key != "creationTimestamp"}
    if isinstance(value, list):
        return sorted(map(unordered, value), key=repr)
    return value
