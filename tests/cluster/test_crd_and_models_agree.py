"""Field by field: the API server and the models refuse the same values, so no study is accepted here and refused there.

Left to the models are values of mixed type, which no structural schema can describe, and `null`, which the server takes as
"not given".
"""

import json
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from support.api_server import ApiServer
from support.objects import changed, study
from tacotune.api.crd import crd
from tacotune.api.study import TTSStudy

FULL = study({
    "spec.searchSpace[0]": {"name": "learning_rate", "float": {"low": 1e-4, "high": 1e-2, "log": True}},
    "spec.searchSpace[1]": {"name": "prenet_dropout", "float": {"low": 0.1, "high": 0.5, "log": False, "step": 0.1}},
    "spec.searchSpace[2]": {"name": "mel_loss", "categorical": {"choices": ["l1", "mse"]}},
    "spec.searchSpace[3]": {
        "name": "batch_size",
        "int": {"low": 1, "high": 8, "log": False, "step": 1},
        "when": {"parameter": "mel_loss", "in": ["l1"]},
    },
    "spec.objective": {"metric": "val_loss", "direction": "Minimize"},
    "spec.weights": dict.fromkeys(["alignment", "text_use", "failures", "stop", "mcd", "word_hits"], 1),
    "spec.sampler": {"name": "tpe", "seed": 1, "startupTrials": 3},
    "spec.pruner": {
        "name": "hyperband", "startupTrials": 1, "warmupSteps": 1, "intervalSteps": 1, "percentile": 10, "minResource": 1,
        "maxResource": 9, "reductionFactor": 3, "patience": 1, "minDelta": 0.1, "lower": 0, "upper": 1,
        "keepImprovingAlignment": True,
    },
    "spec.warmStart": {"fromStudies": ["a"], "topTrials": 3, "weights": "best"},
    "spec.maxTrials": 10, "spec.parallelism": 2, "spec.maxFailedTrials": 1, "spec.activeDeadlineSeconds": 10,
    "spec.gpuHours": 1, "spec.goal": 0.1, "spec.noImprovementTrials": 3, "spec.onFinish": "Drain", "spec.suspend": True,
    "spec.retry": {
        "maxAttempts": 3, "backoff": {"initialSeconds": 1, "factor": 2, "maxSeconds": 3}, "onOutOfMemory": "Retry",
    },
    "spec.stallTimeoutSeconds": 100,
    "spec.earlyStopping": {
        "enabled": True, "referenceEpochs": 10,
        "phases": [{"until": 1, "patience": 1, "minDelta": 0, "attentionThreshold": 0.1}],
    },
    "spec.dataset": {
        "language": "en", "phonemes": False, "skipBad": False, "persistentVolumeClaim": {"claimName": "a", "subPath": "b"},
    },
    "spec.trainer": {
        "image": "a", "preset": "tiny", "workers": 1, "queueName": "q", "device": "cpu", "threads": 1, "seed": 1,
    },
    "spec.finalTraining": {"enabled": True, "epochs": 3},
    "spec.checkpoints": {
        "everySteps": 3, "keep": 2, "volume": {"storageClassName": "a", "accessModes": ["ReadWriteMany"], "size": "1Gi"},
    },
    "spec.storage": {"secretRef": {"name": "a", "key": "b"}},
    "spec.dashboards": {
        "mlflow": {"enabled": True, "port": 1}, "tensorboard": {"enabled": True, "port": 2},
        "optuna": {"enabled": True, "port": 3}, "demo": {"enabled": False, "port": 4}, "idleAfterSeconds": 60,
    },
    "spec.notifications": {
        "telegram": {"secretRef": {"name": "a", "key": "b"}, "chatId": "1", "events": ["NewBest"], "cooldownSeconds": 1},
        "apprise": {"secretRef": {"name": "a", "key": "b"}, "events": ["NewBest"], "cooldownSeconds": 1},
    },
    "spec.deletionPolicy": "Retain",
})  # fmt: skip
SPEECH = study({"spec.dataset.speech": {"utterances": 16, "validation": 4, "rate": 80, "seed": 0}})
FRONT = study({
    "spec.objectives": [{"metric": "val_loss", "direction": "Minimize"}, {"metric": "alignment", "direction": "Maximize"}],
})  # fmt: skip
MIXED = ("choices", "in", "fixedParameters", "initialTrials", "parameters", "resources", "podTemplate")
VALUES: tuple[Any, ...] = ("X Y", -1, 0, 0.5, 10**12, True, [], {})


def places(value: Any, path: str) -> Iterator[str]:
    """Every place of a manifest that has a type."""
    yield path
    if isinstance(value, dict):
        for key, child in value.items():
            if key not in MIXED:
                yield from places(child, f"{path}.{key}")
    if isinstance(value, list):
        for index, child in enumerate(value):
            yield from places(child, f"{path}[{index}]")


def accepted(manifest: dict[str, Any]) -> bool:
    """Whether the models accept what the server would hand them."""
    try:
        TTSStudy.model_validate_json(json.dumps(manifest), strict=True, by_alias=True, by_name=False)
    except ValidationError:
        return False
    return True


def test_what_one_refuses_the_other_refuses(api: ApiServer) -> None:
    different: dict[str, list[Any]] = {"only the server accepts": [], "only the models accept": []}
    for whole, below in ((FULL, "spec"), (SPEECH, "spec.dataset"), (FRONT, "spec.objectives")):
        part = whole["spec"] if below == "spec" else whole["spec"][below.removeprefix("spec.")]
        assert api.create(whole, dryRun="All").ok
        assert accepted(whole)
        for place in places(part, below):
            for value in VALUES:
                manifest = changed(whole, {place: value})
                answers = api.create(manifest, dryRun="All").ok, accepted(manifest)
                if answers[0] != answers[1]:
                    different[f"only the {'server accepts' if answers[0] else 'models accept'}"].append(
                        (place, value)
                    )
    assert different == {"only the server accepts": [], "only the models accept": []}


def test_no_field_is_left_out_above() -> None:
    (version,) = crd()["spec"]["versions"]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    tried = {_general(p) for m in (FULL, SPEECH, FRONT) for p in places(m["spec"], "spec")}
    assert sorted(set(_fields(spec, "spec")) - tried) == []


def _general(place: str) -> str:
    return "".join(part.partition("]")[2] if "]" in part else part for part in place.split("["))


def _fields(node: dict[str, Any], path: str) -> Iterator[str]:
    yield path
    for name, child in node.get("properties", {}).items():
        if name not in (*MIXED, "path"):
            yield from _fields(child, f"{path}.{name}")
    if "items" in node:
        yield from _fields(node["items"], path)
