"""Studies with one mistake each.

Used for the API server, for the models, and for `tacotune validate`: who reads whichever of them finds the same place.
"""

from typing import Final

from support.bad_study import Bad
from support.contradictory_studies import BATCH, CONTRADICTORY, FLOAT, LOSS, SPACE, space
from support.objects import ABSENT

UNKNOWN: Final = {
    "a field of the spec": Bad({"spec.maxTrails": 4}, "spec.maxTrails", "unknown field"),
    "a field in snake case": Bad({"spec.max_trials": 4}, "spec.max_trials", "unknown field"),
    "Katib's name of a field": Bad({"spec.algorithm": {}}, "spec.algorithm", "unknown field"),
    "a field of a part": Bad({"spec.sampler.seeed": 4}, "spec.sampler.seeed", "unknown field"),
    "a field of a list's item": Bad({f"{FLOAT}.lo": 1}, f"{FLOAT}.lo", "unknown field"),
    "a field of the spec at the top": Bad({"maxTrials": 4}, "maxTrials", "unknown field"),
    "a weight of no term": Bad({"spec.weights.alignmen": 1}, "spec.weights.alignmen", "unknown field"),
    "a dashboard that is not served": Bad(
        {"spec.dashboards.wandb": {}}, "spec.dashboards.wandb", "unknown field"
    ),
}

NOTATION: Final = {
    "a quoted number": Bad({"spec.maxTrials": "40"}, "spec.maxTrials", "must be of type integer"),
    "true for a number": Bad({"spec.maxTrials": True}, "spec.maxTrials", "must be of type integer"),
    "a number for a switch": Bad({"spec.suspend": 1}, "spec.suspend", "must be of type boolean"),
}
"""What the models read nevertheless, for those who write YAML; `tacotune validate` does not."""

TYPES: Final = {
    "a word for a number": Bad({"spec.maxTrials": "many"}, "spec.maxTrials", "must be of type integer"),
    "half a trial": Bad({"spec.maxTrials": 1.5}, "spec.maxTrials", "must be of type integer"),
    "a word for a bound": Bad({f"{FLOAT}.high": "high"}, f"{FLOAT}.high", "must be of type number"),
    "a list for a mapping": Bad({"spec.sampler": ["tpe"]}, "spec.sampler", "must be of type object"),
    "a mapping for a list": Bad({"spec.initialTrials": {}}, "spec.initialTrials", "must be of type array"),
}

BOUNDS: Final = {
    "no trials": Bad({"spec.maxTrials": 0}, "spec.maxTrials", "greater than or equal to 1"),
    "too many trials at once": Bad(
        {"spec.maxTrials": 2000, "spec.parallelism": 1001}, "spec.parallelism", "less than or equal to 1000"
    ),
    "no GPU hours": Bad({"spec.gpuHours": 0}, "spec.gpuHours", "greater than 0"),
    "a stall of a moment": Bad(
        {"spec.stallTimeoutSeconds": 9}, "spec.stallTimeoutSeconds", "greater than or equal to 10"
    ),
    "no attempts": Bad({"spec.retry.maxAttempts": 0}, "spec.retry.maxAttempts", "greater than or equal to 1"),
    "a backoff that shrinks": Bad(
        {"spec.retry.backoff.factor": 0.5}, "spec.retry.backoff.factor", "greater than or equal to 1"
    ),
    "a seed below zero": Bad({"spec.sampler.seed": -1}, "spec.sampler.seed", "greater than or equal to 0"),
    "a whole percentile": Bad({"spec.pruner.percentile": 100}, "spec.pruner.percentile", "less than 100"),
    "a port of zero": Bad({"spec.dashboards.mlflow.port": 0}, "spec.dashboards.mlflow.port", "equal to 1"),
    "a term weighed too much": Bad(
        {"spec.weights.alignment": 101}, "spec.weights.alignment", "less than or equal to 100"
    ),
    "no workers": Bad({"spec.trainer.workers": 0}, "spec.trainer.workers", "greater than or equal to 1"),
    "no epochs at the end": Bad(
        {"spec.finalTraining.epochs": 0}, "spec.finalTraining.epochs", "greater than 0"
    ),
    "an empty search space": Bad(space(), SPACE, "at least 1 items"),
    "no choices": Bad(
        space({"name": "mel_loss", "categorical": {"choices": []}}),
        f"{SPACE}[0].categorical.choices",
        "at least 1 items",
    ),
    "a front of one objective": Bad(
        {"spec.objectives": [{"metric": "val_loss"}]}, "spec.objectives", "at least 2 items"
    ),
    "a warm start from nothing": Bad(
        {"spec.warmStart": {"fromStudies": []}}, "spec.warmStart.fromStudies", "at least 1 items"
    ),
    "a name too long": Bad({"metadata.name": "a" * 53}, "metadata.name", "52"),
}

