"""Which pod of a study a person means, and what it says: behind `kubectl tacotune logs`."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tacotune.adapters.job_view import why_waiting
from tacotune.adapters.kube_api import Document, KubeApi, collection
from tacotune.adapters.kube_user import User
from tacotune.api import names
from tacotune.api.study import TTSStudy
from tacotune.api.study_key import StudyKey
from tacotune.engine.observed import Purpose
from tacotune.manifests.common import selector
from tacotune.ports import ClusterUnavailable, InvalidStudy, Missing

POLL_SECONDS: Final = 1.0
_INDEX: Final = "batch.kubernetes.io/job-completion-index"


@dataclass(frozen=True, slots=True)
class StudyPod:
    """One pod of an attempt."""

    name: str
    purpose: Purpose
    trial: int
    """-1 where the purpose is none of a trial's."""
    attempt: int
    worker: int
    phase: str
    created: str

    @property
    def title(self) -> str:
        """`trial 3, attempt 2`."""
        what = f"trial {self.trial}" if self.purpose is Purpose.TRIAL else self.purpose.value
        return f"{what}, attempt {self.attempt}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which pod is meant; what is None is left to `choose`."""

    purpose: Purpose | None = None
    trial: int | None = None
    attempt: int | None = None
    before: bool = False
    """The attempt before the newest."""
    worker: int = 0


def study_pods(user: User, study: TTSStudy) -> list[StudyPod]:
    """All pods of a study's attempts that are there."""
    metadata = study.metadata
    reference = StudyKey(metadata.namespace, metadata.name, metadata.uid)
    found = user.api.list(collection(user.namespace, "pods"), selector(reference))
    return [pod for document in found if (pod := _pod(document)) is not None]


def choose(pods: Sequence[StudyPod], wanted: Wanted) -> StudyPod:
    """The pod that is meant: of the newest attempt, where none is named; the newest that runs, where nothing is.

    Raises:
        Missing: There is no such pod (any more); the message says which there are.
    """
    found = [
        pod
        for pod in pods
        if wanted.purpose in {None, pod.purpose}
        and wanted.trial in {None, pod.trial}
        and wanted.attempt in {None, pod.attempt}
        and wanted.worker == pod.worker
    ]
    if wanted.purpose is None and wanted.attempt is None and not wanted.before:
        found = [pod for pod in found if pod.phase == "Running"] or found
    # Of one attempt the newest pod: those before it were taken away by the platform.
    newest = sorted(found, key=lambda pod: (pod.created, pod.attempt, pod.name))
    if wanted.before and newest:
        last = newest[-1]
        newest = [
            pod for pod in newest if pod.attempt < last.attempt and _same(pod, last)
        ]  # fmt: skip
    if not newest:
        raise Missing(f"{_words(wanted)}; {_there(pods)}")
    return newest[-1]


def _same(one: StudyPod, other: StudyPod) -> bool:
    return (one.purpose, one.trial) == (other.purpose, other.trial)


def _words(wanted: Wanted) -> str:
    what = wanted.purpose.value if wanted.purpose is not None else "the study"
    if wanted.trial is not None:
        what = f"trial {wanted.trial}"
    if wanted.before:
        return f"no pod of {what} is left from an attempt before its newest"
    attempt = f", attempt {wanted.attempt}" if wanted.attempt is not None else ""
    worker = f", worker {wanted.worker}" if wanted.worker else ""
    return f"no pod of {what}{attempt}{worker} is there"


def _there(pods: Sequence[StudyPod]) -> str:
    titles = dict.fromkeys(pod.title for pod in sorted(pods, key=lambda p: (p.trial, p.attempt)))
    found = f"there are: {'; '.join(titles)}" if titles else "none has any"
    return f"{found}. A pod goes as soon as its trial is told; those of the last failures stay"


def _pod(document: Document) -> StudyPod | None:
    metadata = document["metadata"]
    labels = metadata.get("labels", {})
    try:
        return StudyPod(
            name=metadata["name"],
            purpose=Purpose(labels[names.LABEL_PURPOSE]),
            trial=int(labels.get(names.LABEL_TRIAL, -1)),
            attempt=int(labels[names.LABEL_ATTEMPT]),
            worker=int(metadata.get("annotations", {}).get(_INDEX, 0)),
            phase=document.get("status", {}).get("phase", "Pending"),
            created=metadata.get("creationTimestamp", ""),
        )
    except (KeyError, ValueError):
        return None  # It publishes a voice, and is no attempt.


def read_log(
    user: User, pod: str, *, follow: bool, tail: int | None, timestamps: bool, tell: Callable[[str], None]
) -> Iterator[bytes]:
    """What a pod's trainer has said; with `follow` until it ends, and from its start on when it has yet to start.

    Args:
        user: Who reads.
        pod: Its name.
        follow: Go on.
        tail: Only so many lines of what was said before.
        timestamps: When each line was written.
        tell: Is told what the pod waits for.

    Raises:
        ClusterUnavailable: It has not started, and is not waited for.
    """
    await_start(user.api, user.namespace, pod, tell=tell, seconds=math.inf if follow else 0.0)
    query = {
        "container": names.CONTAINER,
        "follow": str(follow).lower(),
        "timestamps": str(timestamps).lower(),
    }
    if tail is not None:
        query["tailLines"] = str(tail)
    try:
        yield from user.api.stream(f"{collection(user.namespace, 'pods')}/{pod}/log", **query)
    except InvalidStudy as error:
        # The API server's word for a container that is not there yet.
        raise ClusterUnavailable(str(error)) from error


def await_start(
    api: KubeApi,
    namespace: str,
    pod: str,
    *,
    tell: Callable[[str], None],
    seconds: float,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Document:
    """Wait until a pod's container has started; what it waits for is told when it changes.

    Raises:
        Missing: The pod is gone.
        ClusterUnavailable: It has not started in so many seconds.
    """
    deadline, told = clock() + seconds, ""
    while True:
        found = api.get(f"{collection(namespace, 'pods')}/{pod}")
        if found is None:
            raise Missing(f"pod {pod} is gone")
        if found.get("status", {}).get("phase") in {"Running", "Succeeded", "Failed"}:
            return found
        reason = ": ".join(filter(None, why_waiting({}, found))) or "its container is being created"
        if clock() >= deadline:
            raise ClusterUnavailable(f"pod {pod} has not started: {reason}")
        if reason != told:
            tell(f"pod {pod} waits: {reason}")
            told = reason
        sleep(POLL_SECONDS)
