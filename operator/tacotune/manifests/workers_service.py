"""The headless Service that gives the workers of distributed trials host names."""

from tacotune.api import names
from tacotune.api.study_key import StudyKey
from tacotune.manifests.common import Manifest, Platform, labels, metadata


def workers_service(study: StudyKey, platform: Platform) -> Manifest:
    """One for all Jobs of a study: each pod resolves as `<job>-<index>.<service>`."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(
            study, platform, names.workers_service_name(study.name), labels(study, "workers")
        ),
        "spec": {
            "clusterIP": "None",
            # Workers meet before any of them is ready.
            "publishNotReadyAddresses": True,
            "selector": {names.LABEL_MANAGED_BY: "tacotune", names.LABEL_STUDY_UID: study.uid},
        },
    }
