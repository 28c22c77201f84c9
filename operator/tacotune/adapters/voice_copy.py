"""Copying a study's best voice from its volume to this machine: a pod that reads, a tar through it, and every hash compared.

    best/ on the claim  ->  reader pod  ->  kubectl exec … tar  ->  .DIR.<random> beside the target  ->  verified  ->  DIR

The pod is deleted whatever happens; should this process be killed, the pod ends by itself (`manifests.reader_pod`).
"""

import hashlib
import json
import shutil
import signal
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tacotune.adapters.kube_api import Forbidden, collection
from tacotune.adapters.kube_user import User
from tacotune.adapters.kubectl import KubeFlags, kubectl, last_words
from tacotune.adapters.study_pods import await_start
from tacotune.api import names
from tacotune.api.study import TTSStudy
from tacotune.api.study_key import StudyKey
from tacotune.manifests.common import MOUNT, Manifest, Platform
from tacotune.manifests.reader_pod import DEADLINE_SECONDS, reader_pod
from tacotune.ports import ClusterUnavailable, Missing, PermanentError, TacotuneError

DOCUMENT: Final = "best.json"
PARTS: Final = (DOCUMENT, "checkpoint", "samples", "alignments", "report.html")
"""What `tacotrain publish` leaves in `best/`; nothing else is replaced in a folder that is there."""
NOT_THERE: Final = 66
"""Exit code of the pod's tar when there is nothing of that name."""
_CHUNK: Final = 1 << 20
# Python's own tar: an image of somebody's own has Python, for tacotrain runs in it, and may lack the program.
_TAR: Final = (
    "import os, sys, tarfile\n"
    f"if not os.path.exists(sys.argv[1]): sys.exit({NOT_THERE})\n"
    "with tarfile.open(fileobj=sys.stdout.buffer, mode='w|') as tar:\n"
    "    tar.add(sys.argv[1], arcname=os.path.basename(sys.argv[1]))"
)
Tell = Callable[[str], None]


def published_folder(annotations: dict[str, str] | None, study: TTSStudy) -> tuple[str, str]:
    """Where on the volume the best voice lies, and its source (`trial/7/checkpoints/step-00000250`).

    Raises:
        Missing: None is published yet.
    """
    metadata = study.metadata
    folder, _, source = (annotations or {}).get(names.ANNOTATION_PROMOTED, "").partition("/")
    reset = metadata.annotations.get(names.ANNOTATION_RESET, "")
    # Of an earlier study of the same name, or from before a reset that was asked for, is none of this study's.
    ours = (
        folder == names.study_directory(metadata.uid, reset) if reset else folder.startswith(metadata.uid[:8])
    )
    if not source or not ours:
        raise Missing(
            f"study {metadata.name} has no best voice yet: one is published as soon as a first trial completes; "
            f"`kubectl get tts {metadata.name} -n {metadata.namespace}` says how far it is"
        )
    return f"{folder}/best", source


def platform_of(annotations: dict[str, str] | None, study: TTSStudy, image: str) -> Platform:
    """What to read with: the image that is named, else the one that published, else the study's own.

    Raises:
        Missing: None of them is known.
    """
    try:
        noted: Any = json.loads((annotations or {}).get(names.ANNOTATION_IMAGE, "{}"))
        platform = Platform(
            trainer_image=image or str(noted.get("image", "")) or study.spec.trainer.image,
            image_pull_policy=str(noted.get("imagePullPolicy", "IfNotPresent")),
            image_pull_secrets=tuple(map(str, noted.get("imagePullSecrets", ()))),
        )
    except (ValueError, AttributeError, TypeError) as error:
        raise PermanentError(
            f"annotation {names.ANNOTATION_IMAGE} of the volume cannot be read: {error}; give --image"
        ) from error
    if not platform.trainer_image:
        raise Missing(
            "which image can read the volume is not known: give --image, such as tacotune/trainer:0.1.0"
        )
    return platform


