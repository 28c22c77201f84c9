"""A Kubernetes Job and its pods become an `ObservedJob`. Pure; called by `kubernetes`.

What a Job says is not enough: its conditions tell that it failed, its pods tell why. What counts is the newest pod that ran;
pods that the platform took away before it (DisruptionTarget) were replaced by the Job controller itself. Of several workers'
pods the one counts that knows why all of them ended.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from tacotune.api import names
from tacotune.api.names import CONTAINER
from tacotune.api.resources import gpus
from tacotune.api.trial_contract import ExitCode, Published, Termination, TrialResult
from tacotune.engine.classify import SIGKILL_BY_MEMORY, SIGKILL_BY_OTHERS
from tacotune.engine.dataset import NO_TRIAL
from tacotune.engine.observed import JobPhase, ObservedJob, Purpose

LABEL_JOB: Final = "batch.kubernetes.io/job-name"
"""By which the Job controller says whose a pod is."""
DISRUPTED: Final = "DisruptionTarget"
DEADLINE: Final = "DeadlineExceeded"
MAX_MESSAGE: Final = 500
_FOR_OTHERS: Final[Mapping[int | None, int]] = MappingProxyType(
    {
        ExitCode.CHECKPOINTED: 1,
        ExitCode.TERMINATED: 1,
        ExitCode.DEVICE_UNAVAILABLE: 2,
        # Not for want of memory: at the end of its grace.
        ExitCode.KILLED: 3,
    }
)
"""Ends that another worker's end brings about, and how much they say all the same."""

Document = Mapping[str, Any]
T = TypeVar("T", TrialResult, Termination, Published)


def observed_job(job: Document, pods: Sequence[Document]) -> ObservedJob | None:
    """One attempt as the engine sees it; None for a Job that is not one of ours.

    Args:
        job: The Job.
        pods: All pods of the Job, in any order.
    """
    metadata, status = job["metadata"], job.get("status", {})
    labels = metadata.get("labels", {})
    try:
        purpose = Purpose(labels[names.LABEL_PURPOSE])
        trial, attempt = int(labels.get(names.LABEL_TRIAL, NO_TRIAL)), int(labels[names.LABEL_ATTEMPT])
    except (KeyError, ValueError):
        return None
    pod = _telling(pods)
    stopping = metadata.get("annotations", {}).get(names.ANNOTATION_STOPPING, "")
    phase = _phase(job, pods, stopping)
    said = _terminated(pod) if pod is not None and phase.ended else None
    code = _exit_code(said)
    if phase is JobPhase.SUCCEEDED and code is None:
        code = 0
    termination = _parse(Termination, said) if phase is JobPhase.FAILED else None
    started = _started(pod)
    return ObservedJob(
        name=metadata["name"],
        purpose=purpose,
        trial=trial,
        attempt=attempt,
        phase=phase,
        exit_code=code,
        reason=_reason(job, pod, phase, said, stopping),
        message=_message(job, pod, phase, said, termination)[:MAX_MESSAGE],
        result=_parse(TrialResult, said) if phase is JobPhase.SUCCEEDED else None,
        cuda_out_of_memory=termination is not None and termination.cuda_out_of_memory,
        created_at=_time(metadata.get("creationTimestamp")),
        started_at=started,
        ended_at=_ended(status, said) if phase.ended else None,
        stopping=stopping,
        gpus=_gpus(job["spec"]),
    )


def deleted_by_others(pods: Sequence[Document], jobs: Sequence[Document]) -> Iterator[ObservedJob]:
    """Attempts whose Job somebody deleted while a pod of it still writes its checkpoint: not over, so nothing takes their place."""
    there = {job["metadata"]["name"] for job in jobs}
    for pod in pods:
        labels, phase = pod["metadata"].get("labels", {}), pod.get("status", {}).get("phase")
        name = labels.get(LABEL_JOB, "")
        if name in there or phase not in {"Pending", "Running"} or names.LABEL_PURPOSE not in labels:
            continue
        yield ObservedJob(
            name=name,
            purpose=Purpose(labels[names.LABEL_PURPOSE]),
            trial=int(labels.get(names.LABEL_TRIAL, NO_TRIAL)),
            attempt=int(labels[names.LABEL_ATTEMPT]),
            phase=JobPhase.RUNNING,
            created_at=_time(pod["metadata"].get("creationTimestamp")),
            stopping="JobDeleted",
        )


