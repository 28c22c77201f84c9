"""Strategic merge of `spec.trainer.podTemplate` into our pod, as `kubectl patch` would merge it.

Mappings are merged, null takes a field out, and lists are replaced, but for those that Kubernetes merges item by item. Items
keep their places, new ones come behind. `$patch: delete` takes out a mapping or an item, `$patch: replace` puts a mapping or,
as an item of its own, a whole list in place of what was there.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tacotune.api.pod_fields import MERGE_KEYS, PATCH

UNIONS: Final = frozenset(["env", "resourceClaims", "volumes"])
"""Lists of unions: an item that names another source loses the one it had."""


def merge_pod_template(template: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """The template with the patch in it; neither is changed."""
    merged = _mapping(template, patch)
    return merged if isinstance(merged, dict) else {}


def _mapping(base: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any] | None:
    directive = patch.get(PATCH)
    if directive == "delete":
        return None
    given = {key: value for key, value in patch.items() if key != PATCH}
    result = {} if directive == "replace" else dict(base)
    for key, value in given.items():
        merged = _value(key, result.get(key), value)
        if merged is None:
            result.pop(key, None)
        else:
            result[key] = merged
    return result


def _value(field: str, base: Any, patch: Any) -> Any:
    match patch:
        case dict():
            return _mapping(base if isinstance(base, dict) else {}, patch)
        case list() if field in MERGE_KEYS:
            return _list(field, base if isinstance(base, list) else [], patch)
        case _:
            return patch


def _list(field: str, base: Sequence[Any], patch: Sequence[Any]) -> list[Any]:
    keys = MERGE_KEYS[field]
    replaced = any(item.get(PATCH) == "replace" and len(item) == 1 for item in patch)
    result: list[Any] = [] if replaced else list(base)
    for item in patch:
        identity = tuple(item.get(key) for key in keys)
        if len(item) == 1 and PATCH in item:
            continue
        position = next(
            (i for i, other in enumerate(result) if tuple(other.get(key) for key in keys) == identity), None
        )
        before = result[position] if position is not None else {}
        if field in UNIONS:
            before = {key: value for key, value in before.items() if key in item}
        merged = _mapping(before, item)
        if merged is None:
            if position is not None:
                del result[position]
        elif position is None:
            result.append(merged)
        else:
            result[position] = merged
    return result
