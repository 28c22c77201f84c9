"""The CRD: the file is what the models say, and what the models say is a structural schema.

Kubernetes' own validation of it, costs of the CEL rules included, needs an API server.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.manifests import manifest
from tacotune.api import names
from tacotune.api.crd import crd, crd_yaml
from tacotune.api.crd_rules import RULES
from tacotune.api.manifest import read_manifest
from tacotune.api.study import TTSStudySpec
from tacotune.api.yaml_tree import plain, read_documents

FILE = Path(__file__).parents[2] / "crds" / "ttsstudies.yaml"
VERSION = crd()["spec"]["versions"][0]
ROOT = VERSION["schema"]["openAPIV3Schema"]
SPEC = ROOT["properties"]["spec"]
FORBIDDEN = {
    "$ref",
    "anyOf",
    "oneOf",
    "allOf",
    "not",
    "const",
    "patternProperties",
    "propertyNames",
    "title",
    "nullable",
}
UNTYPED = "x-kubernetes-preserve-unknown-fields"

Node = dict[str, Any]


def nodes(schema: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from nodes(schema["additionalProperties"], f"{path}.*")


ALL = dict(nodes(ROOT))


def test_the_file_is_what_the_models_say() -> None:
    """When this fails: tacotune crd --output crds/ttsstudies.yaml"""
    assert FILE.read_text("utf-8") == crd_yaml()


def test_the_file_is_yaml_without_aliases_and_means_the_definition() -> None:
    (document,) = read_documents(crd_yaml())
    assert document.root is not None
    assert plain(document.root) == crd()
    assert not re.search(r": [&*]id\d", crd_yaml())


def test_every_node_has_a_type_or_lets_everything_through() -> None:
    assert [path for path, node in ALL.items() if "type" not in node and not node.get(UNTYPED)] == []


def test_nothing_stands_in_it_that_a_structural_schema_forbids() -> None:
    assert [path for path, node in ALL.items() if FORBIDDEN & node.keys()] == []
    assert [path for path, node in ALL.items() if node.get("additionalProperties") is False] == []
    assert [p for p, n in ALL.items() if not isinstance(n.get("exclusiveMinimum", True), bool)] == []


def test_only_values_of_mixed_type_pass_unlooked() -> None:
    open_nodes = {
        path.removeprefix(".spec")
        for path, node in ALL.items()
        if node.get(UNTYPED) and path.startswith(".spec")
    }
    assert open_nodes == {
        ".searchSpace[].categorical.choices[]",
        ".searchSpace[].when.in[]",
        ".fixedParameters.*",
        ".initialTrials[].*",
        ".finalTraining.parameters.*",
        ".trainer.podTemplate",
        ".trainer.resources.limits",
        ".trainer.resources.requests",
    }


def test_everything_in_the_spec_is_bounded_so_that_rules_have_a_bounded_cost() -> None:
    spec = {path: node for path, node in ALL.items() if path.startswith(".spec")}
    lists = [p for p, n in spec.items() if n.get("type") == "array" and "maxItems" not in n]
    texts = [p for p, n in spec.items() if n.get("type") == "string" and not {"maxLength", "enum"} & n.keys()]
    maps = [p for p, n in spec.items() if "additionalProperties" in n and "maxProperties" not in n]
    assert (lists, texts, maps) == ([], [], [])


def fits(value: Any, node: Node) -> bool:
    """Whether a default is valid under its own schema."""
    match node.get("type"):
        case "object":
            known = node.get("properties", {})
            return isinstance(value, dict) and all(k in known and fits(v, known[k]) for k, v in value.items())
        case "array":
            return isinstance(value, list) and all(fits(item, node["items"]) for item in value)
        case "string":
            allowed = node.get("enum", [value])
            return (
                isinstance(value, str)
                and value in allowed
                and bool(re.search(node.get("pattern", ""), value))
            )
        case "boolean":
            return isinstance(value, bool)
        case kind:
            whole = kind != "integer" or isinstance(value, int)
            return whole and node.get("minimum", value) <= value <= node.get("maximum", value)


def test_defaults_are_valid_and_stand_in_the_spec_only() -> None:
    assert [path for path, node in ALL.items() if "default" in node and not fits(node["default"], node)] == []
    assert [path for path, node in ALL.items() if "default" in node and path.startswith(".status")] == []


def filled(value: Any, node: Node) -> Any:
    """A value with the schema's defaults, as the API server fills them in."""
    if isinstance(value, dict) and "properties" in node:
        given = {k: child["default"] for k, child in node["properties"].items() if "default" in child} | value
        return {k: filled(v, node["properties"].get(k, {})) for k, v in given.items()}
    if isinstance(value, list):
        return [filled(item, node.get("items", {})) for item in value]
    return value


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("pruner: {}",),
        ("dashboards: {mlflow: {enabled: false}}", "retry: {maxAttempts: 5}"),
        ("checkpoints: {volume: {size: 1Gi}}", "finalTraining: {enabled: true}", "trainer: {preset: tiny}"),
    ],
)
def test_the_api_servers_defaults_are_those_of_the_models(lines: tuple[str, ...]) -> None:
    study = read_manifest(manifest(*lines))
    given = study.spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert TTSStudySpec.model_validate(filled(given, SPEC)) == study.spec


