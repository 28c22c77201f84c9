"""What all objects of a study share: whose they are, their labels, and what the chart has decided about their pods."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tacotune.api import names
from tacotune.api.study_key import StudyKey

Manifest = dict[str, Any]

MOUNT: Final = names.MOUNT
DATA: Final = names.DATA
CONFIG: Final = names.CONFIG
DOCUMENT: Final = "trial.json"
"""Key of an attempt's ConfigMap, and the file below CONFIG."""


@dataclass(frozen=True, slots=True)
class Platform:
    """What is the same for all studies of an installation."""

    trainer_image: str
    """For studies that name none themselves."""
    image_pull_policy: str = "IfNotPresent"
    image_pull_secrets: tuple[str, ...] = ()
    termination_grace_seconds: int = 120
    """Long enough to write a checkpoint."""
    run_as_user: int = 10001
    """Also the group, and the group of the volume's files."""
    metrics_port: int = 9090
    """Where trials answer Prometheus; 0: nowhere."""
    log_format: str = "text"
    """Of all pods of studies: `text` for people, or `json`."""
    extra_labels: Mapping[str, str] = field(default_factory=dict)


def labels(
    study: StudyKey,
    component: str,
    *,
    purpose: str | None = None,
    trial: int | None = None,
    attempt: int | None = None,
) -> dict[str, str]:
    """Labels of an object; an attempt says which one it is. A negative trial (prepare has none) gets no label."""
    result = {
        names.LABEL_NAME: "tacotune",
        names.LABEL_MANAGED_BY: "tacotune",
        names.LABEL_COMPONENT: str(component),
        names.LABEL_STUDY: study.name,
        names.LABEL_STUDY_UID: study.uid,
    }
    if purpose is not None:
        result[names.LABEL_PURPOSE] = str(purpose)
    if trial is not None and trial >= 0:
        result[names.LABEL_TRIAL] = str(trial)
    if attempt is not None:
        result[names.LABEL_ATTEMPT] = str(attempt)
    return result


def selector(study: StudyKey) -> str:
    """Label selector of everything that belongs to one study, and to no earlier one of the same name."""
    return f"{names.LABEL_MANAGED_BY}=tacotune,{names.LABEL_STUDY_UID}={study.uid}"


def owner_reference(study: StudyKey) -> Manifest:
    """The study as controller: what it owns goes with it."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "name": study.name,
        "uid": study.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def metadata(
    study: StudyKey,
    platform: Platform,
    name: str,
    own_labels: Mapping[str, str],
    *,
    owned: bool = True,
    annotations: Mapping[str, str] | None = None,
) -> Manifest:
    """An object's metadata; our own labels win over the chart's."""
    result: Manifest = {
        "name": name,
        "namespace": study.namespace,
        "labels": {**platform.extra_labels, **own_labels},
    }
    if annotations:
        result["annotations"] = dict(annotations)
    if owned:
        result["ownerReferences"] = [owner_reference(study)]
    return result
