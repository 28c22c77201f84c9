"""The fields of a pod template with their types, and whether a user's template consists of such fields only.

`pod_fields.json` is made from the Kubernetes client's models (`make generate`), for the API server itself takes out what it does
not know and goes on. A misspelled toleration would cost a night in Pending.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, Final

from tacotune.api.findings import Finding, Loc, did_you_mean

MERGE_KEYS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "claims": ("name",),
        "containers": ("name",),
        "env": ("name",),
        "ephemeralContainers": ("name",),
        "hostAliases": ("ip",),
        "imagePullSecrets": ("name",),
        "initContainers": ("name",),
        "ports": ("containerPort",),
        "resourceClaims": ("name",),
        "schedulingGates": ("name",),
        "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
        "volumeDevices": ("devicePath",),
        "volumeMounts": ("mountPath",),
        "volumes": ("name",),
    }
)
"""Lists of a pod template that are merged by fields of their items, the others replace each other; no two have one name."""
PATCH: Final = "$patch"
DIRECTIVES: Final = ("delete", "replace")
ROOT: Final = "V1PodTemplateSpec"
_QUANTITIES: Final = frozenset(["divisor", "limits", "requests", "sizeLimit"])
"""Texts that may be written as numbers."""


@cache
def pod_fields() -> Mapping[str, Mapping[str, str]]:
    """Types of fields by the name of the model they belong to: `{"V1PodSpec": {"hostIPC": "bool", …}, …}`."""
    text = resources.files("tacotune.api").joinpath("pod_fields.json").read_text("utf-8")
    return MappingProxyType(json.loads(text))


def field_findings(template: Mapping[str, Any]) -> Iterator[Finding]:
    """Unknown fields and values of the wrong type; places are counted from the template."""
    yield from _model((), template, ROOT, merged=True)


def _model(loc: Loc, value: Mapping[str, Any], model: str, *, merged: bool) -> Iterator[Finding]:
    known = pod_fields()[model]
    for name, child in value.items():
        if name.startswith("$"):
            yield from _directive((*loc, name), child, merged=merged)
        elif name not in known:
            hint = did_you_mean(name, known) or f"known here: {', '.join(sorted(known))}"
            yield Finding((*loc, name), "unknown field", hint)
        else:
            yield from _value((*loc, name), child, known[name], merged=merged)


def _value(loc: Loc, value: Any, kind: str, *, merged: bool) -> Iterator[Finding]:
    # Nothing: the field is taken out.
    if value is None or kind == "object":
        return
    if kind.startswith("List["):
        yield from _list(loc, value, kind[len("List[") : -1], merged=merged)
    elif kind.startswith("Dict["):
        yield from _texts(loc, value)
    elif kind in pod_fields():
        if isinstance(value, dict):
            yield from _model(loc, value, kind, merged=merged)
        else:
            yield Finding(loc, f"must be a mapping, not {_shown(value)}")
    elif words := _wrong(str(loc[-1]), value, kind):
        yield Finding(loc, f"must be {words}, not {_shown(value)}", _quoted(value, kind))


def _list(loc: Loc, value: Any, kind: str, *, merged: bool) -> Iterator[Finding]:
    if not isinstance(value, list):
        yield Finding(loc, f"must be a list, not {_shown(value)}")
        return
    keys = MERGE_KEYS.get(str(loc[-1]), ()) if merged else ()
    for index, item in enumerate(value):
        place = (*loc, index)
        if item is None:
            yield Finding(place, "is empty", "take the item out")
            continue
        yield from _value(place, item, kind, merged=merged and bool(keys))
        if isinstance(item, dict) and item.keys() != {PATCH}:
            for key in keys:
                if item.get(key) is None:
                    yield Finding((*place, key), "is required", f"{loc[-1]} are merged by it")


def _texts(loc: Loc, value: Any) -> Iterator[Finding]:
    if not isinstance(value, dict):
        yield Finding(loc, f"must be a mapping, not {_shown(value)}")
        return
    for key, text in value.items():
        if text is not None and (words := _wrong(str(loc[-1]), text, "str")):
            yield Finding((*loc, key), f"must be {words}, not {_shown(text)}", _quoted(text, "str"))


def _directive(loc: Loc, value: Any, *, merged: bool) -> Iterator[Finding]:
    if loc[-1] != PATCH:
        yield Finding(loc, "is no directive that is understood here", f"{PATCH}: delete | replace is one")
    elif value not in DIRECTIVES:
        yield Finding(loc, f"must be one of {', '.join(DIRECTIVES)}, not {_shown(value)}")
    elif not merged:
        yield Finding(loc, "has no meaning in a list that is replaced as a whole", "leave it out")


def _wrong(name: str, value: Any, kind: str) -> str:
    """What it should be; empty when it is."""
    match kind:
        case "bool":
            return "" if isinstance(value, bool) else "true or false"
        case "int":
            return "" if isinstance(value, int) and not isinstance(value, bool) else "a whole number"
        case _:
            number = isinstance(value, int | float) and not isinstance(value, bool)
            return "" if isinstance(value, str) or (number and name in _QUANTITIES) else "a text"


def _quoted(value: Any, kind: str) -> str:
    if kind not in {"bool", "int"} and isinstance(value, int | float):
        return "in quotes"
    if kind == "int" and isinstance(value, str) and value.isdecimal():
        return "without quotes"
    return ""


def _shown(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case _:
            return repr(value)
