"""What of a study can be changed while it runs, and what cannot because finished trials would not be comparable."""

from typing import Any

import pytest

from support.api_server import APPLY, PATCH, Answer, ApiServer, Object
from support.objects import ABSENT, changed, study

Stored = tuple[str, Object]
"""Path and content of an object that is there."""
Changes = dict[str, Any]
COMPARABLE = "finished trials would no longer be comparable; make another study"
FULL = study({
    "spec.searchSpace[1]": {"name": "mel_loss", "categorical": {"choices": ["l1", "mse"]}},
    "spec.searchSpace[2]": {
        "name": "batch_size", "int": {"low": 1, "high": 8}, "when": {"parameter": "mel_loss", "in": ["l1"]},
    },
    "spec.objective": {"metric": "val_loss", "direction": "Minimize"},
    "spec.storage": {"secretRef": {"name": "postgres"}},
})  # fmt: skip
SPACE = FULL["spec"]["searchSpace"]
FIXED: dict[str, tuple[Changes, str, str]] = {
    "a bound": ({"spec.searchSpace[0].float.high": 0.1}, "spec.searchSpace", f"searchSpace cannot be changed: {COMPARABLE}"),
    "log": ({"spec.searchSpace[0].float.log": False}, "spec.searchSpace", "searchSpace cannot be changed"),
    "a step": ({"spec.searchSpace[2].int.step": 2}, "spec.searchSpace", "searchSpace cannot be changed"),
    "a choice": ({"spec.searchSpace[1].categorical.choices[1]": "huber"}, "spec.searchSpace", "searchSpace cannot be changed"),
    "a further choice": ({"spec.searchSpace[1].categorical.choices[2]": "huber"}, "spec.searchSpace", "searchSpace cannot be changed"),
    "a condition": ({"spec.searchSpace[2].when.in[0]": "mse"}, "spec.searchSpace", "searchSpace cannot be changed"),
    "no condition": ({"spec.searchSpace[2].when": ABSENT}, "spec.searchSpace", "searchSpace cannot be changed"),
    "a further parameter": ({"spec.searchSpace[3]": {"name": "epochs", "int": {"low": 1, "high": 2}}}, "spec.searchSpace", "searchSpace cannot be changed"),
    "a parameter less": ({"spec.searchSpace[2]": ABSENT}, "spec.searchSpace", "searchSpace cannot be changed"),
    "another name": ({"spec.searchSpace[0].name": "weight_decay"}, "spec.searchSpace", "searchSpace cannot be changed"),
    "another order": ({"spec.searchSpace": [SPACE[1], SPACE[0], SPACE[2]]}, "spec.searchSpace", "searchSpace cannot be changed"),
    "the metric": ({"spec.objective.metric": "mcd_dtw"}, "spec.objective", f"objective cannot be changed: {COMPARABLE}"),
    "the direction": ({"spec.objective.direction": "Maximize"}, "spec.objective", "objective cannot be changed"),
    "no objective": ({"spec.objective": ABSENT}, "spec.objective", "objective cannot be changed"),
    "objectives instead": (
        {"spec.objective": ABSENT, "spec.objectives": [{"metric": "val_loss"}, {"metric": "mcd_dtw"}]},
        "spec.objectives",
        "objectives cannot be changed",
    ),
    "the sampler": ({"spec.sampler.name": "random"}, "spec.sampler.name", "with warmStart from this one"),
    "the storage's Secret": ({"spec.storage.secretRef.name": "other"}, "spec.storage", "storage cannot be changed"),
    "the storage's key": ({"spec.storage.secretRef.key": "dsn"}, "spec.storage", "storage cannot be changed"),
    "no storage": ({"spec.storage": ABSENT}, "spec.storage", "storage cannot be changed"),
}  # fmt: skip
ADDED: dict[str, tuple[Changes, str]] = {
    "an objective": ({"spec.objective": {"metric": "mcd_dtw"}}, "spec.objective"),
    "storage": ({"spec.storage": {"secretRef": {"name": "postgres"}}}, "spec.storage"),
    "a sampler": ({"spec.sampler": {"name": "gp"}}, "spec.sampler.name"),
}
EDITABLE: dict[str, Changes] = {
    "more trials": {"spec.maxTrials": 100},
    "fewer trials": {"spec.maxTrials": 5},
    "parallelism": {"spec.parallelism": 4},
    "failures": {"spec.maxFailedTrials": 3},
    "the deadline": {"spec.activeDeadlineSeconds": 60},
    "GPU hours": {"spec.gpuHours": 9.5},
    "the goal": {"spec.goal": 0.1},
    "patience": {"spec.noImprovementTrials": 9},
    "what happens at the end": {"spec.onFinish": "Drain"},
    "suspension": {"spec.suspend": True},
    "retries": {"spec.retry": {"maxAttempts": 9, "onOutOfMemory": "ReduceBatch"}},
    "the stall timeout": {"spec.stallTimeoutSeconds": 60},
    "the sampler's seed": {"spec.sampler.seed": 7},
    "the pruner": {"spec.pruner": {"name": "median"}},
    "the trainer": {"spec.trainer": {"image": "trainer:2", "queueName": "gpu"}},
    "the dashboards": {"spec.dashboards.mlflow.enabled": False},
    "notifications": {"spec.notifications": {"apprise": {"secretRef": {"name": "a"}}}},
    "the final training": {"spec.finalTraining": {"enabled": True, "epochs": 9}},
    "what becomes of it": {"spec.deletionPolicy": "Delete"},
}


