"""What a user may put into `spec.trainer.podTemplate`, and what is refused: where, and what to do instead."""

from importlib import resources
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.builders import spec_of
from support.pod_fields import made
from support.study_objects import PLATFORM, UID
from tacotune.api import names
from tacotune.api.manifest import read_manifests
from tacotune.api.pod_fields import PATCH
from tacotune.api.pod_template import check_pod_template
from tacotune.api.study import TTSStudySpec
from tacotune.api.study_key import StudyKey
from tacotune.manifests.storage_secret import storage_secret_key
from tacotune.manifests.trial_job import trial_job


def pod(**fields: Any) -> dict[str, Any]:
    return {"spec": fields}


def trainer(**fields: Any) -> dict[str, Any]:
    return pod(containers=[{"name": "trainer", **fields}])


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "a misspelled part of the template": ({"specs": {}}, "specs", "did you mean spec?"),
    "a misspelled field of the pod": (pod(toleration=[]), "spec.toleration", "did you mean tolerations?"),
    "snake case": (pod(node_selector={}), "spec.node_selector", "did you mean nodeSelector?"),
    "a misspelled field of the container": (
        trainer(volumeMount=[]),
        "spec.containers[0].volumeMount",
        "did you mean volumeMounts?",
    ),
    "a misspelled field deep inside": (
        pod(affinity={"nodeAffinity": {"preferredDuringScheduling": []}}),
        "spec.affinity.nodeAffinity.preferredDuringScheduling",
        "did you mean preferredDuringSchedulingIgnoredDuringExecution?",
    ),
    "a mapping for a list": (
        pod(tolerations={"key": "a"}),
        "spec.tolerations",
        "must be a list, not a mapping",
    ),
    "a list for a mapping": (pod(nodeSelector=["a"]), "spec.nodeSelector", "must be a mapping, not a list"),
    "a text for a mapping": (pod(affinity="spot"), "spec.affinity", "must be a mapping, not 'spot'"),
    "a number in a label": (
        {"metadata": {"labels": {"tier": 1}}},
        "metadata.labels.tier",
        "must be a text, not 1 (in quotes)",
    ),
    "a truth in a node selector": (
        pod(nodeSelector={"spot": True}),
        "spec.nodeSelector.spot",
        "must be a text, not true (in quotes)",
    ),
    "a number for a variable": (
        trainer(env=[{"name": "A", "value": 1}]),
        "spec.containers[0].env[0].value",
        "must be a text, not 1 (in quotes)",
    ),
    "a text for a number": (
        pod(terminationGracePeriodSeconds="60"),
        "spec.terminationGracePeriodSeconds",
        "must be a whole number, not '60' (without quotes)",
    ),
    "a text for a truth": (pod(hostNetwork="yes"), "spec.hostNetwork", "must be true or false, not 'yes'"),
    "a container without a name": (
        pod(containers=[{"image": "x"}]),
        "spec.containers[0].name",
        "is required",
    ),
    "a mount without a path": (
        trainer(volumeMounts=[{"name": "x"}]),
        "spec.containers[0].volumeMounts[0].mountPath",
        "is required",
    ),
    "an empty item": (pod(tolerations=[None]), "spec.tolerations[0]", "take the item out"),
    "a directive that is none": (
        pod(**{"$retainKeys": []}),
        "spec.$retainKeys",
        "$patch: delete | replace is one",
    ),
    "an unknown directive": (
        pod(nodeSelector={}, securityContext={PATCH: "merge"}),
        "spec.securityContext.$patch",
        "must be one of delete, replace, not 'merge'",
    ),
    "a directive in a list that is not merged": (
        pod(tolerations=[{"key": "a", PATCH: "delete"}]),
        "spec.tolerations[0].$patch",
        "has no meaning",
    ),
    "another restart policy": (pod(restartPolicy="OnFailure"), "spec.restartPolicy", "spec.retry"),
    "no restart policy": (pod(restartPolicy=None), "spec.restartPolicy", "must be Never"),
    "no time for a checkpoint": (
        pod(terminationGracePeriodSeconds=0),
        "spec.terminationGracePeriodSeconds",
        "too short to write a checkpoint",
    ),
    "a debug container": (
        pod(ephemeralContainers=[{"name": "x"}]),
        "spec.ephemeralContainers",
        "kubectl debug",
    ),
    "the trainer's command": (trainer(command=["sh"]), "spec.containers[0].command", "entry point"),
    "the trainer's arguments": (trainer(args=[]), "spec.containers[0].args", "fixedParameters"),
    "the trainer's resources": (
        trainer(resources={}),
        "spec.containers[0].resources",
        "set trainer.resources",
    ),
    "where results are read": (
        trainer(terminationMessagePath="/tmp/x"),
        "spec.containers[0].terminationMessagePath",
        "leave it out",
    ),
    "logs for results": (
        trainer(terminationMessagePolicy="FallbackToLogsOnError"),
        "spec.containers[0].terminationMessagePolicy",
        "leave it out",
    ),
    "restarting the trainer in place": (
        trainer(restartPolicy="Always"),
        "spec.containers[0].restartPolicy",
        "spec.retry",
    ),
    "another DSN": (
        trainer(env=[{"name": "TACOTUNE_STORAGE_URL", "value": "x"}]),
        "spec.containers[0].env[0].name",
        "spec.storage.secretRef",
    ),
    "no DSN": (
        trainer(env=[{"name": "TACOTUNE_STORAGE_URL", PATCH: "delete"}]),
        "spec.containers[0].env[0].name",
        "spec.storage.secretRef",
    ),
    "another place for results": (
        trainer(env=[{"name": "TACOTUNE_TERMINATION_LOG", "value": "x"}]),
        "spec.containers[0].env[0].name",
        "where Kubernetes looks",
    ),
    "a mount over the study's": (
        trainer(volumeMounts=[{"name": "x", "mountPath": "/study/"}]),
        "spec.containers[0].volumeMounts[0].mountPath",
        "would hide /study",
    ),
    "a mount inside the study's": (
        trainer(volumeMounts=[{"name": "x", "mountPath": "/study/trials"}]),
        "spec.containers[0].volumeMounts[0].mountPath",
        "would hide /study",
    ),
    "no mount of the study": (
        trainer(volumeMounts=[{"mountPath": "/study", PATCH: "delete"}]),
        "spec.containers[0].volumeMounts[0].mountPath",
        "would hide /study",
    ),
    "a mount over the document": (
        trainer(volumeMounts=[{"name": "x", "mountPath": "/etc/tacotune"}]),
        "spec.containers[0].volumeMounts[0].mountPath",
        "would hide /etc/tacotune",
    ),
    "another volume of the study": (
        pod(volumes=[{"name": "study", "emptyDir": {}}]),
        "spec.volumes[0].name",
        "study is tacotune's volume",
    ),
    "no scratch": (
        pod(volumes=[{"name": "tmp", PATCH: "delete"}]),
        "spec.volumes[0].name",
        "tmp is tacotune's",
    ),
    "all volumes": (
        pod(volumes=[{PATCH: "replace"}]),
        "spec.volumes[0].$patch",
        "cannot replace all volumes",
    ),
    "no volumes": (pod(volumes=None), "spec.volumes", "cannot be taken out"),
    "all containers": (
        pod(containers=[{PATCH: "replace"}, {"name": "x"}]),
        "spec.containers[0].$patch",
        "cannot replace all containers",
    ),
    "no trainer": (trainer(**{PATCH: "delete"}), "spec.containers[0].$patch", "cannot delete it"),
    "another trainer": (trainer(**{PATCH: "replace"}), "spec.containers[0].$patch", "cannot replace it"),
    "no variables": (trainer(env=None), "spec.containers[0].env", "cannot be taken out"),
    "all mounts": (
        trainer(volumeMounts=[{PATCH: "replace"}]),
        "spec.containers[0].volumeMounts[0].$patch",
        "cannot replace all volumeMounts",
    ),
    "a trainer that starts before": (
        pod(initContainers=[{"name": "trainer"}]),
        "spec.initContainers[0].name",
        "choose another name",
    ),
    "no spec": ({"spec": None}, "spec", "cannot be taken out"),
    "another spec": (pod(**{PATCH: "replace"}), "spec.$patch", "cannot replace it"),
    "another template": ({PATCH: "delete"}, "$patch", "cannot delete it"),
    "no metadata": ({"metadata": None}, "metadata", "cannot be taken out"),
    "no labels": ({"metadata": {"labels": None}}, "metadata.labels", "cannot be taken out"),
    "a name": ({"metadata": {"name": "x"}}, "metadata.name", "labels and annotations are"),
    "tacotune's label": (
        {"metadata": {"labels": {"tacotune.dev/study": "x"}}},
        "metadata.labels.tacotune.dev/study",
        "choose another label",
    ),
    "Kueue's label": (
        {"metadata": {"labels": {"kueue.x-k8s.io/queue-name": "x"}}},
        "metadata.labels.kueue.x-k8s.io/queue-name",
        "set trainer.queueName",
    ),
}


