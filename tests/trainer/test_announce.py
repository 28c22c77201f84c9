"""A voice that was published is shown to a chat, if one is named; whatever comes of that, it is published."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.bot_api import TOKEN, Answer, BotApi, bot_api
from tacotrain.announce import announce


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[BotApi]:
    with bot_api() as api:
        chat = {"title": "voices/ruslan: trial 7", "chatId": "42", "url": api.url}
        monkeypatch.setenv("TACOTUNE_ANNOUNCE", json.dumps(chat))
        monkeypatch.setenv("TACOTUNE_TELEGRAM_TOKEN", f"{TOKEN}\n")
        yield api


@pytest.fixture
def best(tmp_path: Path) -> Path:
    voice = {"alignments": ["alignments/0.png", "alignments/1.png"], "samples": ["samples/0.wav"]}
    for path in ("alignments/0.png", "samples/0.wav"):
        (tmp_path / path).parent.mkdir()
        (tmp_path / path).write_bytes(path.encode())
    (tmp_path / "best.json").write_text(json.dumps(voice))
    return tmp_path


def told(best: Path) -> tuple[str, list[float]]:
    waits: list[float] = []
    return announce(best, waits.append), waits


def test_picture_and_sample_go_to_the_chat(api: BotApi, best: Path) -> None:
    assert told(best) == ("", [])
    photo, document = api.requests
    assert photo.path == f"/bot{TOKEN}/sendPhoto"
    assert photo.fields == {"chat_id": "42", "caption": "voices/ruslan: trial 7"}
    assert photo.files == {"photo": ("0.png", b"alignments/0.png")}
    assert document.files == {"document": ("0.wav", b"samples/0.wav")}


def test_nobody_is_told_where_nobody_is_named(
    api: BotApi, best: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TACOTUNE_ANNOUNCE")
    assert told(best) == ("", [])
    assert api.requests == []


def test_a_server_that_fails_twice_is_asked_three_times(api: BotApi, best: Path) -> None:
    api.answers = [Answer(500), Answer(502)]
    assert told(best) == ("", [4.0, 4.0])
    assert len(api.delivered) == 2


def test_429_is_waited_for(api: BotApi, best: Path) -> None:
    api.answers = [Answer(429, "Too Many Requests", retry_after=9)]
    assert told(best) == ("", [9.0])


@pytest.mark.parametrize(
    ("answer", "waits", "reason"),
    [
        (Answer(500, "Internal Server Error"), [4.0, 4.0], "sendPhoto: 500 Internal Server Error"),
        (Answer(400, "Bad Request: chat not found"), [], "sendPhoto: 400 Bad Request: chat not found"),
        (Answer(404, "no such path: {path}"), [], "sendPhoto: 404 no such path: /bot***/sendPhoto"),
        (Answer(429, "Too Many Requests", retry_after=3600), [], "sendPhoto: 429 Too Many Requests"),
    ],
)
def test_what_is_refused_is_said_without_the_token(
    api: BotApi, best: Path, answer: Answer, waits: list[float], reason: str
) -> None:
    api.always = answer
    assert told(best) == (reason, waits)


def test_a_missing_token_and_a_missing_file_are_said(
    api: BotApi, best: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (best / "alignments/0.png").unlink()
    assert "No such file" in told(best)[0]
    monkeypatch.delenv("TACOTUNE_TELEGRAM_TOKEN")
    assert told(best)[0].startswith("TACOTUNE_TELEGRAM_TOKEN is not set")
    assert api.requests == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://bad host"])
def test_the_token_is_in_no_log(
    api: BotApi, best: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, url: str
) -> None:
    caplog.set_level(logging.DEBUG)
    told(best)
    monkeypatch.setenv("TACOTUNE_ANNOUNCE", json.dumps({"title": "t", "chatId": "42", "url": url}))
    reason, _ = told(best)
    assert reason
    for secret in (TOKEN, TOKEN.partition(":")[2]):
        assert secret not in caplog.text + reason
