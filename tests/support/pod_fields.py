"""Makes `operator/tacotune/api/pod_fields.json` from the models of the Kubernetes client: `make generate` runs it."""

import json
import re
from typing import Any

from kubernetes import client

from tacotune.api.pod_fields import ROOT


def made() -> str:
    """The file as it should be."""
    found: dict[str, dict[str, str]] = {}
    _walk(ROOT, found)
    return json.dumps(found, indent=1, sort_keys=True) + "\n"


def _walk(name: str, found: dict[str, dict[str, str]]) -> None:
    model: Any = getattr(client, name)
    fields = {model.attribute_map[field]: kind for field, kind in model.openapi_types.items()}
    found[name] = fields
    for kind in fields.values():
        other = re.sub(r"List\[(.*)\]", r"\1", kind)
        if hasattr(client, other) and other not in found:
            _walk(other, found)


if __name__ == "__main__":
    print(made(), end="")
