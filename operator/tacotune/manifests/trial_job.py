"""The Job of one attempt at a trial, or at the final training."""

from tacotune.api import names
from tacotune.api.kubernetes import SecretKey
from tacotune.api.resources import gpus
from tacotune.api.study import TTSStudySpec
from tacotune.api.study_key import StudyKey
from tacotune.manifests.common import CONFIG, DOCUMENT, Manifest, Platform, labels
from tacotune.manifests.distributed import indexed, worker_pod
from tacotune.manifests.job import job
from tacotune.manifests.pod import pod_template
from tacotune.manifests.warm_start import EarlierVoice, warm_start_volumes


def trial_job(
    study: StudyKey,
    platform: Platform,
    spec: TTSStudySpec,
    *,
    purpose: str,
    trial: int,
    attempt: int,
    name: str,
    storage_secret: SecretKey,
    deadline_seconds: int | None,
    warm_start: EarlierVoice | None = None,
) -> Manifest:
    """The Job that mounts the ConfigMap of the same name and trains by it.

    Args:
        study: Who owns it.
        platform: What the chart has decided.
        spec: `trainer` and `trainer.podTemplate` shape the pod.
        purpose: `trial` or `final`.
        trial: Its number.
        attempt: Counted from 1.
        name: Of the Job and of its ConfigMap, by `api.names.job_name`.
        storage_secret: Where the DSN lies.
        deadline_seconds: After which Kubernetes ends it, if ever.
        warm_start: The voice that its document says to begin with.
    """
    own = labels(study, purpose, purpose=purpose, trial=trial, attempt=attempt)
    secret = {"name": storage_secret.name, "key": storage_secret.key}
    config = {"name": "trial", "configMap": {"name": name}}
    metrics = platform.metrics_port
    template = pod_template(
        study,
        platform,
        spec,
        own,
        arguments=["train", "--trial", f"{CONFIG}/{DOCUMENT}"],
        resources=spec.trainer.resources,
        env=[
            {"name": names.STORAGE_URL, "valueFrom": {"secretKeyRef": secret}},
            *([{"name": names.METRICS_PORT, "value": str(metrics)}] if metrics else []),
        ],
        ports=[{"name": names.METRICS_PORT_NAME, "containerPort": metrics}] if metrics else (),
        volumes=[
            (config, {"name": "trial", "mountPath": CONFIG, "readOnly": True}),
            *warm_start_volumes(study, warm_start),
        ],
    )
    workers = spec.trainer.workers
    if workers > 1:
        processes = max(gpus(spec.trainer.resources), 1)
        template = worker_pod(template, study, name, workers=workers, processes=processes)
    whole = job(study, platform, spec, template, name=name, labels=own, deadline_seconds=deadline_seconds)
    return indexed(whole, workers) if workers > 1 else whole
