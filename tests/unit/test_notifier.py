"""A whole study with a real outbox, a real Telegram channel and a Bot API: what arrives, what fails, and the token nowhere."""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from support.bot_api import TOKEN, Answer, BotApi, bot_api
from support.builders import observed_of, study_of
from support.fakes import Backend, FakeClock, FakeCluster, FakeStore
from support.world import Fate
from tacotune.adapters.channels import open_channel
from tacotune.adapters.notifier import Notifier
from tacotune.adapters.outbox import Outbox
from tacotune.api.conditions import Phase
from tacotune.api.status import TTSStudyStatus
from tacotune.api.study import TTSStudy, TTSStudySpec
from tacotune.controller.reconcile import Reconciler
from tacotune.engine.events import Event, EventReason
from tacotune.ports import Channel

SOON = 20.0
HOOK = "T0SECRETHOOK"


@pytest.fixture
def api() -> Iterator[BotApi]:
    with bot_api() as api:
        yield api


class Run:
    """What both drivers do: a pass, its status, its events, its messages."""

    def __init__(self, study: TTSStudy, api: BotApi, fates: Sequence[Fate] = (Fate.SUCCEED,)) -> None:
        self.study, self.api = study, api
        self.backend = Backend(observed_of(spec=study.spec, dataset_ready=False, started_at=None), fates)
        self.reconciler = Reconciler(
            FakeStore(self.backend), FakeCluster(self.backend), FakeClock(self.backend)
        )
        self.counted: list[str] = []
        self.outbox = Outbox(on_failure=self.counted.append)
        self.notifier = Notifier("uid", "voices/ruslan", self.outbox, self._connect, voice_at="runs/best")
        self.status = TTSStudyStatus()
        self.events: list[Event] = []

    def _connect(self, name: str, spec: TTSStudySpec) -> Channel:
        hook = self.api.url.replace("http://", "json://") + f"/{HOOK}"
        return open_channel(
            name,
            spec,
            lambda channel, _reference: TOKEN if channel == "telegram" else hook,
            telegram_url=self.api.url,
            sleep=lambda _seconds: None,
        )

    def once(self) -> bool:
        """One pass; whether the study has ended."""
        outcome = self.reconciler.run_once(self.study, previous_status=self.status)
        self.status = outcome.status
        self.events += outcome.events
        now = outcome.observed.now
        self.notifier.tell(self.study.spec, outcome.events, outcome.status, now)
        assert self.outbox.flush(SOON)
        self.events += self.notifier.failures(self.study.spec, now)
        if not outcome.actions:
            self.backend.advance(max(outcome.requeue_after or 1.0, 1.0))
        return outcome.ended

    def to_the_end(self) -> None:
        for _ in range(500):
            if self.once():
                self.outbox.close(SOON)
                return
        raise AssertionError("the study never gets there")

    def reasons(self) -> list[EventReason]:
        return [event.reason for event in self.events]


def study(**channels: Any) -> TTSStudy:
    both = {
        "telegram": {"secretRef": {"name": "bot"}, "chatId": "42", **channels},
        "apprise": {"secretRef": {"name": "slack"}, **channels},
    }
    return study_of(maxTrials=3, parallelism=1, finalTraining={"enabled": False}, notifications=both)


def test_a_study_is_told_from_its_start_to_its_summary_through_both_channels(api: BotApi) -> None:
    run = Run(study(cooldownSeconds=0), api)
    run.to_the_end()
    titles = [text.splitlines()[0] for text in api.texts]
    by_telegram = [t.splitlines()[0] for sent in api.delivered if (t := sent.fields.get("text"))]
    assert sorted(titles) == sorted(by_telegram * 2)
    assert by_telegram[0] == "voices/ruslan: study started"
    assert by_telegram.count("voices/ruslan: trial finished") == 3
    assert "voices/ruslan: new best" in by_telegram
    assert by_telegram[-1] == "voices/ruslan: study finished"
    assert api.texts[-1].splitlines()[-1] == "voice: runs/best"
    assert run.counted == []


def test_a_cooldown_spares_the_telephone_but_not_the_end(api: BotApi) -> None:
    run = Run(study(events=["TrialFinished", "StudyFinished"], cooldownSeconds=86_400), api)
    run.to_the_end()
    titles = [text.splitlines()[0] for text in api.texts]
    assert titles == ["voices/ruslan: trial finished"] * 2 + ["voices/ruslan: study finished"] * 2


