"""The Job that publishes one checkpoint as the study's best voice, in /study/best."""

import json
from collections.abc import Mapping
from typing import Any, Final

from tacotune.api.resources import Resources
from tacotune.api.study import TTSStudySpec
from tacotune.api.study_key import StudyKey
from tacotune.manifests.common import Manifest, Platform, labels
from tacotune.manifests.job import job
from tacotune.manifests.pod import pod_template

RESOURCES: Final[Resources] = {
    "requests": {"cpu": "100m", "memory": "128Mi"},
    "limits": {"cpu": "1", "memory": "512Mi"},
}
"""It copies files."""
DEADLINE_SECONDS: Final = 3600


def publish_job(
    study: StudyKey,
    platform: Platform,
    spec: TTSStudySpec,
    *,
    name: str,
    root: str,
    document: Mapping[str, Any],
) -> Manifest:
    """The Job; `document` says purpose, trial, checkpoint, source, parameters and preset (docs/trial-contract.md).

    Args:
        study: Who owns it.
        platform: What the chart has decided.
        spec: `trainer` shapes the pod.
        name: By `api.names.publish_job_name`.
        root: The study's folder on its volume.
        document: What is published.
    """
    own = labels(study, "publish")
    text = json.dumps(document, ensure_ascii=False, allow_nan=False)
    # Kubernetes would read $(NAME) in an argument as a variable; $$ stands for one $.
    arguments = ["publish", "--root", root, "--document", text.replace("$(", "$$(")]
    template = pod_template(study, platform, spec, own, arguments=arguments, resources=RESOURCES)
    return job(study, platform, spec, template, name=name, labels=own, deadline_seconds=DEADLINE_SECONDS)
