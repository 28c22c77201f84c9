"""The Job that publishes one checkpoint as the study's best voice, in /study/best, with the study page beside it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tacotune.api import names
from tacotune.api.kubernetes import SecretKey
from tacotune.api.resources import Resources
from tacotune.api.study import TTSStudySpec
from tacotune.api.study_key import StudyKey
from tacotune.manifests.common import Manifest, Platform, labels
from tacotune.manifests.job import job
from tacotune.manifests.pod import pod_template

RESOURCES: Final[Resources] = {
    "requests": {"cpu": "100m", "memory": "256Mi"},
    "limits": {"cpu": "1", "memory": "1Gi"},
}
"""It copies files, and makes a page with sounds and pictures in it: docs/report.md has the measurement."""
_ON_PAGE: Final[dict[str, Any]] = {
    "objective": {"metric"},
    "objectives": {"__all__": {"metric"}},
    "sampler": {"name", "seed"},
    "pruner": {"name"},
    "trainer": {"preset"},
    "dataset": {"language"},
    "fixed_parameters": True,
    "max_trials": True,
    "parallelism": True,
}
"""Of the spec, what the page shows."""
DEADLINE_SECONDS: Final = 3600
PAGE_OF: Final = "TACOTUNE_PAGE_OF"
"""Environment variable with the study's name in Optuna's storage: `tacotrain publish` leaves its page in `best/`."""
PAGE_STUDY: Final = "TACOTUNE_PAGE_STUDY"
"""With what the page shows of the TTSStudy, as JSON."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """A Telegram chat that is to see and hear the voice; only the pod can read it."""

    token: SecretKey
    chat_id: str
    title: str
    url: str = ""
    """Of a Bot API server; Telegram's when empty."""


def publish_job(
    study: StudyKey,
    platform: Platform,
    spec: TTSStudySpec,
    *,
    name: str,
    root: str,
    document: Mapping[str, Any],
    storage_secret: SecretKey,
    announcement: Announcement | None = None,
) -> Manifest:
    """The Job; `document` says purpose, trial, checkpoint, source, parameters and preset (docs/trial-contract.md).

    The environment asks for the study page beside the voice, which the trainer makes when it can.

    Args:
        study: Who owns it.
        platform: What the chart has decided.
        spec: `trainer` shapes the pod.
        name: By `api.names.publish_job_name`.
        root: The study's folder on its volume.
        document: What is published.
        storage_secret: Where the DSN lies, for the page.
        announcement: Who is shown it.
    """
    own = labels(study, "publish")
    text = json.dumps(document, ensure_ascii=False, allow_nan=False)
    arguments = ["publish", "--root", root, "--document", _literal(text)]
    env = [*_page_env(study, spec, storage_secret), *_announcement_env(announcement)]
    template = pod_template(study, platform, spec, own, arguments=arguments, resources=RESOURCES, env=env)
    return job(study, platform, spec, template, name=name, labels=own, deadline_seconds=DEADLINE_SECONDS)


def _page_env(study: StudyKey, spec: TTSStudySpec, storage_secret: SecretKey) -> tuple[Manifest, ...]:
    # A voice is published without its page rather than not at all.
    secret = {"name": storage_secret.name, "key": storage_secret.key, "optional": True}
    return (
        {"name": PAGE_OF, "value": study.storage_name},
        {"name": PAGE_STUDY, "value": _literal(_page_study(study, spec))},
        {"name": names.READER_STORAGE_URL, "valueFrom": {"secretKeyRef": secret}},
    )


def _page_study(study: StudyKey, spec: TTSStudySpec) -> str:
    shown = spec.model_dump(mode="json", by_alias=True, exclude_none=True, include=_ON_PAGE)
    return json.dumps({"metadata": {"name": study.name}, "spec": shown}, ensure_ascii=False)


def _announcement_env(announcement: Announcement | None) -> tuple[Manifest, ...]:
    if announcement is None:
        return ()
    # Without the Secret the voice is published all the same.
    token = {"name": announcement.token.name, "key": announcement.token.key, "optional": True}
    chat = {"title": announcement.title, "chatId": announcement.chat_id, "url": announcement.url}
    return (
        {"name": names.ANNOUNCE, "value": _literal(json.dumps(chat, ensure_ascii=False))},
        {"name": names.TELEGRAM_TOKEN, "valueFrom": {"secretKeyRef": token}},
    )


def _literal(text: str) -> str:
    """Kubernetes would read $(NAME) as a variable; $$ stands for one $."""
    return text.replace("$(", "$$(")
