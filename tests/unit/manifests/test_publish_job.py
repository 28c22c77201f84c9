"""The Job that publishes a voice, and whom it shows it to."""

import json
from typing import Any

from support.builders import spec_of
from support.study_objects import PLATFORM, SOURCE, UID, published
from tacotune.api.kubernetes import SecretKey
from tacotune.api.study_key import StudyKey
from tacotune.manifests.publish_job import Announcement, publish_job


def environment(announcement: Announcement | None) -> dict[str, Any]:
    job = publish_job(
        StudyKey("voices", "ruslan", UID),
        PLATFORM,
        spec_of(),
        name="ruslan-publish-0",
        root="/study",
        document=published(SOURCE),
        storage_secret=SecretKey(name="ruslan-storage", key="uri"),
        announcement=announcement,
    )
    (container,) = job["spec"]["template"]["spec"]["containers"]
    return {variable["name"]: variable for variable in container["env"]}


def test_the_chat_is_named_and_the_token_is_a_reference() -> None:
    found = environment(
        Announcement(
            SecretKey(name="bot", key="token"), "-100", "voices/ruslan: trial 7", "https://bot.example"
        )
    )
    assert json.loads(found["TACOTUNE_ANNOUNCE"]["value"]) == {
        "title": "voices/ruslan: trial 7",
        "chatId": "-100",
        "url": "https://bot.example",
    }
    assert found["TACOTUNE_TELEGRAM_TOKEN"] == {
        "name": "TACOTUNE_TELEGRAM_TOKEN",
        # Without the Secret the voice is published all the same.
        "valueFrom": {"secretKeyRef": {"name": "bot", "key": "token", "optional": True}},
    }


def test_kubernetes_expands_nothing_in_what_a_person_wrote() -> None:
    found = environment(Announcement(SecretKey(name="bot"), "$(HOME)", "t"))
    assert '"chatId": "$$(HOME)"' in found["TACOTUNE_ANNOUNCE"]["value"]


def test_without_a_chat_the_pod_knows_of_none() -> None:
    assert "TACOTUNE_TELEGRAM_TOKEN" not in environment(None)
    assert "TACOTUNE_ANNOUNCE" not in environment(None)
