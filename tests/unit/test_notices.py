"""Which event becomes a message, what it says, and what a channel's toggles and cooldown let through."""

from datetime import timedelta

import pytest

from support.builders import NOW, at, spec_of
from tacotune.api.conditions import Phase
from tacotune.api.status import BestTrial, DashboardStatus, TrialCounts, TTSStudyStatus
from tacotune.engine.events import Event, EventReason
from tacotune.engine.notices import (
    NEVER_HELD,
    TITLES,
    Failure,
    Ledger,
    Notice,
    Rules,
    admit,
    admit_files,
    failure_events,
    notices,
    rules_of,
)

FIVE_MINUTES = timedelta(seconds=300)
TELEGRAM = Rules("telegram", frozenset(), FIVE_MINUTES)
FINISHED = Notice("TrialFinished", "voice: trial finished", "trial 3 finished: 0.25", 3)


def told(event: Event, status: TTSStudyStatus | None = None, **more: str) -> Notice:
    (notice,) = notices("voices/ruslan", spec_of(), [event], status or TTSStudyStatus(), **more)
    return notice


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (EventReason.STUDY_STARTED, "StudyStarted"),
        (EventReason.TRIAL_FINISHED, "TrialFinished"),
        (EventReason.TRIAL_PRUNED, "TrialFinished"),
        (EventReason.NEW_BEST, "NewBest"),
        (EventReason.TRIAL_FAILED, "TrialFailed"),
        (EventReason.ATTEMPT_FAILED, "TrialFailed"),
        (EventReason.TRIAL_RETRY, "TrialRetry"),
        (EventReason.RESOURCE_ALARM, "ResourceAlarm"),
        (EventReason.STORAGE_UNAVAILABLE, "StorageLost"),
        (EventReason.STORAGE_BACK, "StorageBack"),
        (EventReason.STUDY_SUCCEEDED, "StudyFinished"),
        (EventReason.STUDY_FAILED, "StudyFinished"),
    ],
)
def test_an_event_is_told_with_its_own_words(reason: EventReason, kind: str) -> None:
    notice = told(Event("Normal", reason, "what happened", 7))
    assert (notice.kind, notice.trial) == (kind, 7)
    assert "what happened" in notice.text
    assert notice.title.startswith("voices/ruslan: ")


def test_what_only_concerns_those_who_look_is_told_to_nobody() -> None:
    quiet = [EventReason.TRIAL_STARTED, EventReason.PUBLISHING_BEST, EventReason.NOTIFICATION_FAILED]
    assert notices("v", spec_of(), [Event("Normal", r, "m") for r in quiet], TTSStudyStatus()) == ()


BEST = BestTrial(trial=7, value=0.12347, parameters={"learning_rate": 0.00123456, "attention": "dca"})


def test_a_new_best_names_its_parameters_and_wants_its_files() -> None:
    event = Event("Normal", EventReason.NEW_BEST, "trial 7 is the best: 0.12347", 7)
    notice = told(event, TTSStudyStatus(best=BEST))
    assert notice.text == "trial 7 is the best: 0.12347\nwith learning_rate 0.001235, attention dca"
    assert notice.with_files
    assert not FINISHED.with_files


def test_the_end_is_summed_up() -> None:
    status = TTSStudyStatus(
        phase=Phase.SUCCEEDED,
        best=BEST,
        trials=TrialCounts(total=40, succeeded=30, pruned=8, failed=2),
        progress="40/40",
        gpu_seconds=45_000,
        start_time=at(-7500),
        completion_time=NOW,
        dashboards=[
            DashboardStatus(name="optuna", url="http://optuna:5002", ready=True),
            DashboardStatus(name="demo", url="http://demo:5003", ready=False),
        ],
    )
    event = Event("Normal", EventReason.STUDY_SUCCEEDED, "MaxTrialsReached: 40 of 40 trials ended")
    assert told(event, status, voice_at="runs/ruslan/best").text.splitlines() == [
        "Succeeded: MaxTrialsReached: 40 of 40 trials ended",
        "best: trial 7, tts_score 0.1235",
        "with learning_rate 0.001235, attention dca",
        "trials: 40/40 (30 succeeded, 8 pruned, 2 failed)",
        "GPU hours: 12.5",
        "time: 2h05m",
        "voice: runs/ruslan/best",
        "optuna: http://optuna:5002",
    ]


