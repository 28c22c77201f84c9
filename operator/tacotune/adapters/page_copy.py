"""Copying the study page from a study's volume to this machine, as `voice_copy` copies the voice that it lies beside."""

import tempfile
from pathlib import Path
from typing import Final

from tacotune.adapters.kube_user import User
from tacotune.adapters.voice_copy import Tell, receive
from tacotune.api.study import TTSStudy
from tacotune.manifests.common import Platform
from tacotune.ports import Missing, PermanentError

PAGE: Final = "report.html"


def copy_page(
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
    """Copy the page beside the published voice; the file that was there stays until the new one is whole.

    Args:
        user: Who copies.
        study: Whose page.
        platform: Image and pull secrets of the pod.
        folder: Of the voice on the volume.
        target: File of this machine.
        token: Tells this copy's pod from others.
        seconds: How long the pod may take to start.
        tell: Is told what goes on.

    Raises:
        Missing: No page was made.
        Forbidden: The person may not make pods here, or run anything in them.
        ClusterUnavailable: The pod does not start, or the copy broke off.
        PermanentError: The file cannot be written.
    """
    metadata = study.metadata
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as beside:
            receive(
                user,
                study,
                platform,
                f"{folder}/{PAGE}",
                Path(beside),
                token=token,
                seconds=seconds,
                tell=tell,
            )
            (Path(beside) / PAGE).replace(target)
    except Missing as error:
        raise Missing(
            f"study {metadata.name} has no page beside its best voice: it is made when a voice is published, if the trainer's image "
            f"has tacotrain's extra `report` and the database answers; the pod that publishes says why not: "
            f"kubectl logs -n {metadata.namespace} -l app.kubernetes.io/component=publish,tacotune.dev/study={metadata.name}"
        ) from error
    except OSError as error:
        raise PermanentError(f"{target} cannot be written: {error}") from error
