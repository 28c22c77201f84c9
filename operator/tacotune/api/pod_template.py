"""`spec.trainer.podTemplate`: what a user may not change in a trainer's pod, for the trial contract would break.

The rest is theirs: nodes and tolerations, further containers and volumes, environment, even the security context. The merge
itself is `manifests.merge`.
"""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, Final

from tacotune.api import names
from tacotune.api.findings import Finding, Loc
from tacotune.api.pod_fields import PATCH, field_findings

SHORTEST_GRACE_SECONDS: Final = 10

_OF_TRAINER: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "args": ("says what tacotune wants of an attempt", "trainer parameters belong into fixedParameters"),
        "command": (
            "would start something else than the trainer",
            "make it the entry point of trainer.image",
        ),
        "resources": ("would escape the count of GPU hours", "set trainer.resources"),
        "restartPolicy": ("would hide how an attempt ended", "spec.retry says when there is another"),
        "restartPolicyRules": ("would hide how an attempt ended", "spec.retry says when there is another"),
        "terminationMessagePath": ("is where results are read", "leave it out"),
        "terminationMessagePolicy": ("would put logs where results are read", "leave it out"),
    }
)
"""Fields of the trainer's container that are not the user's: why, and what to do instead."""
_OF_POD: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "ephemeralContainers": ("no pod can be created with them", "kubectl debug adds one later"),
    }
)
_OF_WORKER: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "hostname": (
            "would keep workers from finding each other",
            "leave it out, or set trainer.workers to 1",
        ),
        "subdomain": (
            "would keep workers from finding each other",
            "leave it out, or set trainer.workers to 1",
        ),
    }
)
_VARIABLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        names.STORAGE_URL: "spec.storage.secretRef names another database",
        names.TERMINATION_LOG: "results are read where Kubernetes looks for them",
    }
)
_SINGLY: Final = "change what is yours one by one"
_OUR_VOLUMES: Final = frozenset([names.VOLUME, names.WARM_START_VOLUME, "trial", "dataset"])
_CHANGEABLE_VOLUMES: Final = frozenset(["tmp", "shm"])
"""Ours too, but on any medium and of any size."""
_OUR_PREFIXES: Final = (f"{names.GROUP}/", "batch.kubernetes.io/")
_OUR_LABELS: Final = frozenset([names.LABEL_NAME, names.LABEL_MANAGED_BY, names.LABEL_COMPONENT])


def check_pod_template(template: Mapping[str, Any], *, workers: int = 1) -> Iterator[Finding]:
    """What is wrong with a template; places are counted from it."""
    yield from field_findings(template)
    yield from _kept({"template": template}, "template", ())
    yield from _kept(template, "metadata")
    yield from _kept(template, "spec")
    metadata, spec = template.get("metadata"), template.get("spec")
    if isinstance(metadata, dict):
        for finding in _metadata_findings(metadata):
            yield finding.below("metadata")
    if isinstance(spec, dict):
        for finding in _pod_findings(spec, workers):
            yield finding.below("spec")


def _metadata_findings(metadata: Mapping[str, Any]) -> Iterator[Finding]:
    for field in metadata:
        if field not in {"annotations", "labels"} and not field.startswith("$"):
            yield Finding((field,), "is not a pod template's to say", "labels and annotations are")
    yield from _kept(metadata, "labels")
    labels = metadata.get("labels")
    for name in labels if isinstance(labels, dict) else ():
        if name == names.LABEL_QUEUE:
            yield Finding(("labels", name), "belongs to the Job", "set trainer.queueName")
        elif name in _OUR_LABELS or name.startswith(_OUR_PREFIXES):
            yield Finding(("labels", name), "is how tacotune finds its pods", "choose another label")


def _pod_findings(spec: Mapping[str, Any], workers: int) -> Iterator[Finding]:
    yield from _refused(spec, {**_OF_POD, **(_OF_WORKER if workers > 1 else {})})
    if "restartPolicy" in spec and spec["restartPolicy"] != "Never":
        yield Finding(
            ("restartPolicy",), "must be Never: a Job is one attempt", "spec.retry says when there is another"
        )
    grace = spec.get("terminationGracePeriodSeconds")
    if isinstance(grace, int) and grace < SHORTEST_GRACE_SECONDS:
        yield Finding(
            ("terminationGracePeriodSeconds",),
            f"{grace} s are too short to write a checkpoint",
            f"at least {SHORTEST_GRACE_SECONDS}",
        )
    yield from _kept(spec, "containers")
    yield from _kept(spec, "volumes")
    for index, volume in _items(spec, "volumes"):
        name = volume.get("name")
        if name in _OUR_VOLUMES or (name in _CHANGEABLE_VOLUMES and volume.get(PATCH) == "delete"):
            yield Finding(("volumes", index, "name"), f"{name} is tacotune's volume", "choose another name")
    for index, container in _items(spec, "initContainers"):
        if container.get("name") == names.CONTAINER:
            yield Finding(
                ("initContainers", index, "name"),
                f"{names.CONTAINER} is tacotune's container",
                "choose another name",
            )
    for index, container in _items(spec, "containers"):
        if container.get("name") == names.CONTAINER:
            for finding in _trainer_findings(container):
                yield finding.below("containers", index)


def _trainer_findings(container: Mapping[str, Any]) -> Iterator[Finding]:
    yield from _kept({names.CONTAINER: container}, names.CONTAINER, ())
    yield from _refused(container, _OF_TRAINER)
    yield from _kept(container, "env")
    yield from _kept(container, "volumeMounts")
    for index, variable in _items(container, "env"):
        if hint := _VARIABLES.get(str(variable.get("name"))):
            yield Finding(("env", index, "name"), f"{variable['name']} is tacotune's", hint)
    for index, mount in _items(container, "volumeMounts"):
        path = mount.get("mountPath")
        if isinstance(path, str) and (hidden := _hidden(path)):
            yield Finding(("volumeMounts", index, "mountPath"), f"would hide {hidden}", "mount it elsewhere")


def _hidden(path: str) -> str:
    """The place of ours that a mount at this path would cover, at least in part."""
    for own in (names.MOUNT, names.CONFIG, names.DATA, names.WARM_START):
        if PurePosixPath(path).is_relative_to(own):
            return own
    return ""


def _refused(part: Mapping[str, Any], fields: Mapping[str, tuple[str, str]]) -> Iterator[Finding]:
    for field, (message, hint) in fields.items():
        if field in part:
            yield Finding((field,), message, hint)


def _kept(part: Mapping[str, Any], field: str, loc: Loc | None = None) -> Iterator[Finding]:
    """What holds something of ours cannot go, nor be replaced as a whole."""
    if field not in part:
        return
    place = (field,) if loc is None else loc
    value = part[field]
    if value is None:
        yield Finding(place, "cannot be taken out: tacotune needs what is in it")
    elif isinstance(value, dict) and PATCH in value:
        yield Finding((*place, PATCH), f"cannot {value[PATCH]} it: tacotune needs what is in it", _SINGLY)
    for index, item in _items(part, field):
        if item.keys() == {PATCH}:
            what = f"cannot {item[PATCH]} all {field}: some are tacotune's"
            yield Finding((*place, index, PATCH), what, _SINGLY)


def _items(part: Mapping[str, Any], field: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    value = part.get(field)
    for index, item in enumerate(value if isinstance(value, list) else ()):
        if isinstance(item, dict):
            yield index, item
