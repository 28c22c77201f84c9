"""What a user has asked of the API server, by its own record, and what rules would have allowed."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from support.api_server import Object

Right = tuple[str, str, str]
"""API group, plural with the subresource, verb."""


@dataclass(frozen=True, slots=True)
class Record:
    """One request about an object."""

    right: Right
    namespace: str
    allowed: bool


def records(log: Path, user: str) -> Iterator[Record]:
    """All requests of a user about objects, refused ones too."""
    for line in log.read_text().splitlines():
        entry = json.loads(line)
        if entry["user"]["username"] != user or "objectRef" not in entry:
            continue
        about = entry["objectRef"]
        plural = "/".join(filter(None, [about["resource"], about.get("subresource")]))
        yield Record(
            (about.get("apiGroup", ""), plural, entry["verb"]),
            about.get("namespace", ""),
            entry["annotations"]["authorization.k8s.io/decision"] == "allow",
        )


def rights(rules: Iterable[Object]) -> set[Right]:
    """What the rules of a role grant."""
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