@pytest.mark.parametrize(("template", "place", "advice"), REFUSED.values(), ids=REFUSED)
def test_a_template_that_breaks_the_contract_is_refused(
    template: dict[str, Any], place: str, advice: str
) -> None:
    (finding,) = check_pod_template(template)
    assert str(finding).startswith(f"{place}: ")
    assert advice in str(finding)


ALLOWED: dict[str, dict[str, Any]] = {
    "nothing": {},
    "an account's token, asked for": pod(serviceAccountName="logger", automountServiceAccountToken=True),
    "a sidecar": pod(initContainers=[{"name": "proxy", "image": "x", "restartPolicy": "Always"}]),
    "a second container": pod(
        containers=[{"name": "log", "image": "x", "command": ["tail"], "resources": {}}]
    ),
    "the same restart policy": pod(restartPolicy="Never"),
    "scratch on another medium": pod(
        volumes=[{"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": 1024}}]
    ),
    "a variable less": trainer(env=[{"name": "HOME", PATCH: "delete"}]),
    "a looser security context": trainer(securityContext={PATCH: "delete"}),
    "a field less": pod(securityContext={"fsGroupChangePolicy": None}, nodeSelector=None),
    "tolerations": pod(tolerations=[{"key": "a", "operator": "Exists", "tolerationSeconds": 5}]),
    "a port by name": trainer(livenessProbe={"httpGet": {"port": "http", "path": "/"}}),
    "a host name for a single worker": pod(hostname="x"),
}


