"""The CustomResourceDefinition of TTSStudy, made from the pydantic models: one description of the API, not two.

pydantic's JSON schema becomes a structural schema: references are put in place, `null` alternatives go (the API server drops
nulls), and what OpenAPI v3 in Kubernetes writes otherwise is written so. Values of mixed type (choices, `in`, initialTrials,
fixedParameters) cannot be typed there; they pass, and pydantic checks them in the operator. What crosses fields is said again
in CEL by `crd_rules`.
"""

import io
import json
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from ruamel.yaml import YAML

from tacotune.api import names
from tacotune.api.crd_rules import RULES
from tacotune.api.status import TTSStudyStatus
from tacotune.api.study import TTSStudySpec

Schema = dict[str, Any]

UNTYPED: Final[Schema] = {"x-kubernetes-preserve-unknown-fields": True}
LIST_KEYS: Final[Mapping[str, str]] = {"searchSpace": "name", "conditions": "type"}
"""Lists that are maps by one of their fields: the API server refuses duplicates and merges by it."""
KEPT: Final = (
    "type", "format", "description", "enum", "default", "pattern", "minimum", "maximum",
    "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties",
)  # fmt: skip

COLUMNS: Final = (
    ("Phase", "string", ".status.phase", "What the study is doing."),
    ("Best", "string", ".status.best.shown", "Value of the best trial."),
    ("Trials", "string", ".status.progress", "Finished of wanted trials."),
    ("Running", "integer", ".status.trials.running", "Trials that run now."),
    ("Pruned", "integer", ".status.trials.pruned", "Trials that were ended early."),
    ("Failed", "integer", ".status.trials.failed", "Trials that failed."),
    ("GPU-H", "string", ".status.gpuHours", "GPU hours spent."),
    ("ETA", "string", ".status.estimatedCompletionTime", "When it will probably end."),
    ("Age", "date", ".metadata.creationTimestamp", "Since it was created."),
)


def crd() -> Schema:
    """The whole definition."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names.PLURAL}.{names.GROUP}"},
        "spec": {
            "group": names.GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": names.KIND,
                "listKind": f"{names.KIND}List",
                "plural": names.PLURAL,
                "singular": names.SINGULAR,
                "shortNames": [names.SHORT_NAME],
                "categories": ["tacotune"],
            },
            "versions": [
                {
                    "name": names.VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [
                        {"name": name, "type": kind, "jsonPath": path, "description": text}
                        for name, kind, path, text in COLUMNS
                    ],
                    "schema": {"openAPIV3Schema": _root()},
                }
            ],
        },
    }


def crd_yaml() -> str:
    """The definition as `crds/ttsstudies.yaml` has it."""
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 110
    stream = io.StringIO()
    stream.write(
        "# Made by `tacotune crd --output crds/ttsstudies.yaml` from operator/tacotune/api; do not edit.\n"
    )
    # Through JSON, so that nothing is shared: what is would be written as an alias.
    yaml.dump(json.loads(json.dumps(crd())), stream)
    return stream.getvalue()


def _root() -> Schema:
    return {
        "type": "object",
        "description": "A study: what to tune, how long, and on what.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {
                "type": "object",
                # Names of Jobs are made of it, and must fit into 63 characters.
                "properties": {
                    "name": {"type": "string", "maxLength": 52, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"}
                },
            },
            "spec": _structural(TTSStudySpec),
            "status": _without_defaults(_structural(TTSStudyStatus)),
        },
    }


def _structural(model: type[BaseModel]) -> Schema:
    schema = model.model_json_schema(by_alias=True)
    result = _convert(schema, schema.get("$defs", {}))
    _add_defaults(result, model)
    _add_rules(result, model.__name__)
    return result


def _convert(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    if "$ref" in node:
        name = node["$ref"].rsplit("/", 1)[1]
        converted = _convert(definitions[name], definitions)
        _add_rules(converted, name)
        return converted | {k: v for k, v in node.items() if k in {"description", "default"}}
    if "anyOf" in node:
        return _alternatives(node, definitions)
    result = {key: node[key] for key in KEPT if key in node and node[key] is not None}
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if exclusive in node:
            result |= {bound: node[exclusive], exclusive: True}
    if "items" in node:
        result["items"] = _convert(node["items"], definitions)
    if node.get("type") == "object":
        result |= _object(node, definitions)
    # Anything at all: JSON schema has no words for it, Kubernetes has.
    return result if "type" in result else result | UNTYPED


def _alternatives(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    options = [option for option in node["anyOf"] if option.get("type") != "null"]
    described = {k: node[k] for k in ("description", "default") if node.get(k) is not None}
    if len(options) == 1:
        return _convert(options[0], definitions) | described
    return {**UNTYPED, **described}


def _object(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    if "properties" in node:
        properties = {name: _convert(child, definitions) for name, child in node["properties"].items()}
        for name, key in LIST_KEYS.items():
            if name in properties:
                properties[name] |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}
        required = {"required": node["required"]} if node.get("required") else {}
        return {"properties": properties, **required}
    keys = node.get("propertyNames", {}).get("enum")
    values = node.get("additionalProperties")
    if isinstance(values, dict) and keys:
        return {"properties": {key: _convert(values, definitions) for key in keys}}
    if isinstance(values, dict):
        return {"additionalProperties": _convert(values, definitions)}
    patterned = list(node.get("patternProperties", {}).values())
    return {"additionalProperties": _convert(patterned[0], definitions)} if patterned else dict(UNTYPED)


def _add_defaults(schema: Schema, model: type[BaseModel]) -> None:
    """Defaults that pydantic makes by a factory, which its JSON schema leaves out.

    A part that is absent becomes `{}` plus what differs from its own defaults; the API server fills in the rest.
    """
    for name, info in model.model_fields.items():
        child = schema["properties"][info.alias or name]
        value = (
            info.get_default(call_default_factory=True)
            if info.default_factory is not None
            else PydanticUndefined
        )
        if isinstance(value, BaseModel):
            child["default"] = value.model_dump(mode="json", by_alias=True, exclude_defaults=True)
            # A part's own required field that this default gives is optional in it.
            for given in child["default"]:
                if given in child.get("required", []):
                    child["properties"][given]["default"] = child["default"][given]
                    child["required"] = [r for r in child["required"] if r != given]
            if not child.get("required", True):
                del child["required"]
            _add_defaults(child, type(value))
        elif isinstance(value, list) and value:
            child["default"] = [
                item.model_dump(mode="json", by_alias=True) if isinstance(item, BaseModel) else item
                for item in value
            ]


def _add_rules(schema: Schema, model: str) -> None:
    if model in RULES:
        schema["x-kubernetes-validations"] = [rule.as_schema() for rule in RULES[model]]


def _without_defaults(node: Any) -> Any:
    """What is observed is never made up."""
    if isinstance(node, dict):
        if node.get("type") == "object" and "properties" in node:
            children = {k: _without_defaults(v) for k, v in node["properties"].items()}
            return {k: v for k, v in node.items() if k != "default"} | {"properties": children}
        return {k: _without_defaults(v) for k, v in node.items() if k != "default"}
    return node
