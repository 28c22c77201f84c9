"""Which voices the pod that publishes them shows to the study's chat."""

from typing import Any

from support.builders import observed_of, spec_of, study_of
from support.fakes import Backend, FakeClock
from tacotune.adapters.notifier import Notifier
from tacotune.adapters.outbox import Outbox
from tacotune.engine.actions import PromoteBest
from tacotune.engine.observed import Purpose
from tacotune.handlers.messages import PodAnnouncer
from tacotune.manifests.publish_job import Announcement
from tacotune.ports import Channel

VOICE = PromoteBest(Purpose.TRIAL, 7, "checkpoints/step-00000100")
FINAL = PromoteBest(Purpose.FINAL, 7, "checkpoints/step-00000100")


def no_channel(*_: object) -> Channel:
    raise AssertionError("nothing is sent here")


def announced(*voices: PromoteBest, apart: float = 300, **telegram: Any) -> list[Announcement | None]:
    chat = {"secretRef": {"name": "bot"}, "chatId": "42", **telegram}
    spec = spec_of(notifications={"telegram": chat})
    clock = FakeClock(Backend(observed_of(spec=spec)))
    notifier = Notifier("uid", "default/voice", Outbox(), no_channel)
    announcer = PodAnnouncer(study_of(spec), notifier, clock, "https://bot.example")
    found = []
    for voice in voices:
        found.append(announcer.announcement(spec, voice))
        clock.tick(apart)
    return found


def titles(*voices: PromoteBest, **options: Any) -> list[str | None]:
    return [None if found is None else found.title for found in announced(*voices, **options)]


def test_a_new_voice_is_shown_with_the_studys_secret_and_chat() -> None:
    (found,) = announced(VOICE)
    assert found is not None
    assert (found.token.name, found.token.key, found.chat_id) == ("bot", "token", "42")
    assert (found.title, found.url) == ("default/voice: trial 7", "https://bot.example")


def test_the_final_training_is_shown_too() -> None:
    assert titles(FINAL) == ["default/voice: final training"]


def test_voices_that_follow_each_other_within_the_cooldown_are_not_shown() -> None:
    assert titles(VOICE, VOICE, apart=299) == ["default/voice: trial 7", None]


def test_a_voice_published_again_for_its_page_was_shown_before() -> None:
    again = PromoteBest(Purpose.TRIAL, 7, "checkpoints/step-00000100", again=True)
    assert titles(again, VOICE) == [None, "default/voice: trial 7"]


def test_who_wants_no_new_bests_is_shown_none() -> None:
    assert titles(VOICE, events=["StudyFinished"]) == [None]


def test_a_study_without_a_chat_shows_nothing() -> None:
    clock = FakeClock(Backend(observed_of()))
    announcer = PodAnnouncer(study_of(), Notifier("uid", "v", Outbox(), no_channel), clock, "")
    assert announcer.announcement(spec_of(), VOICE) is None
