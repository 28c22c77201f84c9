"""The Job that publishes one checkpoint as the study's best voice, in /study/best."""

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
    "requests": {"cpu": "100m", "memory": "128Mi"},
    "limits": {"cpu": "1", "memory": "512Mi"},
}
"""It copies files."""
DEADLINE_SECONDS: Final = 3600


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
    announcement: Announcement | None = None,
) -> Manifest:
    """The Job; `document` says purpose, trial, checkpoint, source, parameters and preset (docs/trial-contract.md).

    Args:
        study: Who owns it.
        platform: What the chart has decided.
        spec: `trainer` shapes the pod.
        name: By `api.names.publish_job_name`.
        root: The study's folder on its volume.
        document: What is published.
        announcement: Who is shown it.
    """
    own = labels(study, "publish")
    text = json.dumps(document, ensure_ascii=False, allow_nan=False)
    arguments = ["publish", "--root", root, "--document", _literal(text)]
    template = pod_template(
        study, platform, spec, own, arguments=arguments, resources=RESOURCES, env=_env(announcement)
    )
    return job(study, platform, spec, template, name=name, labels=own, deadline_seconds=DEADLINE_SECONDS)


def _env(announcement: Announcement | None) -> tuple[Manifest, ...]:
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
