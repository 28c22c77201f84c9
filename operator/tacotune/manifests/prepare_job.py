"""The Job that checks the dataset and prepares it on the study's volume, once for all trials."""

from collections.abc import Sequence

from tacotune.api.resources import is_gpu
from tacotune.api.study import TTSStudySpec
from tacotune.api.study_key import StudyKey
from tacotune.manifests.common import DATA, Manifest, Platform, labels
from tacotune.manifests.job import job
from tacotune.manifests.pod import pod_template


def prepare_job(
    study: StudyKey,
    platform: Platform,
    spec: TTSStudySpec,
    *,
    attempt: int,
    name: str,
    arguments: Sequence[str],
    deadline_seconds: int | None = None,
) -> Manifest:
    """The Job; a claim of recordings is mounted read-only at DATA.

    Args:
        study: Who owns it.
        platform: What the chart has decided.
        spec: `dataset`, and `trainer`, whose GPUs are not asked for.
        attempt: Counted from 1.
        name: By `api.names.job_name`.
        arguments: Of `tacotrain`: `["prepare", "--out", "/study/prepared", …]`.
        deadline_seconds: After which Kubernetes ends it, if ever.
    """
    own = labels(study, "prepare", purpose="prepare", attempt=attempt)
    claim = spec.dataset.persistent_volume_claim
    volumes: list[tuple[Manifest, Manifest]] = []
    if claim is not None:
        mount = {"name": "dataset", "mountPath": DATA, "readOnly": True}
        if claim.sub_path:
            mount["subPath"] = claim.sub_path
        source = {"claimName": claim.claim_name, "readOnly": True}
        volumes.append(({"name": "dataset", "persistentVolumeClaim": source}, mount))
    resources = {
        kind: {resource: amount for resource, amount in amounts.items() if not is_gpu(resource)}
        for kind, amounts in spec.trainer.resources.items()
    }
    template = pod_template(
        study, platform, spec, own, arguments=arguments, resources=resources, volumes=volumes
    )
    return job(study, platform, spec, template, name=name, labels=own, deadline_seconds=deadline_seconds)
