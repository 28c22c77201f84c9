"""`trainer.workers` above 1: the same Job, indexed, each pod running torchrun and meeting the others at index 0.

The rendezvous is static (node rank = index), so rank 0, which writes checkpoints and results, is always in the pod of index 0.
"""

from typing import Any, Final

from tacotune.api import names
from tacotune.api.resources import gpus
from tacotune.api.study import TTSStudySpec
from tacotune.manifests.common import Manifest, StudyRef
from tacotune.manifests.pod import CONTAINER

PORT: Final = 29500
SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108  NCCL's, within the pod


def distribute(job: Manifest, study: StudyRef, spec: TTSStudySpec) -> Manifest:
    """The Job with `workers` pods instead of one; needs `workers_service`."""
    workers = spec.trainer.workers
    service = names.workers_service_name(study.name)
    master = f"{job['metadata']['name']}-0.{service}"
    content = job["spec"]
    pod = content["template"]["spec"]
    containers = [
        _with_torchrun(container, workers, max(gpus(spec.trainer.resources), 1), master)
        if container["name"] == CONTAINER
        else container
        for container in pod["containers"]
    ]
    disrupted, *others = content["podFailurePolicy"]["rules"]
    return {
        **job,
        "spec": {
            **content,
            "completionMode": "Indexed",
            "completions": workers,
            "parallelism": workers,
            # The others cannot go on without the one that was taken away: they all start again, as the next attempt.
            "podFailurePolicy": {"rules": [{**disrupted, "action": "FailJob"}, *others]},
            "template": {
                **content["template"],
                "spec": {
                    **pod,
                    # The host name is the Job's name and the index: the Job controller gives it.
                    "subdomain": service,
                    "containers": containers,
                    "volumes": [*pod["volumes"], {"name": "shm", "emptyDir": {"medium": "Memory"}}],
                },
            },
        },
    }


def _with_torchrun(container: dict[str, Any], workers: int, processes: int, master: str) -> dict[str, Any]:
    return {
        **container,
        "command": [
            "torchrun",
            f"--nnodes={workers}",
            f"--nproc-per-node={processes}",
            "--node-rank=$(JOB_COMPLETION_INDEX)",
            f"--master-addr={master}",
            f"--master-port={PORT}",
            "--module",
            "tacotrain",
        ],
        "ports": [*container.get("ports", []), {"name": "rendezvous", "containerPort": PORT}],
        "volumeMounts": [*container["volumeMounts"], {"name": "shm", "mountPath": SHARED_MEMORY}],
    }
