"""What waits to be reported while the database is away, and the thread that delivers it; no database here."""

import threading
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacotrain.errors import ConfigError
from tacotrain.outbox import Outbox, retry_seconds
from tacotrain.report import Reporter, TrialOver, Unreportable, redact, reporter_for


def test_values_leave_in_the_order_they_came_once_delivered() -> None:
    outbox = Outbox()
    outbox.put_value(10, 1.0)
    outbox.put_value(20, 0.5)
    assert outbox.values() == ((10, 1.0), (20, 0.5))
    outbox.delivered_value(10, 1.0)
    assert outbox.values() == ((20, 0.5),)


def test_a_value_that_was_replaced_while_it_was_sent_still_waits() -> None:
    outbox = Outbox()
    outbox.put_value(10, 1.0)
    outbox.put_value(10, 2.0)
    outbox.delivered_value(10, 1.0)
    assert outbox.values() == ((10, 2.0),)


def test_progress_that_was_replaced_while_it_was_sent_still_waits() -> None:
    outbox, old, new = Outbox(), {"step": 1}, {"step": 2}
    outbox.put_progress(old)
    outbox.put_progress(new)
    outbox.delivered_progress(old)
    assert outbox.progress() == {"step": 2}
    outbox.delivered_progress(new)
    assert outbox.empty


@given(steps=st.lists(st.integers(0, 50), min_size=1, max_size=80), capacity=st.integers(1, 10))
def test_without_room_the_oldest_goes_and_never_the_last(steps: list[int], capacity: int) -> None:
    outbox = Outbox(capacity)
    for index, step in enumerate(steps):
        outbox.put_value(step, float(index))
    waiting = outbox.values()
    assert waiting[-1] == (steps[-1], float(len(steps) - 1))
    newest_first = list(dict.fromkeys(reversed(steps)))
    assert [step for step, _ in waiting] == newest_first[: len(waiting)][::-1]
    assert len(waiting) <= capacity


def test_waits_double_up_to_a_minute() -> None:
    assert [retry_seconds(failures, jitter=0) for failures in range(1, 9)] == [1, 2, 4, 8, 16, 32, 60, 60]


def test_jitter_takes_up_to_half_of_a_wait_away() -> None:
    assert [retry_seconds(3, jitter=jitter) for jitter in (0.0, 0.5, 1.0)] == [4.0, 3.0, 2.0]


def test_a_million_failures_still_wait_a_minute() -> None:
    assert retry_seconds(10**6, jitter=0) == 60


class FakeMailbox:
    """A database that can be away, and tells when something arrived."""

    def __init__(self) -> None:
        self.values: dict[int, float] = {}
        self.progress: Mapping[str, Any] | None = None
        self.reason: str | None = None
        self.away: Exception | None = None
        self.arrived = threading.Condition()

    def _check(self) -> None:
        if self.away is not None:
            raise self.away

    def send_value(self, step: int, value: float) -> None:
        self._check()
        with self.arrived:
            self.values[step] = value
            self.arrived.notify_all()

    def send_progress(self, document: Mapping[str, Any]) -> None:
        self._check()
        self.progress = document

    def stop_reason(self) -> str | None:
        self._check()
        return self.reason


def connected(mailbox: FakeMailbox, **options: Any) -> Reporter:
    def connect() -> FakeMailbox:
        mailbox._check()
        return mailbox

    return Reporter(connect, every_seconds=options.pop("every_seconds", 0.01), **options)


def test_closing_delivers_what_waits() -> None:
    mailbox = FakeMailbox()
    reporter = connected(mailbox, every_seconds=3600)
    reporter.value(10, 1.0)
    reporter.value(20, 0.5)
    reporter.progress({"step": 20})
    assert reporter.close()
    assert mailbox.values == {10: 1.0, 20: 0.5}
    assert mailbox.progress == {"step": 20}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_is_not_reported(value: Any) -> None:
    mailbox = FakeMailbox()
    reporter = connected(mailbox)
    reporter.value(10, value)
    assert reporter.close()
    assert mailbox.values == {}


def test_values_wait_while_the_database_is_away_and_arrive_when_it_is_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    mailbox = FakeMailbox()
    mailbox.away = ConnectionError("connection to postgresql://u:geheim@db/x refused")
    reporter = connected(mailbox, redact=lambda text: redact(text, "postgresql://u:geheim@db/x"))
    for step in range(10):
        reporter.value(step, float(step))
    mailbox.away = None
    with mailbox.arrived:
        assert mailbox.arrived.wait_for(lambda: len(mailbox.values) == 10, timeout=30)
    assert reporter.close()
    assert "geheim" not in caplog.text


def test_closing_while_the_database_is_away_is_bounded_in_time_and_says_what_was_lost(
    caplog: pytest.LogCaptureFixture,
) -> None:
    mailbox = FakeMailbox()
    mailbox.away = ConnectionError("refused")
    reporter = connected(mailbox)
    reporter.value(10, 1.0)
    assert not reporter.close(seconds=0.2)
    assert "1 values were not reported" in caplog.text
    assert caplog.text.count("the database is away (refused)") == 1


def test_the_operators_wish_to_prune_is_read_on_the_way() -> None:
    mailbox = FakeMailbox()
    mailbox.reason = "median of step 100"
    reporter = connected(mailbox)
    assert reporter.close()
    assert reporter.stop_reason == "median of step 100"


def test_a_trial_that_is_over_stops_the_training_and_misses_no_value() -> None:
    mailbox = FakeMailbox()
    mailbox.away = TrialOver()
    reporter = connected(mailbox)
    reporter.value(10, 1.0)
    assert reporter.close()
    assert reporter.stop_reason == "the study has already settled this trial"


def test_what_can_never_be_reported_does_not_stop_the_training(caplog: pytest.LogCaptureFixture) -> None:
    mailbox = FakeMailbox()
    mailbox.away = Unreportable("the storage has no trial with id 7")
    reporter = connected(mailbox)
    reporter.value(10, 1.0)
    assert reporter.close()
    assert reporter.stop_reason is None
    assert "no live reports: the storage has no trial with id 7" in caplog.text


def test_a_dsn_and_its_password_never_reach_a_message() -> None:
    url = "postgresql://trial:p%40ss@db:5432/optuna"
    text = f"could not parse {url}: password p@ss (p%40ss) is wrong"
    assert redact(text, url) == "could not parse ***: password *** (***) is wrong"


def test_a_missing_environment_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TACOTUNE_STORAGE_URL", raising=False)
    with pytest.raises(ConfigError, match="TACOTUNE_STORAGE_URL is not set"):
        reporter_for("TACOTUNE_STORAGE_URL", 1, every_seconds=1)


def test_a_url_that_cannot_be_used_ends_reporting_without_showing_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("STORAGE", "nonsense://user:geheim@host/db")
    reporter = reporter_for("STORAGE", 1, every_seconds=1)
    reporter.value(1, 1.0)
    assert reporter.close()
    assert "no live reports: the storage URL cannot be used" in caplog.text
    assert "geheim" not in caplog.text