def _gpus(spec: Document) -> int:
    pod = spec.get("template", {}).get("spec", {})
    each = sum(gpus(container.get("resources", {})) for container in pod.get("containers", []))
    return each * int(spec.get("completions", 1))


def _phase(job: Document, pods: Sequence[Document], stopping: str) -> JobPhase:
    status = job.get("status", {})
    conditions = dict(true_conditions(status))
    if "Complete" in conditions:
        return JobPhase.SUCCEEDED
    if "Failed" in conditions:
        return JobPhase.FAILED
    phases = [pod.get("status", {}).get("phase") for pod in pods]
    if phases.count("Succeeded") >= int(job["spec"].get("completions", 1)):
        # The Job controller will say so in a second; the GPU is free now.
        return JobPhase.SUCCEEDED
    if stopping and "Suspended" in conditions and not _alive(status, pods):
        # Suspended by us: it never goes on; its next attempt resumes from the checkpoint.
        return JobPhase.FAILED
    return JobPhase.RUNNING if "Running" in phases else JobPhase.PENDING


def _alive(status: Document, pods: Sequence[Document]) -> bool:
    """Whether anything of the Job may still write to its trial's directory."""
    if status.get("active", 0) or status.get("terminating", 0):
        return True
    return any(pod.get("status", {}).get("phase") in {"Pending", "Running"} for pod in pods)


def _telling(pods: Sequence[Document]) -> Document | None:
    """The pod whose end tells the Job's: the newest, and of an Indexed Job's workers the one that the others ended for."""
    newest = max((pod["metadata"].get("creationTimestamp", "") for pod in pods), default="")
    workers = [pod for pod in pods if _index(pod)]
    if workers:
        return max(pods, key=lambda pod: (_weight(pod), pod is _leader(pods)))
    return next((pod for pod in pods if pod["metadata"].get("creationTimestamp", "") == newest), None)


def _weight(pod: Document) -> int:
    """How much a worker's end says about the cause: where one is taken away or fails, the others miss it, stop or are ended."""
    said, code = _terminated(pod), _exit_code(_terminated(pod))
    if DISRUPTED in dict(true_conditions(pod.get("status", {}))):
        return 6
    if said is not None and said.get("reason") == SIGKILL_BY_MEMORY:
        return 5
    return {None: 0, ExitCode.OK: 0, **_FOR_OTHERS}.get(code, 4)


def _exit_code(said: Document | None) -> int | None:
    """What the trainer ended with: some launchers, such as torchrun, end with 1 whatever their workers ended with."""
    code: int | None = None if said is None else said.get("exitCode")
    termination = _parse(Termination, said) if code == ExitCode.CRASH else None
    return code if termination is None else termination.exit_code


def _leader(pods: Sequence[Document]) -> Document | None:
    return next((pod for pod in pods if not _index(pod)), None)


def _index(pod: Document) -> str:
    index = pod["metadata"].get("annotations", {}).get("batch.kubernetes.io/job-completion-index", "")
    return "" if index in {"", "0"} else str(index)


def _terminated(pod: Document | None) -> Mapping[str, Any] | None:
    for container in (pod or {}).get("status", {}).get("containerStatuses", []):
        if container.get("name") == CONTAINER:
            terminated = container.get("state", {}).get("terminated")
            return terminated if isinstance(terminated, dict) else None
    return None


def unannounced(pods: Sequence[Document], job: str) -> str:
    """Why the pod that published a voice showed it to nobody who was to see it; empty when all is well."""
    own = (pod for pod in pods if pod["metadata"].get("labels", {}).get(LABEL_JOB) == job)
    said = (_parse(Published, _terminated(pod)) for pod in own)
    return next((word.unannounced for word in said if word is not None), "")


