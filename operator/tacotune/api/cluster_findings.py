"""What a cluster would refuse only when a pod is made, or never get done: found in the manifest instead. Called by `study`."""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from tacotune.api.findings import Finding, Loc
from tacotune.api.kubernetes import CheckpointSpec, DatasetSpec, TrainerSpec
from tacotune.api.pod_template import check_pod_template
from tacotune.api.resources import resource_findings

ONE_POD: Final = "ReadWriteOncePod"
_MODES: Final[Loc] = ("checkpoints", "volume", "accessModes")


def trainer_pod_findings(trainer: TrainerSpec) -> Iterator[Finding]:
    """Resources and podTemplate; places are counted from the spec, here and below."""
    for finding in resource_findings(trainer.resources):
        yield finding.below("trainer", "resources")
    for finding in check_pod_template(trainer.pod_template or {}, workers=trainer.workers):
        yield finding.below("trainer", "podTemplate")


def volume_findings(
    dataset: DatasetSpec, checkpoints: CheckpointSpec, *, parallelism: int, workers: int
) -> Iterator[Finding]:
    """The volumes that a trainer's pods mount."""
    modes = checkpoints.volume.access_modes
    if ONE_POD in modes and len(modes) > 1:
        yield Finding(_MODES, f"{ONE_POD} cannot be combined with others", "keep one of them")
    elif ONE_POD in modes and parallelism * workers > 1:
        yield Finding(
            _MODES,
            f"{ONE_POD} lets one pod at a time run, not {parallelism * workers}",
            "choose ReadWriteMany",
            involves=(("parallelism",), ("trainer", "workers")),
        )
    claim = dataset.persistent_volume_claim
    if claim is not None:
        path = PurePosixPath(claim.sub_path)
        if path.is_absolute() or ".." in path.parts:
            yield Finding(
                ("dataset", "persistentVolumeClaim", "subPath"),
                f"{claim.sub_path} leads out of the volume",
                "write a path below its root, without a leading slash",
            )
