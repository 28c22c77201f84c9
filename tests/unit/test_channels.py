"""The contract of all channels; and how one is opened from a spec and a secret."""

import logging
from collections.abc import Iterator

import pytest

from support.bot_api import TOKEN, Answer, BotApi, bot_api
from support.builders import spec_of
from support.channel_contract import NOTICE, ChannelContract, FakeChannel
from tacotune.adapters.apprise_channel import AppriseChannel
from tacotune.adapters.channels import from_environment, open_channel
from tacotune.adapters.delivery import pieces, without
from tacotune.adapters.telegram import TelegramChannel
from tacotune.api.kubernetes import SecretKey
from tacotune.ports import Channel, Undelivered

HOOK = "T0SECRETHOOK"
PASSWORD = "pass-Word-Secret"


def no_wait(_seconds: float) -> None:
    """Tests have no time."""


@pytest.fixture
def api() -> Iterator[BotApi]:
    with bot_api() as api:
        yield api


class TestTheFakeChannel(ChannelContract):
    @pytest.fixture(autouse=True)
    def _channel(self) -> None:
        self.channel = FakeChannel()

    def open(self) -> Channel:
        return self.channel

    def refuse(self) -> None:
        self.channel.refuse = "no"

    def texts(self) -> list[str]:
        return [f"{notice.title}\n\n{notice.text}" for notice, _ in self.channel.sent]

    def file_names(self) -> list[str]:
        return [path.name for _, files in self.channel.sent for path in files]


class OnTheServer(ChannelContract):
    @pytest.fixture(autouse=True)
    def _api(self, api: BotApi) -> None:
        self.api = api

    def refuse(self) -> None:
        self.api.always = Answer(500, "Internal Server Error")

    def texts(self) -> list[str]:
        return self.api.texts


class TestTelegram(OnTheServer):
    secret = TOKEN

    def open(self) -> Channel:
        return TelegramChannel(TOKEN, "42", base_url=self.api.url, sleep=no_wait)

    def file_names(self) -> list[str]:
        return [name for sent in self.api.delivered for name, _ in sent.files.values()]


class TestApprise(OnTheServer):
    secret = HOOK

    def open(self) -> Channel:
        return AppriseChannel(apprise_url(self.api), sleep=no_wait)

    def file_names(self) -> list[str]:
        return [
            file["filename"] for sent in self.api.delivered for file in sent.fields.get("attachments", [])
        ]


def apprise_url(api: BotApi, hook: str = HOOK) -> str:
    return api.url.replace("http://", f"json://user:{PASSWORD}@") + f"/{hook}"


def test_each_of_several_urls_gets_the_message_even_after_one_that_fails(api: BotApi) -> None:
    api.answers = [Answer(500)] * 3
    channel = AppriseChannel(f"{apprise_url(api)}\n{apprise_url(api, 'another')}\n", sleep=no_wait)
    with pytest.raises(Undelivered, match="error=500"):
        channel.send(NOTICE)
    assert [sent.path for sent in api.delivered] == ["/another"]


def test_apprise_tries_three_times(api: BotApi) -> None:
    api.answers = [Answer(500), Answer(503)]
    waits: list[float] = []
    AppriseChannel(apprise_url(api), sleep=waits.append).send(NOTICE)
    assert (len(api.delivered), waits) == (1, [4.0, 4.0])


@pytest.mark.parametrize("url", [f"nonsense://{HOOK}", f"{HOOK}", f"slack://{HOOK}"])
def test_a_url_that_apprise_does_not_know_is_not_shown(url: str) -> None:
    with pytest.raises(Undelivered, match="URL 1") as refused:
        AppriseChannel(url)
    assert HOOK not in str(refused.value)


def test_no_url_at_all_is_said_so() -> None:
    with pytest.raises(Undelivered, match="empty"):
        AppriseChannel(" \n")


def test_apprise_and_its_http_client_log_no_secret(api: BotApi, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    channel = AppriseChannel(apprise_url(api), sleep=no_wait)
    channel.send(NOTICE)
    api.always = Answer(404, "Not Found")
    with pytest.raises(Undelivered):
        channel.send(NOTICE)
    with pytest.raises(Undelivered) as failure:
        AppriseChannel(f"tgram://{TOKEN}/42?x=1 json://{HOOK}.invalid", sleep=no_wait).send(NOTICE)
    for secret in (HOOK, PASSWORD, TOKEN):
        assert secret not in caplog.text + str(failure.value)


def test_every_piece_of_a_url_is_hidden_also_where_it_was_decoded() -> None:
    url = "mailto://me:p%40ssword@example.com/path?to=you@example.org"
    assert (
        without(pieces(url), "p@ssword of me at example.com, path p%40ssword") == "*** of me at ***, *** ***"
    )


SPEC = spec_of(
    notifications={
        "telegram": {"secretRef": {"name": "bot"}, "chatId": "42"},
        "apprise": {"secretRef": {"name": "slack"}},
    }
)


def test_a_spec_and_a_secret_make_a_channel(api: BotApi) -> None:
    asked: list[tuple[str, str]] = []

    def secrets(_name: str, reference: SecretKey) -> str:
        asked.append((reference.name, reference.key))
        return TOKEN if reference.name == "bot" else apprise_url(api)

    open_channel("telegram", SPEC, secrets, telegram_url=api.url).send(NOTICE)
    open_channel("apprise", SPEC, secrets).send(NOTICE)
    assert asked == [("bot", "token"), ("slack", "uri")]
    assert len(api.texts) == 2


def test_a_channel_taken_out_of_the_spec_gets_nothing_more() -> None:
    with pytest.raises(Undelivered, match=r"spec\.notifications\.telegram was taken out"):
        open_channel("telegram", spec_of(), from_environment)


@pytest.mark.parametrize(
    ("name", "variable"), [("telegram", "TACOTUNE_TELEGRAM_TOKEN"), ("apprise", "TACOTUNE_APPRISE_URL")]
)
def test_one_machine_has_secrets_in_its_environment(
    monkeypatch: pytest.MonkeyPatch, name: str, variable: str
) -> None:
    reference = SecretKey(name="any")
    monkeypatch.delenv(variable, raising=False)
    with pytest.raises(Undelivered, match=f"needs the environment variable {variable}"):
        from_environment(name, reference)
    monkeypatch.setenv(variable, " value\n")
    assert from_environment(name, reference) == "value"