def _reason(
    job: Document, pod: Document | None, phase: JobPhase, said: Document | None, stopping: str
) -> str:
    """The platform's word for what happened to the Job."""
    match phase:
        case JobPhase.PENDING:
            return why_waiting(job, pod)[0]
        case JobPhase.FAILED:
            return _failure(job, pod, said, stopping)
        case _:
            return ""


def _failure(job: Document, pod: Document | None, said: Document | None, stopping: str) -> str:
    failed = dict(true_conditions(job.get("status", {}))).get("Failed", {})
    if said is not None and said.get("reason") == SIGKILL_BY_MEMORY:
        return SIGKILL_BY_MEMORY
    if pod is not None and DISRUPTED in dict(true_conditions(pod.get("status", {}))):
        return DISRUPTED
    if failed.get("reason") == DEADLINE:
        return DEADLINE
    if said is None:
        # The pod is gone with its exit code: suspended and cleared away, deleted by hand, or lost with its node.
        return "Suspended" if stopping else "NodeLost"
    # The kernel's own word for want of memory is another: any other SIGKILL was not for it.
    return SIGKILL_BY_OTHERS if said.get("exitCode") == ExitCode.KILLED else ""


def _message(
    job: Document,
    pod: Document | None,
    phase: JobPhase,
    said: Document | None,
    termination: Termination | None,
) -> str:
    if phase is JobPhase.PENDING:
        return why_waiting(job, pod)[1]
    if phase is not JobPhase.FAILED:
        return ""
    if termination is not None and termination.message:
        return termination.message
    if said is not None and said.get("message"):
        return str(said["message"]).strip().splitlines()[-1]
    failed = dict(true_conditions(job.get("status", {}))).get("Failed", {})
    return str(failed.get("message", ""))


def why_waiting(job: Document, pod: Document | None) -> tuple[str, str]:
    """Why a Job's pod has not started: (one word, a sentence)."""
    status = job.get("status", {})
    if "Suspended" in dict(true_conditions(status)):
        return "Suspended", "waits for admission by its queue"
    if pod is None:
        # Quota and admission refuse pods; the Job controller says so in events only (`kube_events`).
        return "", ""
    for container in pod.get("status", {}).get("containerStatuses", []):
        waiting = container.get("state", {}).get("waiting", {})
        if waiting.get("reason") not in {None, "ContainerCreating", "PodInitializing"}:
            return str(waiting["reason"]), str(waiting.get("message", ""))
    for condition in pod.get("status", {}).get("conditions", []):
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return str(condition.get("reason", "Unschedulable")), str(condition.get("message", ""))
    return "", ""


def true_conditions(status: Document) -> Iterator[tuple[str, Document]]:
    """Conditions of a Job or pod that hold, by type."""
    for condition in status.get("conditions") or []:
        if condition.get("status") == "True":
            yield condition["type"], condition


def _started(pod: Document | None) -> datetime | None:
    for container in (pod or {}).get("status", {}).get("containerStatuses", []):
        if container.get("name") == CONTAINER:
            state = container.get("state", {})
            return _time((state.get("running") or state.get("terminated") or {}).get("startedAt"))
    return None


def _ended(status: Document, said: Document | None) -> datetime | None:
    if said is not None and (ended := _time(said.get("finishedAt"))) is not None:
        return ended
    moments = [_time(c.get("lastTransitionTime")) for _, c in true_conditions(status)]
    return max((moment for moment in moments if moment is not None), default=None)


def _parse(kind: type[T], said: Document | None) -> T | None:
    try:
        return kind.model_validate(json.loads(str((said or {}).get("message", ""))))
    except (json.JSONDecodeError, ValidationError):
        return None


def _time(text: str | None) -> datetime | None:
    """RFC 3339 as the API server writes it."""
    return datetime.fromisoformat(text).astimezone(UTC) if text else None