WORDS: Final = {
    "an unknown sampler": Bad({"spec.sampler.name": "tpee"}, "spec.sampler.name", 'supported values: "tpe"'),
    "an unknown pruner": Bad({"spec.pruner.name": "asha"}, "spec.pruner.name", "supported values"),
    "an unknown language": Bad({"spec.dataset.language": "ua"}, "spec.dataset.language", '"en", "ru"'),
    "an unknown preset": Bad({"spec.trainer.preset": "huge"}, "spec.trainer.preset", "supported values"),
    "an unknown end": Bad({"spec.onFinish": "Wait"}, "spec.onFinish", '"StopRunning", "Drain"'),
    "an unknown deletion policy": Bad(
        {"spec.deletionPolicy": "Keep"}, "spec.deletionPolicy", '"Retain", "Delete"'
    ),
    "an unknown event": Bad(
        {"spec.notifications": {"apprise": {"secretRef": {"name": "a"}, "events": ["Lunch"]}}},
        "spec.notifications.apprise.events[0]",
        "supported values",
    ),
    "a direction in lower case": Bad(
        {"spec.objective": {"direction": "minimize"}}, "spec.objective.direction", '"Minimize", "Maximize"'
    ),
    "a metric in capitals": Bad(
        {"spec.objective": {"metric": "Loss"}}, "spec.objective.metric", "should match"
    ),
    "a device that is none": Bad({"spec.trainer.device": "gpu"}, "spec.trainer.device", "should match"),
    "a size with a blank": Bad(
        {"spec.checkpoints.volume.size": "20 Gi"}, "spec.checkpoints.volume.size", "should match"
    ),
    "a claim that cannot have that name": Bad(
        {"spec.dataset": {"persistentVolumeClaim": {"claimName": "My Data"}}},
        "spec.dataset.persistentVolumeClaim.claimName",
        "should match",
    ),
    "a Secret that cannot have that name": Bad(
        {"spec.storage": {"secretRef": {"name": "postgres_uri"}}},
        "spec.storage.secretRef.name",
        "should match",
    ),
    "a key that no Secret has": Bad(
        {"spec.storage": {"secretRef": {"name": "postgres", "key": "the uri"}}},
        "spec.storage.secretRef.key",
        "should match",
    ),
    "an image with a blank": Bad({"spec.trainer.image": "a b"}, "spec.trainer.image", "should match"),
    "a queue in capitals": Bad({"spec.trainer.queueName": "GPU"}, "spec.trainer.queueName", "should match"),
    "a name with capitals": Bad({"metadata.name": "Demo"}, "metadata.name", "lowercase"),
    "a name with a dot": Bad({"metadata.name": "de.mo"}, "metadata.name", "should match"),
}

MISSING: Final = {
    "no search space": Bad({SPACE: ABSENT}, SPACE, "Required value"),
    "no dataset": Bad({"spec.dataset": ABSENT}, "spec.dataset", "Required value"),
    "no spec": Bad({"spec": ABSENT}, "spec", "Required value"),
    "a parameter without a name": Bad(
        space({"int": {"low": 1, "high": 2}}), f"{SPACE}[0].name", "Required value"
    ),
    "a range without an end": Bad({f"{FLOAT}.high": ABSENT}, f"{FLOAT}.high", "Required value"),
    "a condition without values": Bad(
        space(LOSS, {**BATCH, "when": {"parameter": "mel_loss"}}), f"{SPACE}[1].when.in", "Required value"
    ),
    "a claim without a name": Bad(
        {"spec.dataset": {"persistentVolumeClaim": {}}},
        "spec.dataset.persistentVolumeClaim.claimName",
        "Required value",
    ),
    "storage without a Secret": Bad({"spec.storage": {}}, "spec.storage.secretRef", "Required value"),
    "a chat without a number": Bad(
        {"spec.notifications": {"telegram": {"secretRef": {"name": "bot"}}}},
        "spec.notifications.telegram.chatId",
        "Required value",
    ),
}

BAD_STUDIES: Final = {**UNKNOWN, **NOTATION, **TYPES, **BOUNDS, **WORDS, **MISSING, **CONTRADICTORY}
