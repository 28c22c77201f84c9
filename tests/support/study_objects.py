"""Every Kubernetes object that one study can bring about, built as the operator builds them."""

from collections.abc import Mapping
from typing import Any

from tacotune.api.hashing import spec_hash
from tacotune.api.names import job_name, publish_job_name
from tacotune.api.study import TTSStudy
from tacotune.api.study_key import StudyKey
from tacotune.manifests.common import Manifest, Platform
from tacotune.manifests.prepare_job import prepare_job
from tacotune.manifests.publish_job import publish_job
from tacotune.manifests.storage_secret import storage_secret, storage_secret_key
from tacotune.manifests.trial_config import trial_config_map
from tacotune.manifests.trial_job import trial_job
from tacotune.manifests.volume_claim import volume_claim
from tacotune.manifests.warm_start import EarlierVoice
from tacotune.manifests.workers_service import workers_service

PLATFORM = Platform(
    trainer_image="registry.example/tacotune/trainer:0.1.0",
    image_pull_secrets=("registry",),
    extra_labels={"team": "speech"},
)
UID = "3f2b8a1e-0000-4000-8000-000000000001"
SOURCE = "trial/7/checkpoints/step-00000250"


def objects_of(study: TTSStudy, platform: Platform = PLATFORM) -> list[Manifest]:
    """Claim, Secret, Service, and one Job of each purpose with its ConfigMap."""
    meta, spec = study.metadata, study.spec
    ref = StudyKey(meta.namespace, meta.name, meta.uid or UID)
    found = [volume_claim(ref, platform, spec), storage_secret(ref, platform, "postgresql://trial@db/optuna")]
    if spec.trainer.workers > 1:
        found.append(workers_service(ref, platform))
    prepare = ["prepare", "--out", "/study/prepared", "--language", spec.dataset.language]
    found.append(
        prepare_job(
            ref, platform, spec, attempt=1, name=job_name(meta.name, "prepare", -1, 1), arguments=prepare
        )
    )
    for purpose, attempt in (("trial", 2), ("final", 1)):
        name = job_name(meta.name, purpose, 7, attempt)
        document = {
            "purpose": purpose,
            "trial": 7,
            "attempt": attempt,
            "specHash": spec_hash(spec),
            "parameters": {"learning_rate": 0.001},
        }
        found.append(trial_config_map(ref, platform, name, document))
        found.append(
            trial_job(
                ref,
                platform,
                spec,
                purpose=purpose,
                trial=7,
                attempt=attempt,
                name=name,
                storage_secret=spec.storage.secret_ref if spec.storage else storage_secret_key(ref),
                deadline_seconds=spec.active_deadline_seconds,
                warm_start=EarlierVoice("first-voice", "0b2f3c4d") if spec.warm_start is not None else None,
            )
        )
    found.append(
        publish_job(
            ref,
            platform,
            spec,
            name=publish_job_name(meta.name, SOURCE),
            root="/study",
            document=published(SOURCE),
            storage_secret=spec.storage.secret_ref if spec.storage else storage_secret_key(ref),
        )
    )
    return found


def published(source: str = SOURCE) -> Mapping[str, Any]:
    """A document for `tacotrain publish`."""
    purpose, trial, checkpoint = source.split("/", 2)
    return {
        "source": source,
        "purpose": purpose,
        "trial": int(trial),
        "checkpoint": checkpoint,
        "parameters": {"learning_rate": 0.001},
        "preset": "base",
    }
