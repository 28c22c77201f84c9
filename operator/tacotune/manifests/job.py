"""The Job around a pod: it never starts a pod again by itself, unless the platform took the pod away."""

from collections.abc import Mapping
from typing import Final

from tacotune.api import names
from tacotune.api.study import TTSStudySpec
from tacotune.api.study_key import StudyKey
from tacotune.api.trial_contract import ExitCode
from tacotune.manifests.common import Manifest, Platform, metadata
from tacotune.manifests.merge import merge_pod_template

PERMANENT: Final = (ExitCode.USAGE, ExitCode.BAD_DATA, ExitCode.PERMISSION)
"""Exit codes that no other attempt would better."""


def job(
    study: StudyKey,
    platform: Platform,
    spec: TTSStudySpec,
    template: Manifest,
    *,
    name: str,
    labels: Mapping[str, str],
    deadline_seconds: int | None,
) -> Manifest:
    """The Job of a pod, `spec.trainer.podTemplate` merged into it.

    Retries by cause are the operator's: backoffLimit is 0. A disrupted pod is replaced at once by the Job itself, but not
    before it is gone, for two trainers must not share a directory.
    """
    own = dict(labels)
    if spec.trainer.queue_name:
        own[names.LABEL_QUEUE] = spec.trainer.queue_name
    content: Manifest = {
        "backoffLimit": 0,
        "completions": 1,
        "parallelism": 1,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {
            "rules": [
                {
                    "action": "Ignore",
                    "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
                },
                {
                    "action": "FailJob",
                    "onExitCodes": {
                        "containerName": names.CONTAINER,
                        "operator": "In",
                        "values": sorted(PERMANENT),
                    },
                },
            ]
        },
        "template": merge_pod_template(template, spec.trainer.pod_template or {}),
    }
    if deadline_seconds is not None:
        content["activeDeadlineSeconds"] = deadline_seconds
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata(study, platform, name, own),
        "spec": content,
    }