def copy_voice(
    user: User,
    study: TTSStudy,
    platform: Platform,
    folder: str,
    target: Path,
    *,
    token: str,
    seconds: float,
    tell: Tell,
) -> None:
    """Copy `best/`, compare every hash, and put it in place of what `target` has of an earlier copy.

    Args:
        user: Who copies.
        study: Whose voice.
        platform: Image and pull secrets of the pod.
        folder: Of the voice on the volume.
        target: Folder of this machine; made when it is missing.
        token: Tells this copy's pod from others.
        seconds: How long the pod may take to start.
        tell: Is told what goes on.

    Raises:
        Forbidden: The person may not make pods here, or run anything in them.
        ClusterUnavailable: The pod does not start, or the copy broke off.
        PermanentError: What came does not match its hashes.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as beside:
            fresh = Path(beside)
            # What is in the folder, not the folder.
            receive(user, study, platform, f"{folder}/.", fresh, token=token, seconds=seconds, tell=tell)
            verify(fresh)
            put_in_place(fresh, target)
    except OSError as error:
        raise PermanentError(f"{target} cannot be written: {error}") from error


def receive(
    user: User,
    study: TTSStudy,
    platform: Platform,
    source: str,
    target: Path,
    *,
    token: str,
    seconds: float,
    tell: Tell,
) -> None:
    """Copy a file or a folder of the study's volume into a folder of this machine, through a pod that goes in the end.

    Raises:
        Missing: There is nothing of that name.
        Forbidden: The person may not make pods here, or run anything in them.
        ClusterUnavailable: The pod does not start, or the copy broke off.
    """
    reference = StudyKey(study.metadata.namespace, study.metadata.name, study.metadata.uid)
    # The image that is to be read with wins over the study's.
    trainer = study.spec.trainer.model_copy(update={"image": platform.trainer_image})
    spec = study.spec.model_copy(update={"trainer": trainer})
    name = names.export_pod_name(reference.name, token)
    body = reader_pod(reference, platform, spec, name=name)
    with _running(user, body, seconds=seconds, tell=tell):
        _receive(user.flags, name, f"{MOUNT}/{source}", target, tell)


@contextmanager
def _running(user: User, body: Manifest, *, seconds: float, tell: Tell) -> Iterator[None]:
    pods, name = collection(user.namespace, "pods"), body["metadata"]["name"]
    # An answer that does not come does not say that no pod was made.
    made = True
    try:
        with _undisturbed():
            try:
                user.api.create(pods, body)
            except Forbidden as error:
                made = False
                raise Forbidden(
                    f"the voice is read through a pod, which cannot be made in namespace {user.namespace}: {error}"
                ) from error
        tell(f"pod {name} reads the volume")
        found = await_start(user.api, user.namespace, name, tell=tell, seconds=seconds)
        if found["status"]["phase"] != "Running":
            said = found["status"].get("message") or "its image has no python3"
            raise ClusterUnavailable(f"pod {name} ended before anything was read: {said}")
        yield
    finally:
        if made:
            _delete(user, f"{pods}/{name}", tell)


def _delete(user: User, path: str, tell: Tell) -> None:
    try:
        with _undisturbed():
            user.api.delete(path)
    except TacotuneError as error:
        minutes = DEADLINE_SECONDS // 60
        tell(f"a pod may be left ({error}); it ends by itself within {minutes} minutes")


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let Ctrl-C wait a moment: between a request and its answer nobody knows whether there is a pod to delete."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _receive(flags: KubeFlags, pod: str, source: str, target: Path, tell: Tell) -> None:
    command = kubectl(flags, "exec", pod, "-c", names.CONTAINER, "--", "python3", "-c", _TAR, source)
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors) as process,  # noqa: S603  kubectl, arguments as a list
    ):
        assert process.stdout is not None
        trouble = ""
        try:
            with tarfile.open(fileobj=process.stdout, mode="r|") as tar:
                for member in tar:
                    if member.isfile():
                        tell(f"{member.name.removeprefix('./')}, {member.size / 2**20:.1f} MiB")
                    # Nothing may lead out of the folder: what is on the volume is a trainer's work, not ours.
                    tar.extract(member, target, filter="data")
            process.stdout.read()
            process.wait()
        except tarfile.TarError as error:
            trouble = str(error)
        finally:
            process.kill()
        if process.wait() == NOT_THERE:
            raise Missing(f"{source} is not on the volume")
        if process.returncode != 0 or trouble:
            raise ClusterUnavailable(
                f"the copy from pod {pod} broke off: {last_words(errors) or trouble}; run it again"
            )


def verify(folder: Path) -> None:
    """Compare every file of a voice with the sha256 that stands in its best.json.

    Raises:
        PermanentError: One is missing or differs, or best.json cannot be read.
    """
    try:
        files: dict[str, Any] = json.loads((folder / DOCUMENT).read_text("utf-8"))["files"]
        expected = {path: str(entry["sha256"]) for path, entry in files.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PermanentError(f"{DOCUMENT} of the voice cannot be read: {error}") from error
    for path, digest in expected.items():
        found = folder / path
        if not found.is_file() or _sha256(found) != digest:
            # A better voice may have been published while this one was read.
            raise PermanentError(
                f"{path} does not match its sha256 in {DOCUMENT}; nothing was kept, run it again"
            )


def put_in_place(fresh: Path, target: Path) -> None:
    """Move a voice into a folder; what lies there of an earlier one goes."""
    target.mkdir(exist_ok=True)
    for part in PARTS:
        before = target / part
        if before.is_dir():
            shutil.rmtree(before)
        before.unlink(missing_ok=True)
        if (fresh / part).exists():
            (fresh / part).rename(before)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