@pytest.mark.parametrize("template", ALLOWED.values(), ids=ALLOWED)
def test_what_is_the_users_is_let_through(template: dict[str, Any]) -> None:
    assert not list(check_pod_template(template))


def test_workers_need_the_host_names_they_are_given() -> None:
    found = [finding.loc for finding in check_pod_template(pod(hostname="x", subdomain="y"), workers=2)]
    assert found == [("spec", "hostname"), ("spec", "subdomain")]


def test_all_mistakes_are_told_at_once_with_their_lines() -> None:
    text = (
        "apiVersion: tacotune.dev/v1alpha1\nkind: TTSStudy\nmetadata: {name: x}\nspec:\n  dataset: {speech: {}}\n"
        "  searchSpace: [{name: learning_rate, float: {low: 0.1, high: 0.2}}]\n"
        "  trainer:\n"
        "    resources: {limits: {gpu: 1}}\n"
        "    podTemplate:\n"
        "      spec:\n"
        "        toleration: []\n"
        "        containers:\n"
        "        - name: trainer\n"
        "          command: [sh]\n"
    )
    found = [(problem.line, problem.path) for problem in read_manifests(text).problems]
    assert found == [
        (8, "spec.trainer.resources.limits.gpu"),
        (11, "spec.trainer.podTemplate.spec.toleration"),
        (14, "spec.trainer.podTemplate.spec.containers[0].command"),
    ]


