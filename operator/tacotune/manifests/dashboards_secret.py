"""The Secret with the DSNs of a study's pages; apart from the trials', which may not read what these read."""

import base64
from collections.abc import Mapping

from tacotune.api import names
from tacotune.api.study_key import StudyKey
from tacotune.manifests.common import Manifest, Platform, labels, metadata


def dashboards_secret(study: StudyKey, platform: Platform, urls: Mapping[str, str]) -> Manifest:
    """The Secret; `urls` by key."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata(
            study, platform, names.dashboards_secret_name(study.name), labels(study, "dashboards")
        ),
        "type": "Opaque",
        "data": {key: base64.b64encode(url.encode()).decode() for key, url in urls.items()},
    }