def test_rules_stand_where_their_models_are() -> None:
    placed = [rule["rule"] for _, node in ALL.items() for rule in node.get("x-kubernetes-validations", [])]
    assert set(placed) == {rule.rule for rules in RULES.values() for rule in rules}
    spec = [rule["rule"] for rule in SPEC["x-kubernetes-validations"]]
    assert spec == [rule.rule for rule in RULES["TTSStudySpec"]]


def test_rules_speak_of_fields_that_exist() -> None:
    for path, node in ALL.items():
        for rule in node.get("x-kubernetes-validations", []):
            fields = re.findall(r"\b(?:self|oldSelf)\.([a-z][A-Za-z]*)(?![A-Za-z(])", rule["rule"])
            assert set(fields) <= set(node["properties"]), (path, rule["rule"])
            place = rule.get("fieldPath", "")
            assert not place or f"{path}{place}" in ALL, (path, place)
            assert rule["message"]


@pytest.mark.parametrize("field", ["searchSpace", "objective", "objectives", "sampler.name", "storage"])
def test_what_makes_trials_comparable_cannot_be_changed(field: str) -> None:
    rules = [rule["rule"] for rule in SPEC["x-kubernetes-validations"] if "oldSelf" in rule["rule"]]
    assert [rule for rule in rules if f"self.{field} == oldSelf.{field}" in rule]


def test_lists_by_name_refuse_duplicates() -> None:
    space = ALL[".spec.searchSpace"]
    assert (space["x-kubernetes-list-type"], space["x-kubernetes-list-map-keys"]) == ("map", ["name"])
    assert space["items"]["required"] == ["name"]
    conditions = ALL[".status.conditions"]
    assert (conditions["x-kubernetes-list-type"], conditions["x-kubernetes-list-map-keys"]) == (
        "map",
        ["type"],
    )


def test_names_columns_and_status() -> None:
    definition = crd()["spec"]
    assert definition["names"]["shortNames"] == ["tts"]
    assert definition["group"] == names.GROUP
    assert VERSION["subresources"] == {"status": {}}
    columns = {column["name"].upper(): column["jsonPath"] for column in VERSION["additionalPrinterColumns"]}
    assert list(columns) == ["PHASE", "BEST", "TRIALS", "RUNNING", "PRUNED", "FAILED", "GPU-H", "ETA", "AGE"]
    shown = [path for path in columns.values() if not path.startswith(".metadata")]
    assert [path for path in shown if path not in ALL] == []


def test_kubectl_explain_has_words_for_the_parts() -> None:
    assert ALL[".spec.pruner.warmupSteps"]["description"] == "Optimizer steps before a trial can be pruned."
    assert ALL[".spec.retry"]["description"]
