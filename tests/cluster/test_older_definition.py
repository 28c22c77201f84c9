"""S13, when the definition on the cluster is older than the operator: Helm never brings a CRD up to date by itself.

What the old one lets through the operator refuses, and says so also through the new one.
"""

import copy
from collections.abc import Callable, Iterator

import pytest

from support.api_server import ApiServer, Object
from support.cluster_study import SECONDS, SPEC, ClusterStudy
from support.eventually import eventually
from support.operator_process import Operator

PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/ttsstudies.tacotune.dev"
STUDIES = "/apis/tacotune.dev/v1alpha1/namespaces/default/ttsstudies"
TOO_MANY = {"maxTrials": 2, "parallelism": 3}


@pytest.fixture
def upgrade(api: ApiServer) -> Iterator[Callable[[], None]]:
    """Until it is called, and at most during the test, the definition checks nothing of a spec."""
    found = api.get(PATH)
    newer = {key: found[key] for key in ("apiVersion", "kind", "spec")} | {
        "metadata": {"name": found["metadata"]["name"]}
    }
    older = copy.deepcopy(newer)
    (version,) = older["spec"]["versions"]
    version["schema"]["openAPIV3Schema"]["properties"]["spec"] = {
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": True,
    }

    def put(definition: Object, *, refuses: bool) -> None:
        api.apply(definition)
        probe = {
            "apiVersion": "tacotune.dev/v1alpha1",
            "kind": "TTSStudy",
            "metadata": {"name": "probe"},
            "spec": SPEC | TOO_MANY,
        }
        eventually(lambda: api.create(probe, "default", dryRun="All").ok is not refuses, within=SECONDS)

    put(older, refuses=False)
    yield lambda: put(newer, refuses=True)
    put(newer, refuses=True)


def test_s13_what_an_older_definition_lets_through_is_refused_by_the_operator(
    upgrade: Callable[[], None], study: ClusterStudy, operator: Operator
) -> None:
    def said() -> str:
        condition = study.condition("Succeeded")
        return str(condition["message"]) if condition.get("reason") == "InvalidSpec" else ""

    study.create(**TOO_MANY, maxTrails=3)
    eventually(lambda: "spec.maxTrails: unknown field (did you mean maxTrials?)" in said(), within=SECONDS)
    assert study.status["phase"] == "Failed"
    upgrade()
    # The unknown field is no longer served; what is left is still wrong, and its status can be written all the same.
    study.annotate(note="look again")
    eventually(lambda: "parallelism" in said(), within=SECONDS)
    assert study.jobs() == []
    study.edit(parallelism=2)
    eventually(lambda: study.has_job("demo-prepare-1"), within=SECONDS)
