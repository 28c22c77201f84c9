"""Messages never hold up a pass: a thread delivers them, a full queue drops the oldest, and every loss is counted."""

import logging
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from support.channel_contract import FakeChannel
from support.eventually import eventually
from tacotune.adapters.outbox import Outbox, Parcel
from tacotune.engine.notices import Failure, Notice
from tacotune.ports import Channel, Undelivered

SOON = 20.0


class Gate:
    """A channel that hangs until it is opened."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.open = threading.Event()
        self.sent: list[str] = []

    def send(self, notice: Notice, files: Sequence[Path] = ()) -> None:
        self.entered.set()
        assert self.open.wait(SOON)
        self.sent.append(notice.text)


def parcel(channel: Channel, text: str = "text", study: str = "a") -> Parcel:
    return Parcel(study, "telegram", lambda: channel, Notice("TrialFinished", "title", text))


def test_messages_are_delivered_in_their_order_with_their_files() -> None:
    outbox, channel = Outbox(), FakeChannel()
    for number in range(5):
        outbox.put(
            Parcel(
                "a",
                "telegram",
                lambda: channel,
                Notice("NewBest", "t", str(number)),
                files=lambda: [Path("alignment.png")],
            )
        )
    assert outbox.flush(SOON)
    assert [notice.text for notice, _ in channel.sent] == ["0", "1", "2", "3", "4"]
    assert channel.sent[0][1] == (Path("alignment.png"),)
    outbox.close()


def test_a_service_that_hangs_holds_nobody_up_and_the_oldest_message_goes_when_there_are_too_many() -> None:
    counted: list[str] = []
    outbox, gate = Outbox(capacity=2, on_failure=counted.append), Gate()
    outbox.put(parcel(gate, "on its way"))
    assert gate.entered.wait(SOON)
    for text in ("oldest", "older", "newest"):
        outbox.put(parcel(gate, text))
    assert not outbox.flush(0.0)
    assert outbox.failures("a") == (Failure("telegram", "2 messages wait already; the oldest is dropped"),)
    gate.open.set()
    assert outbox.flush(SOON)
    assert gate.sent == ["on its way", "older", "newest"]
    assert counted == ["telegram"]
    outbox.close()


def test_failures_are_kept_by_study_until_they_are_fetched() -> None:
    counted: list[str] = []
    outbox = Outbox(on_failure=counted.append)
    outbox.put(parcel(FakeChannel("chat not found")))
    outbox.put(parcel(FakeChannel(), study="b"))
    assert outbox.flush(SOON)
    assert outbox.failures("b") == ()
    assert outbox.failures("a") == (Failure("telegram", "chat not found"),)
    assert outbox.failures("a") == ()
    assert counted == ["telegram"]
    outbox.close()


def test_no_secret_is_a_failure_like_any_other() -> None:
    def connect() -> Channel:
        raise Undelivered("there is no Secret bot")

    outbox = Outbox()
    outbox.put(Parcel("a", "telegram", connect, Notice("NewBest", "t", "x")))
    assert outbox.flush(SOON)
    assert outbox.failures("a") == (Failure("telegram", "there is no Secret bot"),)
    outbox.close()


def test_the_thread_outlives_a_bug_and_tells_its_place_but_not_its_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)

    class Broken:
        def send(self, notice: Notice, files: Sequence[Path] = ()) -> None:
            raise KeyError("the-token")

    outbox, channel = Outbox(), FakeChannel()
    outbox.put(parcel(Broken()))
    outbox.put(parcel(channel))
    assert outbox.flush(SOON)
    (failure,) = outbox.failures("a")
    assert failure.reason.startswith("KeyError in test_outbox.py:")
    assert "the-token" not in caplog.text
    assert len(channel.sent) == 1
    outbox.close()


def test_closing_ends_the_waits_between_attempts_and_takes_nothing_more() -> None:
    outbox = Outbox()
    waited = threading.Thread(target=outbox.sleep, args=(3600.0,))
    waited.start()
    outbox.close()
    waited.join(SOON)
    assert not waited.is_alive()
    channel = FakeChannel()
    outbox.put(parcel(channel))
    assert channel.sent == []


def test_closing_ends_the_thread() -> None:
    outbox = Outbox()
    outbox.put(parcel(FakeChannel()))
    outbox.close(within=SOON)
    assert eventually(lambda: not any(thread.name == "outbox" for thread in threading.enumerate()))