def test_retries_and_failures_come_with_their_cause(api: BotApi) -> None:
    run = Run(study(events=["TrialRetry", "TrialFailed"], cooldownSeconds=0), api, [Fate.CRASH])
    run.to_the_end()
    told = "\n".join(api.texts)
    assert "Trial 0 failed (attempt 1): " in told
    assert "; Transient, attempt 2 in " in told
    assert "Trial 0 failed: " in told


def test_a_storage_that_goes_and_comes_is_told_both_times(api: BotApi) -> None:
    run = Run(study(events=["StorageLost", "StorageBack"]), api)
    run.once()
    for away in (True, False):
        run.backend.storage_away = away
        run.once()
    titles = [t.splitlines()[0] for sent in api.delivered if (t := sent.fields.get("text"))]
    assert titles == ["voices/ruslan: storage lost", "voices/ruslan: storage back"]
    run.outbox.close()


def grep(run: Run, caplog: pytest.LogCaptureFixture) -> str:
    """Everything that anybody can read of a study."""
    events = "\n".join(event.message for event in run.events)
    rows = "\n".join(str(trial) for trial in run.backend.world.trials)
    return "\n".join([caplog.text, events, run.status.model_dump_json(), rows, str(run.backend.world.jobs)])


@pytest.mark.parametrize(
    "always",
    [
        Answer(500, "Internal Server Error"),
        Answer(401, "Unauthorized: {path}"),
        Answer(404, "no such path: {path}"),
        Answer(429, "Too Many Requests", retry_after=3600),
        None,
    ],
    ids=["it fails", "it refuses the token", "it knows no path", "it is overwhelmed", "it is away"],
)
def test_a_service_that_takes_nothing_costs_warnings_and_a_count_but_no_trial_and_the_token_is_nowhere(
    api: BotApi, caplog: pytest.LogCaptureFixture, always: Answer | None
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore", "urllib3", "apprise", "tacotune"):
        caplog.set_level(logging.DEBUG, logger=name)
    if always is None:
        api.url = "http://127.0.0.1:1"
    else:
        api.always = always
    run = Run(study(), api, [Fate.CRASH, Fate.SUCCEED])
    run.to_the_end()
    assert run.status.phase is Phase.SUCCEEDED
    assert run.status.trials.succeeded == 3
    warnings = [e for e in run.events if e.reason is EventReason.NOTIFICATION_FAILED]
    assert {event.kind for event in warnings} == {"Warning"}
    assert {event.message.partition(":")[0] for event in warnings} == {"telegram", "apprise"}
    assert set(run.counted) == {"telegram", "apprise"}
    assert len(warnings) < len(run.counted), "one warning a channel and cooldown"
    readable = grep(run, caplog)
    assert "not sent by telegram" in readable
    for secret in (TOKEN, TOKEN.partition(":")[2], HOOK):
        assert secret not in readable


def test_what_fails_between_two_attempts_is_no_failure(api: BotApi) -> None:
    api.answers = [Answer(500)] * 2
    run = Run(study(events=["StudyStarted"]), api)
    run.to_the_end()
    assert run.counted == []
    assert EventReason.NOTIFICATION_FAILED not in run.reasons()


def test_what_somebody_else_could_not_deliver_is_a_warning_and_a_count_too(api: BotApi) -> None:
    run = Run(study(), api)
    run.notifier.lost("telegram", "sendPhoto: 403 Forbidden")
    (event,) = run.notifier.failures(run.study.spec, run.backend.world.now)
    assert (event.kind, event.message) == ("Warning", "telegram: sendPhoto: 403 Forbidden")
    assert run.counted == ["telegram"]
    run.outbox.close()


def test_files_are_due_to_a_channel_that_the_study_has(api: BotApi) -> None:
    run = Run(study(), api)
    now = run.backend.world.now
    assert run.notifier.files_due(run.study.spec, "telegram", now)
    assert not run.notifier.files_due(run.study.spec, "telegram", now)
    assert not run.notifier.files_due(study_of().spec, "telegram", now)
    run.outbox.close()
