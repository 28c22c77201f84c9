"""The pod through which a person copies the best voice: it sees the study's volume, changes nothing there, and ends by itself."""

from typing import Any, Final

from tacotune.api import names
from tacotune.api.resources import Resources
from tacotune.api.study import TTSStudySpec
from tacotune.api.study_key import StudyKey
from tacotune.manifests.common import Manifest, Platform
from tacotune.manifests.merge import merge_pod_template
from tacotune.manifests.pod import pod_template

MANAGED_BY: Final = "kubectl-tacotune"
"""Not the operator: it counts what is managed by `tacotune` as an attempt, and its network policies let that reach Postgres."""
RESOURCES: Final[Resources] = {
    "requests": {"cpu": "100m", "memory": "128Mi"},
    "limits": {"cpu": "1", "memory": "512Mi"},
}
"""It copies files."""
DEADLINE_SECONDS: Final = 3600
"""When it ends, should nobody have deleted it."""
PLACEMENT: Final = frozenset(
    {
        "affinity",
        "imagePullSecrets",
        "nodeSelector",
        "priorityClassName",
        "schedulerName",
        "securityContext",
        "tolerations",
    }
)
"""Of `spec.trainer.podTemplate`: where a pod runs and who it is. Nothing else of it is needed to read."""
_IDLE: Final = ["python3", "-c", f"import time; time.sleep({DEADLINE_SECONDS})"]


def reader_pod(study: StudyKey, platform: Platform, spec: TTSStudySpec, *, name: str) -> Manifest:
    """The pod; it goes with its study at the latest.

    Args:
        study: Whose volume.
        platform: Names the image where the study does not.
        spec: `trainer` says where pods of this study may run.
        name: By `api.names.export_pod_name`.
    """
    labels = {
        names.LABEL_NAME: "tacotune",
        names.LABEL_MANAGED_BY: MANAGED_BY,
        names.LABEL_COMPONENT: "export",
        names.LABEL_STUDY: study.name,
    }
    template = pod_template(study, platform, spec, labels, arguments=(), resources=RESOURCES)
    given = spec.trainer.pod_template or {}
    placed = {
        "metadata": {"annotations": given.get("metadata", {}).get("annotations", {})},
        "spec": {field: value for field, value in given.get("spec", {}).items() if field in PLACEMENT},
    }
    merged = merge_pod_template(template, placed)
    pod: dict[str, Any] = merged["spec"]
    (container,) = pod["containers"]
    container.pop("args")
    container["command"] = list(_IDLE)
    for mount in container["volumeMounts"]:
        if mount["name"] == names.VOLUME:
            mount["readOnly"] = True
    pod |= {
        "activeDeadlineSeconds": DEADLINE_SECONDS,
        # There is nothing that it could lose.
        "terminationGracePeriodSeconds": 1,
    }
    metadata = merged["metadata"] | {
        "name": name,
        "namespace": study.namespace,
        "ownerReferences": [
            {"apiVersion": names.API_VERSION, "kind": names.KIND, "name": study.name, "uid": study.uid}
        ],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod}
