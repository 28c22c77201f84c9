"""Small manifests for tests that run the real command with the real trainer."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

TINY_MODEL = {
    # Narrow enough that forty steps take two seconds; every part of the model is there.
    "embedding_dim": 16,
    "encoder_dim": 16,
    "prenet_dim": 16,
    "attention_rnn_dim": 24,
    "attention_dim": 12,
    "location_filters": 4,
    "location_kernel": 7,
    "decoder_rnn_dim": 24,
    "postnet_dim": 16,
    "reduction_factor": 4,
    "batch_size": 8,
    "evaluation_utterances": 8,
    "free_run_utterances": 4,
    "sample_utterances": 1,
    "griffin_lim_iterations": 4,
    "evaluate_every_steps": 10,
}


def manifest(name: str = "small", **changes: Any) -> dict[str, Any]:
    """A study of seconds: 64 utterances, a very narrow model."""
    fixed = {**TINY_MODEL, "epochs": 4, **changes.pop("fixedParameters", {})}
    spec: dict[str, Any] = {
        "searchSpace": [
            {"name": "learning_rate", "float": {"low": 1e-3, "high": 3e-2, "log": True}},
            {"name": "guided_attention_weight", "float": {"low": 0.5, "high": 20.0, "log": True}},
        ],
        "fixedParameters": fixed,
        "sampler": {"name": "tpe", "seed": 1, "startupTrials": 2},
        "maxTrials": 3,
        "parallelism": 2,
        "earlyStopping": {"enabled": False},
        "retry": {"backoff": {"initialSeconds": 0.1, "maxSeconds": 1}},
        "dataset": {"language": "en", "speech": {"utterances": 64, "validation": 8}},
        "trainer": {"preset": "tiny", "threads": 1},
        "checkpoints": {"everySteps": 5, "keep": 2},
    }
    spec.update(changes)
    return {
        "apiVersion": "tacotune.dev/v1alpha1",
        "kind": "TTSStudy",
        "metadata": {"name": name},
        "spec": spec,
    }


def write(folder: Path, document: dict[str, Any]) -> Path:
    """Write a manifest and return its path."""
    path = folder / f"{document['metadata']['name']}.yaml"
    with path.open("w") as file:
        YAML().dump(document, file)
    return path
