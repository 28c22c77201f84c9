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

LABEL_NAME: Final = "app.kubernetes.io/name"
LABEL_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
LABEL_COMPONENT: Final = "app.kubernetes.io/component"
LABEL_STUDY: Final = f"{GROUP}/study"
LABEL_STUDY_UID: Final = f"{GROUP}/study-uid"
LABEL_TRIAL: Final = f"{GROUP}/trial"
LABEL_ATTEMPT: Final = f"{GROUP}/attempt"
LABEL_PURPOSE: Final = f"{GROUP}/purpose"
LABEL_DASHBOARD: Final = f"{GROUP}/dashboard"
"""On everything of a page: `mlflow`, `tensorboard`, `optuna` or `demo`."""
LABEL_QUEUE: Final = "kueue.x-k8s.io/queue-name"

ANNOTATION_DOCUMENT: Final = f"{GROUP}/document-sha256"
"""On an attempt's ConfigMap: the hash of what is in it."""
ANNOTATION_STOPPING: Final = f"{GROUP}/stopping"
"""On a Job that we suspend: the StopReason."""
ANNOTATION_SOURCE: Final = f"{GROUP}/source"
"""On a Job that publishes a voice: which one."""
ANNOTATION_RESET: Final = f"{GROUP}/reset"
"""On a study, by a person: another value than before begins the study anew."""
ANNOTATION_RETRY: Final = f"{GROUP}/retry-after"
"""On a study, by a person: failures before this moment (RFC 3339) no longer count."""
ANNOTATION_OPEN: Final = f"{GROUP}/open-dashboards"
"""On a study, by a person: pages that went to sleep before this moment (RFC 3339) are wanted again."""
ANNOTATION_IDLE: Final = f"{GROUP}/idle-since"
"""On a page's Deployment of no replicas: when nobody had looked for long enough."""
LABEL_SETTLED: Final = f"{GROUP}/settled"
"""On a failed Job that is recorded and only kept to be looked at."""
FINALIZER: Final = f"{GROUP}/cleanup"
ANNOTATION_PREPARED: Final = f"{GROUP}/prepared"
"""On the claim: the hash of the `spec.dataset` that lies prepared on it."""
ANNOTATION_PROMOTED: Final = f"{GROUP}/promoted"
"""On the claim: the source of the voice in `best/`, behind the study's folder."""
ANNOTATION_PAGE: Final = f"{GROUP}/page"
"""On a Job that publishes: how many trials had ended then. On the claim: of how many the page beside the voice tells, behind the study's
folder."""
ANNOTATION_WARM_START: Final = f"{GROUP}/warm-start"
"""On the claim: whose voice the study's trials begin with."""
ANNOTATION_IMAGE: Final = f"{GROUP}/image"
"""On the claim: as JSON, image, pull policy and pull secrets of the pod that published, for another that reads the voice."""

