"""The snapshot of a study: what reaches a trial changes its hash, nothing else does."""

from typing import Any

import pytest

from support.builders import spec_of
from tacotune.api.hashing import spec_hash
from tacotune.api.study import TTSStudySpec

REACHES: dict[str, Any] = {
    "fixedParameters": {"epochs": 9},
    "objective": {"metric": "val_loss"},
    "weights": {"alignment": 0.5},
    "dataset": {"speech": {"utterances": 100}},
    "trainer": {"preset": "tiny"},
    "earlyStopping": {"enabled": False},
    "checkpoints": {"everySteps": 100},
    "warmStart": {"fromStudies": ["older"]},
}
STAYS: dict[str, Any] = {
    "maxTrials": 99,
    "parallelism": 3,
    "maxFailedTrials": 1,
    "activeDeadlineSeconds": 60,
    "gpuHours": 5,
    "goal": 0.1,
    "noImprovementTrials": 9,
    "onFinish": "Drain",
    "suspend": True,
    "retry": {"maxAttempts": 9},
    "stallTimeoutSeconds": 60,
    "finalTraining": {"enabled": True},
    "sampler": {"name": "random"},
    "pruner": {"name": "median"},
    "initialTrials": [{"learning_rate": 0.1}],
    "trainer": {
        "image": "trainer:2",
        "resources": {"limits": {"memory": "8Gi"}},
        "queueName": "gpu",
        "threads": 2,
    },
    "checkpoints": {"volume": {"size": "1Gi"}},
    "storage": {"secretRef": {"name": "postgres"}},
    "dashboards": {"mlflow": {"enabled": False}},
    "deletionPolicy": "Delete",
}


@pytest.mark.parametrize("field", REACHES)
def test_what_reaches_a_trial_changes_the_hash(field: str) -> None:
    assert spec_hash(spec_of(**{field: REACHES[field]})) != spec_hash(spec_of())


@pytest.mark.parametrize("field", STAYS)
def test_what_does_not_reach_a_trial_leaves_the_hash(field: str) -> None:
    assert spec_hash(spec_of(**{field: STAYS[field]})) == spec_hash(spec_of())


def test_every_field_of_the_spec_is_on_one_of_the_two_sides() -> None:
    known = {*REACHES, *STAYS, "objectives", "searchSpace", "notifications"}
    fields = {field.alias or name for name, field in TTSStudySpec.model_fields.items()}
    assert fields == known


def test_the_order_of_parameters_does_not_matter() -> None:
    one = spec_of(fixedParameters={"epochs": 9, "batch_size": 8})
    other = spec_of(fixedParameters={"batch_size": 8, "epochs": 9})
    assert spec_hash(one) == spec_hash(other)
    assert spec_hash(one).startswith("sha256:")
