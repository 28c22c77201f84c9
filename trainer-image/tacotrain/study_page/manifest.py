"""What the page takes from the manifest, where one is given: names of the objectives, and what people want to read again.

`study.json` of a run on one machine, or the part of it that the operator hands to a pod. Anything may be missing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tacotrain.errors import ConfigError
from tacotrain.study_page.facts import Value

DEFAULT: Final = "tts_score"
"""The objective of a study that names none, by the definition of TTSStudy."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """Of a TTSStudy."""

    name: str = ""
    metrics: tuple[str, ...] = ()
    """One for each objective."""
    settings: Mapping[str, Value] = field(default_factory=dict)
    """Label and value, in the order in which they are shown."""


def parse_manifest(document: object, source: str) -> Manifest:
    """Read a TTSStudy as JSON has it.

    Args:
        document: The parsed JSON.
        source: What it was read from, for messages.

    Raises:
        ConfigError: It is no TTSStudy.
    """
    if not isinstance(document, dict) or not isinstance(document.get("spec"), dict):
        raise ConfigError(f"{source}: not a TTSStudy: there is no field spec")
    spec = document["spec"]
    goals = spec.get("objectives") or [spec.get("objective") or {"metric": DEFAULT}]
    metrics = tuple(_text(_at(goal, "metric")) for goal in goals if isinstance(goal, dict))
    settings: dict[str, Value] = {
        "sampler": _at(spec, "sampler", "name"),
        "seed": _at(spec, "sampler", "seed"),
        "pruner": _at(spec, "pruner", "name"),
        "most trials": spec.get("maxTrials"),
        "parallelism": spec.get("parallelism"),
        "preset": _at(spec, "trainer", "preset"),
        "language": _at(spec, "dataset", "language"),
        **_fixed(spec.get("fixedParameters")),
    }
    return Manifest(
        name=_text(_at(document, "metadata", "name")),
        metrics=metrics if all(metrics) else (),
        settings={label: value for label, value in settings.items() if value is not None},
    )


def _fixed(parameters: object) -> dict[str, Value]:
    if not isinstance(parameters, dict):
        return {}
    return {str(name): value for name, value in parameters.items() if isinstance(value, str | int | float)}


def _at(document: Any, *path: str) -> Any:
    for key in path:
        document = document.get(key) if isinstance(document, dict) else None
    return document


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
