"""`tacotune notify test`: one line a channel, and an exit code for scripts."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from support.bot_api import TOKEN, Answer, BotApi, bot_api
from support.manifests import manifest
from tacotune.api.manifest import read_manifest
from tacotune.cli.app import app
from tacotune.local.rundir import RunDirectory

WANTED = """
  notifications:
    telegram: {secretRef: {name: bot}, chatId: "42", events: [StudyFinished]}
    apprise: {secretRef: {name: slack}}
"""


@pytest.fixture(autouse=True)
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BotApi]:
    monkeypatch.chdir(tmp_path)
    with bot_api() as api:
        monkeypatch.setenv("TACOTUNE_TELEGRAM_URL", api.url)
        monkeypatch.setenv("TACOTUNE_TELEGRAM_TOKEN", TOKEN)
        monkeypatch.setenv("TACOTUNE_APPRISE_URL", api.url.replace("http://", "json://") + "/T0SECRETHOOK")
        yield api


def call(*arguments: str) -> Result:
    result = CliRunner().invoke(app, ["notify", "test", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert TOKEN not in result.output
    assert "T0SECRETHOOK" not in result.output
    return result


def study(text: str = "") -> str:
    Path("voice.yaml").write_text(manifest().rstrip() + text)
    return "voice.yaml"


def test_a_message_goes_through_each_channel_whatever_events_it_wants(api: BotApi) -> None:
    result = call(study(WANTED))
    assert (result.exit_code, result.stdout) == (0, "telegram: ok\napprise: ok\n")
    assert [text.splitlines()[0].partition(": ")[2] for text in api.texts] == ["test", "test"]


def test_a_study_that_ran_here_is_known_by_its_name(api: BotApi) -> None:
    study(WANTED)
    read = read_manifest(Path("voice.yaml").read_text())
    RunDirectory(Path("runs") / read.metadata.name).write_study(read)
    assert call(read.metadata.name).exit_code == 0
    assert call().exit_code == 0
    assert len(api.texts) == 4


def test_what_does_not_arrive_is_said_and_the_other_channel_is_tried(
    api: BotApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.answers = [Answer(400, "Bad Request: chat not found")]
    monkeypatch.delenv("TACOTUNE_APPRISE_URL")
    result = call(study(WANTED))
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "telegram: sendMessage: 400 Bad Request: chat not found",
        "apprise: spec.notifications.apprise needs the environment variable TACOTUNE_APPRISE_URL on one machine",
    ]


def test_a_study_that_wants_no_messages_says_what_to_add() -> None:
    result = call(study())
    assert result.exit_code == 64
    assert "add spec.notifications.telegram" in result.stderr


def test_a_study_that_is_not_there_is_missing() -> None:
    assert call("gone.yaml").exit_code == 66
    assert call("gone").exit_code == 66


def test_help_has_examples() -> None:
    result = CliRunner().invoke(app, ["notify", "test", "--help"])
    assert result.exit_code == 0
    assert "Examples:\n" in result.stdout
