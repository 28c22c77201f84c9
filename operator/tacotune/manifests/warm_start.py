"""`warmStart.weights: best` in a trial's pod: the earlier study's voice, and nothing else of it, mounted to be read only.

The voice lies in `best/` of that study's folder on that study's claim. Where it is the study's own claim (a study of the same name
was there before), it is mounted already.
"""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from tacotune.api import names
from tacotune.api.study_key import StudyKey
from tacotune.manifests.common import MOUNT, Manifest

VOLUME: Final = names.WARM_START_VOLUME


@dataclass(frozen=True, slots=True)
class EarlierVoice:
    """A published voice of another study of the namespace."""

    study: str
    """Name of the study."""
    folder: str
    """Its folder on its volume, by `api.names.study_directory`."""


def warm_start_checkpoint(study: StudyKey, voice: EarlierVoice) -> PurePosixPath:
    """Where a trial of `study` finds the voice's weights."""
    if voice.study == study.name:
        return PurePosixPath(MOUNT, voice.folder, "best", "checkpoint")
    return PurePosixPath(names.WARM_START, "checkpoint")


def warm_start_volumes(study: StudyKey, voice: EarlierVoice | None) -> list[tuple[Manifest, Manifest]]:
    """The volume that brings it there, with its mount; a pod must not name a claim twice."""
    if voice is None or voice.study == study.name:
        return []
    claim = {"claimName": names.checkpoints_claim_name(voice.study), "readOnly": True}
    mount = {
        "name": VOLUME,
        "mountPath": names.WARM_START,
        "subPath": f"{voice.folder}/best",
        "readOnly": True,
    }
    return [({"name": VOLUME, "persistentVolumeClaim": claim}, mount)]
