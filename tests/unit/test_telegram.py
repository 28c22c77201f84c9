"""S15: three attempts, 4 to 10 seconds apart, 429 honoured, and the token nowhere but in the request."""

import logging
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.bot_api import TOKEN, Answer, BotApi, bot_api
from tacotune.adapters.telegram import TelegramChannel
from tacotune.engine.notices import Notice
from tacotune.ports import Undelivered

NOTICE = Notice("TrialFinished", "voice: trial finished", "trial 3 finished: 0.25", 3)
SERVER_ERROR = Answer(500, "Internal Server Error")


@pytest.fixture
def api() -> Iterator[BotApi]:
    with bot_api() as api:
        yield api


class Waits(list[float]):
    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def channel(api: BotApi, waits: Waits, token: str = TOKEN) -> TelegramChannel:
    return TelegramChannel(token, "42", base_url=api.url, sleep=waits)


def test_a_message_goes_to_the_chat_as_plain_text(api: BotApi) -> None:
    channel(api, Waits()).send(NOTICE)
    (sent,) = api.requests
    assert sent.path == f"/bot{TOKEN}/sendMessage"
    assert sent.fields == {
        "chat_id": "42",
        "text": "voice: trial finished\n\ntrial 3 finished: 0.25",
        "link_preview_options": '{"is_disabled":true}',
    }


def test_after_500_and_500_one_message_arrives_and_the_waits_were_4_and_4_seconds(api: BotApi) -> None:
    api.answers = [SERVER_ERROR, SERVER_ERROR]
    waits = Waits()
    channel(api, waits).send(NOTICE)
    assert (len(api.requests), len(api.delivered), waits) == (3, 1, [4.0, 4.0])


def test_three_failures_are_the_end_of_it(api: BotApi) -> None:
    api.always = SERVER_ERROR
    waits = Waits()
    with pytest.raises(Undelivered, match=r"^sendMessage: 500 Internal Server Error$"):
        channel(api, waits).send(NOTICE)
    assert (len(api.requests), waits) == (3, [4.0, 4.0])


def test_429_is_waited_for_as_long_as_it_says(api: BotApi) -> None:
    api.answers = [Answer(429, "Too Many Requests: retry after 17", retry_after=17)]
    waits = Waits()
    channel(api, waits).send(NOTICE)
    assert (len(api.delivered), waits) == (1, [17.0])


def test_429_without_a_time_waits_as_after_any_error(api: BotApi) -> None:
    api.answers = [Answer(429, "Too Many Requests")]
    waits = Waits()
    channel(api, waits).send(NOTICE)
    assert waits == [4.0]


def test_a_chat_closed_for_an_hour_is_given_up_at_once(api: BotApi) -> None:
    api.answers = [Answer(429, "Too Many Requests: retry after 3600", retry_after=3600)]
    waits = Waits()
    with pytest.raises(Undelivered, match="retry after 3600"):
        channel(api, waits).send(NOTICE)
    assert (len(api.requests), waits) == (1, [])


@pytest.mark.parametrize("status", [400, 403])
def test_what_the_api_refuses_is_not_tried_again_and_told_in_its_words(api: BotApi, status: int) -> None:
    api.answers = [Answer(status, "Bad Request: chat not found")]
    waits = Waits()
    with pytest.raises(Undelivered, match=f"^sendMessage: {status} Bad Request: chat not found$"):
        channel(api, waits).send(NOTICE)
    assert (len(api.requests), waits) == (1, [])


def test_a_token_of_no_bot_is_said_to_be_one(api: BotApi) -> None:
    with pytest.raises(Undelivered, match="401 Unauthorized; is it the token of a bot that still exists"):
        channel(api, Waits(), "987654321:AAH-another_Secret_another_Se").send(NOTICE)


@pytest.mark.parametrize("token", ["", "hello", "123456:short", f"{TOKEN}/../getMe"])
def test_what_is_no_token_is_refused_before_anything_is_sent_and_is_not_shown(token: str) -> None:
    with pytest.raises(Undelivered) as refused:
        TelegramChannel(token, "42")
    assert not token or token not in str(refused.value)


def test_a_line_break_behind_the_token_is_none_of_it(api: BotApi) -> None:
    channel(api, Waits(), f"{TOKEN}\n").send(NOTICE)
    assert len(api.delivered) == 1


def test_nobody_at_the_address_is_tried_three_times(api: BotApi) -> None:
    waits = Waits()
    nobody = TelegramChannel(TOKEN, "42", base_url="http://127.0.0.1:1", sleep=waits)
    with pytest.raises(Undelivered, match=r"^sendMessage: no answer from the Bot API: .*refused"):
        nobody.send(NOTICE)
    assert waits == [4.0, 4.0]


def test_picture_and_voice_follow_the_text(api: BotApi, tmp_path: Path) -> None:
    picture, voice = tmp_path / "alignment.png", tmp_path / "0.wav"
    picture.write_bytes(b"\x89PNG picture")
    voice.write_bytes(b"RIFF voice")
    api.answers = [Answer(), SERVER_ERROR]
    channel(api, Waits()).send(NOTICE, [picture, voice])
    text, photo, document = api.delivered
    assert [sent.method for sent in api.delivered] == ["sendMessage", "sendPhoto", "sendDocument"]
    assert text.files == {}
    assert photo.files == {"photo": ("alignment.png", b"\x89PNG picture")}
    assert document.files == {"document": ("0.wav", b"RIFF voice")}
    assert photo.fields == {"chat_id": "42", "caption": "voice: trial finished"}


def test_a_file_that_is_gone_is_named(api: BotApi, tmp_path: Path) -> None:
    with pytest.raises(Undelivered, match=r"^gone\.wav: No such file or directory$"):
        channel(api, Waits()).send(NOTICE, [tmp_path / "gone.wav"])
    assert len(api.texts) == 1


def test_a_text_longer_than_telegram_takes_is_cut_between_letters(api: BotApi) -> None:
    channel(api, Waits()).send(Notice("TrialFailed", "t", "😀" * 3000))
    text = api.requests[0].fields["text"]
    assert len(text.encode("utf-16-le")) // 2 in {4095, 4096}
    assert text.endswith("😀…")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://bad host", "nonsense://x"])
def test_the_token_is_in_no_log_and_no_traceback(
    api: BotApi, caplog: pytest.LogCaptureFixture, url: str
) -> None:
    caplog.set_level(logging.DEBUG)
    channel(api, Waits()).send(NOTICE)
    with pytest.raises(Undelivered) as failure:
        TelegramChannel(TOKEN, "42", base_url=url, sleep=Waits()).send(NOTICE)
    shown = "".join(traceback.format_exception(failure.value))
    assert failure.value.__context__ is None
    assert TOKEN not in caplog.text + shown
    assert "secret" not in caplog.text + shown
