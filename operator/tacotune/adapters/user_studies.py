"""TTSStudies as a person reads and changes them through `kubectl tacotune`; errors say what is missing and the way out."""

from pydantic import ValidationError

from tacotune.adapters.clock import SystemClock
from tacotune.adapters.kube_api import Document, Forbidden, KubeApi, collection
from tacotune.adapters.kube_user import User
from tacotune.api import names
from tacotune.api.findings import did_you_mean
from tacotune.api.messages import complaints
from tacotune.api.status import TTSStudyStatus
from tacotune.api.study import TTSStudy
from tacotune.ports import InvalidStudy, Missing


def read_study(user: User, name: str) -> tuple[TTSStudy, TTSStudyStatus]:
    """A study and its status.

    Raises:
        Missing: There is none of that name, or the cluster knows no studies.
        Forbidden: The person may not read studies here.
        InvalidStudy: The cluster has let through what this tacotune does not understand.
    """
    try:
        body = user.api.get(f"{_path(user)}/{name}")
    except Forbidden as error:
        raise Forbidden(
            f"you may not read TTSStudies of namespace {user.namespace}: {error}; the ClusterRole `view` would do"
        ) from error
    if body is None:
        raise _missing(user, name)
    try:
        study = TTSStudy.from_manifest({part: value for part, value in body.items() if part != "status"})
    except ValidationError as error:
        found = "; ".join(str(complaint.finding) for complaint in complaints(error, body))
        raise InvalidStudy(f"study {name} cannot be used: {found}") from error
    return study, _status(body)


def set_suspend(user: User, name: str, *, suspend: bool) -> bool:
    """Suspend a study or let it go on; False when it was so already.

    Raises:
        Missing: There is none of that name.
        Forbidden: The person may not change studies here.
    """
    try:
        before = user.api.get(f"{_path(user)}/{name}")
        if before is None:
            raise _missing(user, name)
        if bool(before["spec"].get("suspend", False)) == suspend:
            return False
        after = user.api.merge(f"{_path(user)}/{name}", {"spec": {"suspend": suspend}})
    except Forbidden as error:
        raise Forbidden(
            f"you may not change TTSStudies of namespace {user.namespace}: {error}; the ClusterRole `edit` would do"
        ) from error
    if after is None:
        raise _missing(user, name)
    return True


def open_dashboards(user: User, name: str) -> None:
    """Say that pages which went to sleep are wanted again.

    Raises:
        Missing: There is none of that name.
        Forbidden: The person may not change studies here.
    """
    body = {"metadata": {"annotations": {names.ANNOTATION_OPEN: SystemClock().now().isoformat()}}}
    try:
        after = user.api.merge(f"{_path(user)}/{name}", body)
    except Forbidden as error:
        raise Forbidden(
            f"you may not change TTSStudies of namespace {user.namespace}: {error}; the ClusterRole `edit` would do"
        ) from error
    if after is None:
        raise _missing(user, name)


def claim_annotations(api: KubeApi, study: TTSStudy) -> dict[str, str] | None:
    """What pods and the operator have noted on the study's volume; None when there is none."""
    name = names.checkpoints_claim_name(study.metadata.name)
    claim = api.get(f"{collection(study.metadata.namespace, 'persistentvolumeclaims')}/{name}")
    return None if claim is None else claim["metadata"].get("annotations") or {}


def _missing(user: User, name: str) -> Missing:
    try:
        found = user.api.get(_path(user))
    except Forbidden:
        return Missing(f"there is no study {name} in namespace {user.namespace}")
    if found is None:
        return Missing(
            "this cluster knows no TTSStudies: install the chart (docs/kubernetes.md), or name another cluster with --context"
        )
    there = [item["metadata"]["name"] for item in found["items"]]
    hint = did_you_mean(name, there) or (f"there are: {', '.join(there[:20])}" if there else "there is none")
    return Missing(f"there is no study {name} in namespace {user.namespace}; {hint}; -n names another")


def _status(body: Document) -> TTSStudyStatus:
    """The status that stands there; an empty one where another version has written what we do not know."""
    try:
        return TTSStudyStatus.model_validate(body.get("status", {}))
    except ValidationError:
        return TTSStudyStatus()


def _path(user: User) -> str:
    return collection(user.namespace, names.PLURAL)
