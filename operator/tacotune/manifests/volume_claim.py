"""The claim that every pod of a study mounts: prepared dataset, checkpoints, samples, best voice."""

from tacotune.api import names
from tacotune.api.study import TTSStudySpec
from tacotune.api.study_key import StudyKey
from tacotune.manifests.common import Manifest, Platform, labels, metadata


def volume_claim(study: StudyKey, platform: Platform, spec: TTSStudySpec) -> Manifest:
    """The claim; with `deletionPolicy: Retain` nobody owns it, so that voices outlive their study."""
    volume = spec.checkpoints.volume
    claim: Manifest = {
        "accessModes": list(volume.access_modes),
        "resources": {"requests": {"storage": volume.size}},
    }
    if volume.storage_class_name is not None:
        claim["storageClassName"] = volume.storage_class_name
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata(
            study,
            platform,
            names.checkpoints_claim_name(study.name),
            labels(study, "checkpoints"),
            owned=spec.deletion_policy == "Delete",
        ),
        "spec": claim,
    }
