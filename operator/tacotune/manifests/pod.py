"""The pod of every Job of a study: one container, `trainer`, that may do no more than train."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tacotune.api import names
from tacotune.api.resources import Resources
from tacotune.api.study import TTSStudySpec
from tacotune.api.study_key import StudyKey
from tacotune.manifests.common import MOUNT, Manifest, Platform

TMP: Final = "/tmp"  # noqa: S108  an emptyDir of the pod's own


def pod_template(
    study: StudyKey,
    platform: Platform,
    spec: TTSStudySpec,
    labels: Mapping[str, str],
    *,
    arguments: Sequence[str],
    resources: Resources,
    env: Sequence[Manifest] = (),
    ports: Sequence[Manifest] = (),
    volumes: Sequence[tuple[Manifest, Manifest]] = (),
) -> Manifest:
    """The pod as it is before `spec.trainer.podTemplate` is merged into it.

    Args:
        study: Whose volume is mounted.
        platform: What the chart has decided.
        spec: Names the image.
        labels: Of the pod.
        arguments: Of `tacotrain`, the image's entry point.
        resources: Requests and limits of the container.
        env: Further environment variables.
        ports: Of the container.
        volumes: Further volumes, each with its mount.
    """
    own: list[tuple[Manifest, Manifest]] = [
        (
            {
                "name": names.VOLUME,
                "persistentVolumeClaim": {"claimName": names.checkpoints_claim_name(study.name)},
            },
            {"name": names.VOLUME, "mountPath": MOUNT},
        ),
        ({"name": "tmp", "emptyDir": {}}, {"name": "tmp", "mountPath": TMP}),
    ]
    both = [*own, *volumes]
    text = platform.log_format == "text"
    spoken = [] if text else [{"name": names.LOG_FORMAT, "value": platform.log_format}]
    container: dict[str, Any] = {
        "name": names.CONTAINER,
        "image": spec.trainer.image or platform.trainer_image,
        "imagePullPolicy": platform.image_pull_policy,
        "args": list(arguments),
        # Libraries keep caches at home, and the root is read-only.
        "env": [{"name": "HOME", "value": TMP}, *spoken, *env],
        "volumeMounts": [mount for _, mount in both],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }
    if ports:
        container["ports"] = list(ports)
    if resources:
        container["resources"] = {
            kind: {name: str(amount) for name, amount in amounts.items()}
            for kind, amounts in resources.items()
        }
    user = platform.run_as_user
    pod: Manifest = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": platform.termination_grace_seconds,
        "automountServiceAccountToken": False,
        # Dozens of variables that no trainer reads, and TACOTUNE_* among them where a Service is called so.
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": user,
            "runAsGroup": user,
            "fsGroup": user,
            # A volume full of checkpoints is not walked at every start.
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [volume for volume, _ in both],
    }
    if platform.image_pull_secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in platform.image_pull_secrets]
    return {"metadata": {"labels": {**platform.extra_labels, **labels}}, "spec": pod}