CONTAINER: Final = "trainer"
"""The one container of a study's pods."""
VOLUME: Final = "study"
"""Their volume with the study's claim."""
MOUNT: Final = "/study"
"""Where it is mounted."""
DATA: Final = "/data"
"""Where the dataset's claim is mounted, in the pod that prepares it."""
WARM_START: Final = "/warm-start"
"""Where an earlier study's voice is mounted, in pods that begin with it."""
WARM_START_VOLUME: Final = "warm-start"
"""Their volume with that study's claim."""
CONFIG: Final = "/etc/tacotune"
"""Where an attempt's ConfigMap is mounted."""
STORAGE_URL: Final = "TACOTUNE_STORAGE_URL"
"""Environment variable with the DSN that trials report to."""
METRICS_PORT: Final = "TACOTRAIN_METRICS_PORT"
"""Environment variable with the port at which a trial answers Prometheus."""
METRICS_PORT_NAME: Final = "metrics"
"""Of that port in the pod; PodMonitors look for it."""
LOG_FORMAT: Final = "TACOTRAIN_LOG_FORMAT"
"""Environment variable: whether the trainer's lines are `text` or `json`."""
TELEGRAM_TOKEN: Final = "TACOTUNE_TELEGRAM_TOKEN"  # noqa: S105  a name
"""Environment variable with the bot's token; on one machine, and in the pod that publishes a voice."""
APPRISE_URL: Final = "TACOTUNE_APPRISE_URL"
"""Environment variable with Apprise's URLs; as above."""
TELEGRAM_URL: Final = "TACOTUNE_TELEGRAM_URL"
"""Environment variable with a Bot API server of one's own."""
ANNOUNCE: Final = "TACOTUNE_ANNOUNCE"
"""Environment variable that has `tacotrain publish` show the voice to a chat."""
READER_STORAGE_URL: Final = "TACOTUNE_READER_STORAGE_URL"
"""Environment variable with the DSN that pages are read from."""
MLFLOW_STORAGE_URL: Final = "TACOTUNE_MLFLOW_STORAGE_URL"
"""Environment variable with the DSN of MLflow's own database."""
TERMINATION_LOG: Final = "TACOTUNE_TERMINATION_LOG"
"""Environment variable that moves the termination message; on one machine only."""

ATTRIBUTE_PREFIX = "tacotune:"
ATTRIBUTE_ATTEMPTS = "tacotune:attempts"
ATTRIBUTE_PRUNE = "tacotune:prune"
ATTRIBUTE_PROGRESS = "tacotune:progress"
ATTRIBUTE_SPEC_HASH = "tacotune:specHash"
ATTRIBUTE_METRICS = "tacotune:metrics"
ATTRIBUTE_CHECKPOINT = "tacotune:checkpoint"
ATTRIBUTE_MESSAGE = "tacotune:message"

MAX_NAME = 63
MAX_JOB_NAME: Final = 60
"""Pods of an Indexed Job are called `<job>-<index>`, and that is a host name."""


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
    return shorten(study, MAX_JOB_NAME - len(tail)) + tail


def publish_job_name(study: str, source: str) -> str:
    """One name for each voice that is published: `<study>-publish-<hash of its source>`."""
    tail = f"-publish-{hashlib.sha256(source.encode()).hexdigest()[:8]}"
    return shorten(study, MAX_JOB_NAME - len(tail)) + tail


def export_pod_name(study: str, token: str) -> str:
    """A pod through which a person copies the best voice: one for each copy."""
    tail = f"-export-{token}"
    return shorten(study, MAX_NAME - len(tail)) + tail


def checkpoints_claim_name(study: str) -> str:
    """The claim that every pod of a study mounts."""
    return f"{study}-checkpoints"


def study_directory(uid: str, reset: str = "") -> str:
    """Folder of a study on its volume, which may outlive it: nothing of an earlier study, or from before a reset, is taken for its own."""
    if not reset:
        return uid[:8]
    return f"{uid[:8]}-{hashlib.sha256(reset.encode()).hexdigest()[:8]}"


def storage_secret_name(study: str) -> str:
    """The Secret with the DSN that the study's trials report to."""
    return f"{study}-storage"


def dashboard_name(study: str, dashboard: str) -> str:
    """A page's Deployment, Service and Ingress: `<study>-mlflow`; a Service's name begins with a letter, a study's need not."""
    tail = f"-{dashboard}"
    return shorten(study if study[0].isalpha() else f"study-{study}", MAX_NAME - len(tail)) + tail


def dashboards_secret_name(study: str) -> str:
    """The Secret with the DSNs that the study's pages read by."""
    return f"{study}-dashboards"


def workers_service_name(study: str) -> str:
    """The headless Service that gives workers host names; a Service's name begins with a letter, a study's need not."""
    return shorten(f"workers-{study}")


def trial_directory(purpose: str, trial: int) -> str:
    """Folder of a trial below the study's: shared by all its attempts."""
    return f"trials/{trial:04d}" if purpose == "trial" else purpose