def test_a_study_that_failed_before_anything_ran_has_a_short_summary() -> None:
    event = Event("Warning", EventReason.STUDY_FAILED, "DatasetUnusable: no wav")
    status = TTSStudyStatus(phase=Phase.FAILED, progress="0/4")
    assert told(event, status, voice_at="anywhere").text == "Failed: DatasetUnusable: no wav\ntrials: 0/4"


def test_a_spec_names_its_channels() -> None:
    telegram = {"secretRef": {"name": "bot"}, "chatId": "1", "events": ["NewBest"], "cooldownSeconds": 7}
    spec = spec_of(notifications={"telegram": telegram, "apprise": {"secretRef": {"name": "slack"}}})
    assert rules_of(spec) == (
        Rules("telegram", frozenset({"NewBest"}), timedelta(seconds=7)),
        Rules("apprise", frozenset(), FIVE_MINUTES),
    )
    assert rules_of(spec_of()) == ()


def send(*notices: tuple[float, Notice], rules: Rules = TELEGRAM) -> list[str]:
    """Texts that get through of notices at these seconds."""
    ledger, texts = Ledger(), []
    for seconds, notice in notices:
        ledger, sent = admit(ledger, rules, [notice], at(seconds))
        texts += [n.text for n in sent]
    return texts


def test_a_kind_that_is_not_wanted_is_not_sent() -> None:
    only = Rules("telegram", frozenset({"NewBest"}), FIVE_MINUTES)
    best = Notice("NewBest", "t", "best")
    assert send((0, FINISHED), (1, best), rules=only) == ["best"]


def test_within_the_cooldown_a_kind_is_sent_once_and_the_next_says_how_many_there_were() -> None:
    assert send((0, FINISHED), (1, FINISHED), (299, FINISHED), (300, FINISHED), (601, FINISHED)) == [
        "trial 3 finished: 0.25",
        "trial 3 finished: 0.25\nand 2 more since 12:00 UTC",
        "trial 3 finished: 0.25",
    ]


def test_several_of_a_kind_in_one_pass_are_one_message() -> None:
    ledger, sent = admit(Ledger(), TELEGRAM, [FINISHED] * 4, NOW)
    assert sent == (FINISHED,)
    assert ledger.told["telegram", "TrialFinished"].held == 3


def test_kinds_and_channels_cool_down_by_themselves() -> None:
    ledger, _ = admit(Ledger(), TELEGRAM, [FINISHED], NOW)
    retry = Notice("TrialRetry", "t", "again")
    ledger, sent = admit(ledger, TELEGRAM, [retry], NOW)
    assert sent == (retry,)
    _, sent = admit(ledger, Rules("apprise", frozenset(), FIVE_MINUTES), [FINISHED], NOW)
    assert sent == (FINISHED,)


@pytest.mark.parametrize("kind", sorted(NEVER_HELD))
def test_the_end_and_the_storages_return_are_never_held_back(kind: str) -> None:
    notice = Notice(kind, "t", "x")  # type: ignore[arg-type]
    assert send((0, notice), (1, notice)) == ["x", "x"]


def test_without_a_cooldown_everything_is_sent() -> None:
    assert len(send(*((0, FINISHED),) * 5, rules=Rules("telegram", frozenset(), timedelta()))) == 5


def test_what_could_not_be_sent_is_one_warning_a_channel_and_cooldown() -> None:
    failures = [Failure("telegram", "401"), Failure("telegram", "401"), Failure("gone", "?")]
    ledger, events = failure_events(Ledger(), [TELEGRAM], failures, NOW)
    assert events == (Event("Warning", EventReason.NOTIFICATION_FAILED, "telegram: 401"),)
    _, events = failure_events(ledger, [TELEGRAM], failures[:1], at(300))
    assert [e.message for e in events] == ["telegram: 401 (and 1 more since 12:00 UTC)"]


def test_every_kind_of_the_api_has_a_title() -> None:
    from typing import get_args  # noqa: PLC0415

    from tacotune.api.kubernetes import EventName  # noqa: PLC0415

    assert set(TITLES) == set(get_args(EventName))


def test_files_that_go_by_themselves_have_a_cooldown_of_their_own() -> None:
    ledger, _ = admit(Ledger(), TELEGRAM, [Notice("NewBest", "t", "best")], NOW)
    answers = []
    for seconds in (0, 299, 300):
        ledger, due = admit_files(ledger, TELEGRAM, at(seconds))
        answers.append(due)
    assert answers == [True, False, True]


def test_files_go_to_nobody_who_does_not_want_new_bests() -> None:
    only = Rules("telegram", frozenset({"StudyFinished"}), FIVE_MINUTES)
    assert admit_files(Ledger(), only, NOW) == (Ledger(), False)
