"""Object names, labels, annotations and attributes: functions of the study's name and the trial's number, nowhere else made."""

import hashlib
from typing import Final

GROUP: Final = "tacotune.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = "tacotune.dev/v1alpha1"
KIND: Final = "TTSStudy"
PLURAL = "ttsstudies"
SINGULAR = "ttsstudy"
SHORT_NAME = "tts"

LABEL_STUDY = f"{GROUP}/study"
LABEL_TRIAL = f"{GROUP}/trial"
LABEL_ATTEMPT = f"{GROUP}/attempt"
LABEL_PURPOSE = f"{GROUP}/purpose"

ATTRIBUTE_PREFIX = "tacotune:"
ATTRIBUTE_ATTEMPTS = "tacotune:attempts"
ATTRIBUTE_PRUNE = "tacotune:prune"
ATTRIBUTE_PROGRESS = "tacotune:progress"
ATTRIBUTE_SPEC_HASH = "tacotune:specHash"
ATTRIBUTE_METRICS = "tacotune:metrics"
ATTRIBUTE_CHECKPOINT = "tacotune:checkpoint"
ATTRIBUTE_MESSAGE = "tacotune:message"

MAX_NAME = 63


def shorten(name: str, limit: int = MAX_NAME) -> str:
    """Cut a name that is too long, keeping it unique by a hash of the whole."""
    if len(name) <= limit:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: limit - 9].rstrip('-.')}-{digest}"


def job_name(study: str, purpose: str, trial: int, attempt: int) -> str:
    """`<study>-<trial>-<attempt>`; `<study>-final-<attempt>` and `<study>-prepare-<attempt>` for the other two purposes."""
    middle = str(trial) if purpose == "trial" else purpose
    tail = f"-{middle}-{attempt}"
    return shorten(study, MAX_NAME - len(tail)) + tail


def trial_directory(purpose: str, trial: int) -> str:
    """Folder of a trial below the study's: shared by all its attempts."""
    return f"trials/{trial:04d}" if purpose == "trial" else purpose
