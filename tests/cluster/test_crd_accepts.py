"""What the API server accepts, and what it makes of it."""

from pathlib import Path
from typing import Any

import pytest

from support.api_server import ApiServer
from support.objects import study
from tacotune.api import names
from tacotune.api.study import TTSStudy
from tacotune.api.yaml_tree import plain, read_documents

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").rglob("*.yaml"))


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_every_example_is_accepted(api: ApiServer, file: Path) -> None:
    for document in read_documents(file.read_text("utf-8")):
        assert document.root is not None
        answer = api.create(plain(document.root), dryRun="All")
        assert answer.ok, answer.body


def test_the_smallest_study_gets_the_models_defaults(api: ApiServer) -> None:
    stored = api.create(study(), dryRun="All").body
    assert TTSStudy.from_manifest(stored).spec == TTSStudy.from_manifest(study()).spec
    written = TTSStudy.from_manifest(study()).spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert without_empty(stored["spec"]) == without_empty(written)


def without_empty(value: Any) -> Any:
    """Maps and lists that are empty by default are left out on the server: nobody has to read them."""
    if isinstance(value, dict):
        return {key: without_empty(child) for key, child in value.items() if child not in ({}, [])}
    return value


def test_a_study_without_notifications_is_accepted(api: ApiServer) -> None:
    answer = api.create(study(), dryRun="All")
    assert answer.ok
    assert "notifications" not in answer.body["spec"]


def test_a_study_with_several_objectives_needs_nothing_else(api: ApiServer) -> None:
    objectives = [{"metric": "val_loss"}, {"metric": "alignment", "direction": "Maximize"}]
    answer = api.create(study({"spec.objectives": objectives}), dryRun="All")
    assert answer.ok, answer.body
    assert answer.body["spec"]["pruner"]["name"] == "none"


def test_values_of_mixed_type_pass(api: ApiServer) -> None:
    mixed = study({
        "spec.searchSpace[1]": {"name": "x", "categorical": {"choices": [1, 2.5, "three", True]}},
        "spec.searchSpace[2]": {"name": "y", "int": {"low": 0, "high": 3}, "when": {"parameter": "x", "in": [1, "three"]}},
        "spec.initialTrials": [{"learning_rate": 0.001, "x": "three", "y": 2}],
        "spec.fixedParameters": {"epochs": 4, "attention": "location", "amp": False},
    })  # fmt: skip
    answer = api.create(mixed, dryRun="All")
    assert answer.ok, answer.body
    kept = ("searchSpace", "initialTrials", "fixedParameters")
    given = mixed["spec"]
    assert {key: answer.body["spec"][key] for key in kept[1:]} == {key: given[key] for key in kept[1:]}
    assert [p.get("categorical") for p in answer.body["spec"]["searchSpace"]] == [
        p.get("categorical") for p in given["searchSpace"]
    ]


def test_the_largest_search_space_can_be_checked(api: ApiServer) -> None:
    """The rules' cost is bounded: a hundred conditional parameters are not too much."""
    many = [{"name": f"p{i}", "int": {"low": 0, "high": 9}} for i in range(100)]
    for i, parameter in enumerate(many[1:]):
        parameter["when"] = {"parameter": f"p{i}", "in": [1]}
    answer = api.create(study({"spec.searchSpace": many}), dryRun="All")
    assert answer.ok, answer.body


def test_a_study_is_found_by_its_short_name_and_its_category(api: ApiServer) -> None:
    resources = {r["name"]: r for r in api.get(f"/apis/{names.API_VERSION}")["resources"]}
    found = resources["ttsstudies"]
    assert (found["kind"], found["singularName"]) == ("TTSStudy", "ttsstudy")
    assert (found["shortNames"], found["categories"]) == (["tts"], ["tacotune"])
    assert found["namespaced"]
    assert "ttsstudies/status" in resources
