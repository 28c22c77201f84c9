"""The Secret with the DSN that a study's trials report to."""

import base64
from typing import Final

from tacotune.api import names
from tacotune.api.kubernetes import SecretKey
from tacotune.api.study_key import StudyKey
from tacotune.manifests.common import Manifest, Platform, labels, metadata

KEY: Final = "uri"


def storage_secret(study: StudyKey, platform: Platform, uri: str) -> Manifest:
    """The Secret, for a study without `spec.storage`."""
    # `data`, for server-side apply would own the write-only `stringData` and never see what became of it.
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata(
            study, platform, names.storage_secret_name(study.name), labels(study, "storage")
        ),
        "type": "Opaque",
        "data": {KEY: base64.b64encode(uri.encode()).decode()},
    }


def storage_secret_key(study: StudyKey) -> SecretKey:
    """Where a pod finds the DSN in it."""
    return SecretKey(name=names.storage_secret_name(study.name), key=KEY)