@pytest.fixture(scope="module")
def full(api: ApiServer, module_namespace: str) -> Stored:
    """A study that has everything; the tests only ask what would be accepted."""
    return store(api, module_namespace, FULL)


@pytest.fixture(scope="module")
def small(api: ApiServer, module_namespace: str) -> Stored:
    """A study that leaves out what can be left out."""
    return store(api, module_namespace, study(name="small"))


def store(api: ApiServer, namespace: str, manifest: Object) -> Stored:
    answer = api.create(manifest, namespace)
    assert answer.ok, answer.body
    return f"{api.collection(manifest, namespace)}/{manifest['metadata']['name']}", answer.body


def would(api: ApiServer, before: Stored, changes: Changes) -> Answer:
    path, thing = before
    return api.request("PUT", path, changed(thing, changes), dryRun="All", fieldValidation="Strict")


@pytest.mark.parametrize(("changes", "path", "says"), FIXED.values(), ids=FIXED.keys())
def test_what_makes_trials_comparable_stays(
    api: ApiServer, full: Stored, changes: Changes, path: str, says: str
) -> None:
    answer = would(api, full, changes)
    assert answer.code == 422
    assert [said for at, said in answer.refusals if at == path and says in said], answer.refusals


@pytest.mark.parametrize(("changes", "path"), ADDED.values(), ids=ADDED.keys())
def test_what_was_left_out_cannot_be_added_later(
    api: ApiServer, small: Stored, changes: Changes, path: str
) -> None:
    answer = would(api, small, changes)
    assert answer.code == 422
    assert path in [at for at, _ in answer.refusals]


@pytest.mark.parametrize("changes", EDITABLE.values(), ids=EDITABLE.keys())
def test_the_rest_can_be_edited(api: ApiServer, full: Stored, changes: Changes) -> None:
    answer = would(api, full, changes)
    assert answer.ok, answer.body
    assert answer.body["metadata"]["generation"] == 2


def test_an_edit_is_judged_like_a_new_study(api: ApiServer, full: Stored) -> None:
    answer = would(api, full, {"spec.parallelism": 30})
    assert answer.refusals == [
        ("spec.parallelism", "Invalid value: parallelism is greater than maxTrials"),
    ]


def test_writing_the_same_again_changes_nothing(api: ApiServer, full: Stored) -> None:
    path, thing = full
    answer = would(api, full, {})
    assert (answer.code, answer.body["metadata"]["generation"]) == (200, 1)
    # As `kubectl apply` writes it: without the defaults that the server has filled in.
    applied = api.request(
        "PATCH", path, FULL, content=APPLY, dryRun="All", fieldManager="kubectl", force="true"
    )
    assert applied.ok, applied.body
    assert applied.body["spec"] == thing["spec"]


def test_a_study_moves_between_suspended_and_not(api: ApiServer, namespace: str) -> None:
    path, _ = store(api, namespace, study())
    for generation, value in ((2, True), (3, False)):
        answer = api.request("PATCH", path, {"spec": {"suspend": value}}, content=PATCH)
        assert (answer.body["spec"]["suspend"], answer.body["metadata"]["generation"]) == (value, generation)
