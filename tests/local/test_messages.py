"""A real study with a real bot's server: messages, picture and voice arrive, no trial knows the token, and no file holds it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support import commands, study_files
from support.bot_api import TOKEN, BotApi, bot_api
from support.running import killing_what_is_left

pytestmark = pytest.mark.end_to_end

TELEGRAM = {"secretRef": {"name": "bot"}, "chatId": "42", "cooldownSeconds": 0}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[BotApi]:
    with bot_api() as api:
        monkeypatch.setenv("TACOTUNE_TELEGRAM_URL", api.url)
        monkeypatch.setenv("TACOTUNE_TELEGRAM_TOKEN", TOKEN)
        monkeypatch.setenv("TACOTUNE_APPRISE_URL", api.url.replace("http://", "json://") + "/T0SECRETHOOK")
        yield api


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    with killing_what_is_left(tmp_path):
        yield tmp_path


def test_a_real_study_sends_its_picture_and_its_voice_and_leaves_no_token_behind(
    api: BotApi, folder: Path
) -> None:
    wanted = {"telegram": TELEGRAM, "apprise": {"secretRef": {"name": "a"}, "events": ["StudyFinished"]}}
    document = study_files.manifest("told", maxTrials=1, parallelism=1, notifications=wanted)
    study_files.write(folder, document)
    code, output = commands.tacotune(folder, "run", "told.yaml", "--no-dashboards")
    assert code == 0, output
    titles = [text.splitlines()[0] for text in api.texts]
    assert titles[0] == "told: study started"
    assert titles.count("told: study finished") == 2
    assert "NotificationFailed" not in output
    photo = next(sent for sent in api.delivered if sent.method == "sendPhoto")
    voice = next(sent for sent in api.delivered if sent.method == "sendDocument")
    assert photo.files["photo"][1].startswith(b"\x89PNG")
    assert voice.files["document"][1].startswith(b"RIFF")
    summary = api.texts[-1]
    assert "best: trial 0, tts_score" in summary
    assert "voice: runs/told/best" in summary
    secret = TOKEN.partition(":")[2].encode()
    holding = [
        str(path)
        for path in folder.rglob("*")
        if path.is_file() and (secret in (content := path.read_bytes()) or b"T0SECRETHOOK" in content)
    ]
    assert holding == []
    assert secret.decode() not in output
    assert "T0SECRETHOOK" not in output

    before = len(api.requests)
    code, output = commands.tacotune(folder, "run", "told.yaml", "--no-dashboards")
    assert code == 0, output
    assert len(api.requests) == before, "a finished study that is run again has nothing to tell"


def test_a_bot_that_nobody_reaches_costs_lines_and_no_trial(
    api: BotApi, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TACOTUNE_TELEGRAM_TOKEN", "987654321:AAH-another_Secret_another_Se")
    document = study_files.manifest("deaf", maxTrials=1, parallelism=1, notifications={"telegram": TELEGRAM})
    study_files.write(folder, document)
    code, output = commands.tacotune(folder, "run", "deaf.yaml", "--no-dashboards")
    assert code == 0, output
    assert "NotificationFailed: telegram: sendMessage: 401 Unauthorized" in output
    assert "another_Secret" not in output
    assert "Traceback" not in output