def test_the_table_of_fields_is_the_clients() -> None:
    assert resources.files("tacotune.api").joinpath("pod_fields.json").read_text() == made()


DIRECTIVE = st.sampled_from([{}, {}, {PATCH: "delete"}, {PATCH: "replace"}])
NAME = st.sampled_from(
    [*sorted({"trainer", "proxy", "study", "trial", "tmp", "HOME"}), "TACOTUNE_STORAGE_URL"]
)


def listed(key: str, value: st.SearchStrategy[str], rest: st.SearchStrategy[dict[str, Any]]) -> Any:
    item = st.builds(lambda name, more, mark: {key: name, **more, **mark}, value, rest, DIRECTIVE)
    alone = st.sampled_from([[{PATCH: "replace"}], [{PATCH: "delete"}], []])
    return st.one_of(st.none(), st.builds(lambda a, b: [*a, *b], alone, st.lists(item, max_size=2)))


PATHS = st.sampled_from(["/study", "/study/", "/study/trials", "/etc/tacotune", "/tmp", "/x"])
CONTAINERS = listed(
    "name",
    NAME,
    st.fixed_dictionaries(
        {},
        optional={
            "env": listed("name", NAME, st.just({"value": "x"})),
            "volumeMounts": listed("mountPath", PATHS, st.just({"name": "tmp"})),
            "args": st.one_of(st.none(), st.just([])),
            "command": st.just(["sh"]),
            "tty": st.booleans(),
        },
    ),
)
TEMPLATES = st.fixed_dictionaries(
    {},
    optional={
        "metadata": st.one_of(st.none(), DIRECTIVE, st.just({"labels": {"tacotune.dev/trial": None}})),
        "spec": st.one_of(
            st.none(),
            st.builds(
                lambda fields, mark: {**fields, **mark},
                st.fixed_dictionaries(
                    {},
                    optional={
                        "containers": CONTAINERS,
                        "volumes": listed("name", NAME, st.just({"emptyDir": {}})),
                        "restartPolicy": st.sampled_from([None, "Never", "Always"]),
                        "hostIPC": st.booleans(),
                    },
                ),
                DIRECTIVE,
            ),
        ),
    },
)


@given(TEMPLATES)
def test_whatever_is_let_through_leaves_the_contract_alone(template: dict[str, Any]) -> None:
    if not list(check_pod_template(template)):
        assert contract(spec_of(trainer={"podTemplate": template})) == contract(spec_of())


def contract(spec: TTSStudySpec) -> dict[str, Any]:
    """What the trial contract rests on in a pod."""
    study = StudyKey("voices", "voice", UID)
    job = trial_job(
        study,
        PLATFORM,
        spec,
        purpose="trial",
        trial=7,
        attempt=1,
        name="voice-7-1",
        storage_secret=storage_secret_key(study),
        deadline_seconds=None,
    )
    template = job["spec"]["template"]
    (own,) = [c for c in template["spec"]["containers"] if c["name"] == names.CONTAINER]
    mounts = {mount["mountPath"]: mount for mount in own["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in template["spec"]["volumes"]}
    variables = {variable["name"]: variable for variable in own["env"]}
    return {
        "labels": template["metadata"]["labels"],
        "restartPolicy": template["spec"]["restartPolicy"],
        "container": {key: own.get(key) for key in ("command", "args", "image", "terminationMessagePath")},
        "mounts": {path: mounts[path] for path in ("/study", "/etc/tacotune")},
        "volumes": {name: volumes[name] for name in ("study", "trial")},
        "hidden": [path for path in mounts if path.startswith(("/study/", "/etc/tacotune/"))],
        "dsn": variables["TACOTUNE_STORAGE_URL"],
    }
