"""The ConfigMap of one attempt: its `trial.json`, fixed when the trial was asked."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from tacotune.api import names
from tacotune.api.study_key import StudyKey
from tacotune.manifests.common import DOCUMENT, Manifest, Platform, labels, metadata


def trial_config_map(
    study: StudyKey, platform: Platform, job_name: str, document: Mapping[str, Any]
) -> Manifest:
    """The ConfigMap that the Job of that name mounts; no later edit of the study reaches it."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2) + "\n"
    purpose = str(document["purpose"])
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(
            study,
            platform,
            job_name,
            labels(study, purpose, purpose=purpose, trial=document["trial"], attempt=document["attempt"]),
            annotations={names.ANNOTATION_DOCUMENT: f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"},
        ),
        "immutable": True,
        "data": {DOCUMENT: text},
    }
