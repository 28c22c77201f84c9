"""`trainer.workers` above 1: the same Job, indexed, each pod starting a process a GPU and meeting the others at index 0.

`tacotrain launch` starts them as torchrun would, and ends with the exit code of the contract, where torchrun ends with 1. The
rendezvous is static (node rank = index), so rank 0, which writes checkpoints and results, is always in the pod of index 0.
"""

from typing import Any, Final

from tacotune.api import names
from tacotune.api.study_key import StudyKey
from tacotune.manifests.common import Manifest

PORT: Final = 29500
SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108  where NCCL's processes of one pod meet


def worker_pod(
    template: Manifest, study: StudyKey, job_name: str, *, workers: int, processes: int
) -> Manifest:
    """The pod of one worker; needs `workers_service`, and its Job indexed.

    Args:
        template: A trainer's pod.
        study: Whose Service it is.
        job_name: Names the pods, and so their hosts.
        workers: How many pods there are.
        processes: In each of them, one for a GPU.
    """
    service = names.workers_service_name(study.name)
    pod = template["spec"]
    (trainer,) = pod["containers"]
    container: dict[str, Any] = {
        **trainer,
        "command": [
            "tacotrain",
            "launch",
            f"--nnodes={workers}",
            f"--nproc-per-node={processes}",
            "--node-rank=$(JOB_COMPLETION_INDEX)",
            f"--master-addr={job_name}-0.{service}",
            f"--master-port={PORT}",
            "--",
        ],
        "ports": [*trainer.get("ports", ()), {"name": "rendezvous", "containerPort": PORT}],
        "volumeMounts": [*trainer["volumeMounts"], {"name": "shm", "mountPath": SHARED_MEMORY}],
    }
    return {
        **template,
        "spec": {
            **pod,
            # Makes the host name, which the Job controller sets to Job and index, resolve.
            "subdomain": service,
            "containers": [container],
            "volumes": [*pod["volumes"], {"name": "shm", "emptyDir": {"medium": "Memory"}}],
        },
    }


def indexed(job: Manifest, workers: int) -> Manifest:
    """The Job with that many pods instead of one."""
    content = job["spec"]
    disrupted, *others = content["podFailurePolicy"]["rules"]
    # The others cannot go on without the one that was taken away: they all start again, as the next attempt.
    rules = [{**disrupted, "action": "FailJob"}, *others]
    changes = {
        "completionMode": "Indexed",
        "completions": workers,
        "parallelism": workers,
        "podFailurePolicy": {"rules": rules},
    }
    return {**job, "spec": {**content, **changes}}
