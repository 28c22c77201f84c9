"""The smallest valid TTSStudy as the object that a cluster is given, with changes by path."""

import copy
import re
from collections.abc import Mapping
from typing import Any, Final

ABSENT: Final = object()
"""As a change: the field is taken out."""
LEARNING_RATE: Final = {"name": "learning_rate", "float": {"low": 1e-4, "high": 1e-2, "log": True}}


def study(changes: Mapping[str, Any] | None = None, name: str = "demo") -> dict[str, Any]:
    """A study with values by path, such as `{"spec.searchSpace[0].float.low": 1}`."""
    manifest: dict[str, Any] = {
        "apiVersion": "tacotune.dev/v1alpha1",
        "kind": "TTSStudy",
        "metadata": {"name": name},
        "spec": {"dataset": {"speech": {}}, "searchSpace": [copy.deepcopy(LEARNING_RATE)]},
    }
    return changed(manifest, changes or {})


def changed(manifest: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy with other values at some paths; mappings on the way are made."""
    result = copy.deepcopy(dict(manifest))
    for path, value in changes.items():
        *parents, last = [int(i) if i else key for i, key in re.findall(r"\[(\d+)\]|([^.\[\]]+)", path)]
        holder: Any = result
        for part in parents:
            holder = holder[part] if isinstance(part, int) else holder.setdefault(part, {})
        if value is ABSENT:
            del holder[last]
        elif isinstance(last, int) and last == len(holder):
            holder.append(copy.deepcopy(value))
        else:
            holder[last] = copy.deepcopy(value)
    return result
