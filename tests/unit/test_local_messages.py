"""`tacotune run` notifies with secrets from its environment and files from the study's folder, and says what it lacks."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.bot_api import TOKEN, Answer, BotApi, bot_api
from support.builders import NOW, observed_of, spec_of, study_of
from tacotune.api.conditions import Phase
from tacotune.api.status import BestTrial, TTSStudyStatus
from tacotune.api.study import TTSStudy
from tacotune.controller.reconcile import Outcome
from tacotune.engine.events import Event, EventReason
from tacotune.engine.observed import Storage
from tacotune.local.messages import Messages
from tacotune.local.rundir import RunDirectory

BOTH = {
    "telegram": {"secretRef": {"name": "bot"}, "chatId": "42"},
    "apprise": {"secretRef": {"name": "slack"}},
}
NEW_BEST = Event("Normal", EventReason.NEW_BEST, "trial 7 is the best: 0.1", 7)
STARTED = Event("Normal", EventReason.STUDY_STARTED, "the study started")


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[BotApi]:
    with bot_api() as api:
        monkeypatch.setenv("TACOTUNE_TELEGRAM_URL", api.url)
        monkeypatch.setenv("TACOTUNE_TELEGRAM_TOKEN", TOKEN)
        monkeypatch.delenv("TACOTUNE_APPRISE_URL", raising=False)
        yield api


def outcome(study: TTSStudy, *events: Event) -> Outcome:
    status = TTSStudyStatus(best=BestTrial(trial=7, value=0.1))
    return Outcome(status, events, 0.0, (), observed_of(spec=study.spec))


def messages(root: Path, said: list[str], **channels: object) -> tuple[Messages, TTSStudy]:
    study = study_of(spec_of(notifications=channels or {"telegram": BOTH["telegram"]}))
    return Messages(study, RunDirectory(root), said.append), study


def trial(root: Path, **result: object) -> Path:
    folder = root / "trials/0007"
    for path in ("alignments/step-00000250/0.png", "samples/step-00000250/0.wav"):
        (folder / path).parent.mkdir(parents=True)
        (folder / path).write_bytes(path.encode())
    (folder / "result.json").write_text(json.dumps({"state": "complete", **result}))
    return folder


def test_a_new_best_comes_with_the_picture_and_the_voice_of_its_best_evaluation(
    api: BotApi, tmp_path: Path
) -> None:
    trial(tmp_path, alignments=["alignments/step-00000250/0.png"], samples=["samples/step-00000250/0.wav"])
    said: list[str] = []
    opened, study = messages(tmp_path, said)
    with opened:
        opened.tell(outcome(study, NEW_BEST))
    assert [sent.method for sent in api.delivered] == ["sendMessage", "sendPhoto", "sendDocument"]
    assert api.delivered[1].files["photo"] == ("0.png", b"alignments/step-00000250/0.png")
    assert api.delivered[2].files["document"] == ("0.wav", b"samples/step-00000250/0.wav")
    assert all(line.startswith("sending the last messages") for line in said)


@pytest.mark.parametrize("document", [None, "{", '{"state": "complete", "samples": ["samples/gone.wav"]}'])
def test_a_trial_without_files_is_told_without(api: BotApi, tmp_path: Path, document: str | None) -> None:
    if document is not None:
        folder = tmp_path / "trials/0007"
        folder.mkdir(parents=True)
        (folder / "result.json").write_text(document)
    opened, study = messages(tmp_path, [])
    with opened:
        opened.tell(outcome(study, NEW_BEST))
    assert [sent.method for sent in api.delivered] == ["sendMessage"]


def test_a_missing_variable_is_one_line_and_the_other_channel_works(
    api: BotApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    opened, study = messages(tmp_path, said, **BOTH)
    with opened:
        assert opened.tell(outcome(study, STARTED)) == ()
    lines = [line for line in said if "apprise" in line]
    assert lines == [
        "no messages by apprise: spec.notifications wants them, and TACOTUNE_APPRISE_URL is not set"
    ]
    assert len(api.texts) == 1


def test_what_could_not_be_sent_at_the_end_is_said_before_the_run_leaves(api: BotApi, tmp_path: Path) -> None:
    api.always = Answer(400, "Bad Request: chat not found")
    said: list[str] = []
    opened, study = messages(tmp_path, said)
    with opened:
        opened.tell(outcome(study, STARTED))
    assert said[-1] == (
        "the last messages were not sent: telegram: sendMessage: 400 Bad Request: chat not found"
    )


def test_a_study_that_wants_no_messages_opens_nothing(api: BotApi, tmp_path: Path) -> None:
    study = study_of()
    said: list[str] = []
    with Messages(study, RunDirectory(tmp_path), said.append) as opened:
        opened.tell(outcome(study, STARTED))
    assert (api.requests, said) == ([], [])


def test_the_same_command_again_tells_only_what_is_new(api: BotApi, tmp_path: Path) -> None:
    earlier = TTSStudyStatus(phase=Phase.RUNNING, start_time=NOW, best=BestTrial(trial=7, value=0.1))
    RunDirectory(tmp_path).write_status(earlier)
    opened, study = messages(tmp_path, [])
    ended = Event("Normal", EventReason.STUDY_SUCCEEDED, "MaxTrialsReached: 3 trials ended")
    retry = Event("Warning", EventReason.TRIAL_RETRY, "Trial 2 failed (attempt 1): boom")
    with opened:
        opened.tell(outcome(study, STARTED, NEW_BEST, retry))
        opened.tell(outcome(study, ended))
    assert [text.splitlines()[0] for text in api.texts] == ["voice: trying again", "voice: study finished"]


def test_a_finished_study_looked_at_again_tells_nothing(api: BotApi, tmp_path: Path) -> None:
    done = TTSStudyStatus(phase=Phase.SUCCEEDED, start_time=NOW, best=BestTrial(trial=7, value=0.1))
    RunDirectory(tmp_path).write_status(done)
    ended = Event("Normal", EventReason.STUDY_SUCCEEDED, "MaxTrialsReached: 3 trials ended")
    opened, study = messages(tmp_path, [])
    with opened:
        opened.tell(Outcome(done, (STARTED, NEW_BEST, ended), None, (), observed_of(spec=study.spec)))
    assert api.requests == []


def test_a_database_that_is_away_at_first_does_not_make_old_news_new(api: BotApi, tmp_path: Path) -> None:
    RunDirectory(tmp_path).write_status(TTSStudyStatus(start_time=NOW))
    opened, study = messages(tmp_path, [])
    away = observed_of(spec=study.spec, storage=Storage(ready=False))
    with opened:
        opened.tell(Outcome(TTSStudyStatus(), (), 1.0, (), away))
        opened.tell(outcome(study, STARTED))
    assert api.requests == []


def test_a_broken_mirror_stops_nobody(api: BotApi, tmp_path: Path) -> None:
    RunDirectory(tmp_path).status_path.write_text("{")
    opened, study = messages(tmp_path, [])
    with opened:
        opened.tell(outcome(study, STARTED))
    assert len(api.texts) == 1
