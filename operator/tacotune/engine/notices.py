"""Who is told of what: a pass's events become notices, and each channel's toggles and cooldown let some of them through. Pure.

Called by `adapters.notifier`. Kubernetes events tell everything; a notice is for a person's telephone, so it is rarer and says
more. Of a kind that is cooling down nothing is sent: it is counted, and the next one says how many there were.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from tacotune.api.kubernetes import EventName
from tacotune.api.status import TTSStudyStatus
from tacotune.api.study import TTSStudySpec
from tacotune.engine.events import Event, EventReason

KINDS: Final[Mapping[EventReason, EventName]] = MappingProxyType(
    {
        EventReason.STUDY_STARTED: "StudyStarted",
        EventReason.TRIAL_FINISHED: "TrialFinished",
        EventReason.TRIAL_PRUNED: "TrialFinished",
        EventReason.NEW_BEST: "NewBest",
        EventReason.TRIAL_FAILED: "TrialFailed",
        # Of the preparation or the final training: there is no trial that would be told.
        EventReason.ATTEMPT_FAILED: "TrialFailed",
        EventReason.TRIAL_RETRY: "TrialRetry",
        EventReason.RESOURCE_ALARM: "ResourceAlarm",
        EventReason.STORAGE_UNAVAILABLE: "StorageLost",
        EventReason.STORAGE_BACK: "StorageBack",
        EventReason.STUDY_SUCCEEDED: "StudyFinished",
        EventReason.STUDY_FAILED: "StudyFinished",
    }
)
"""What a person is told of; the other events are for those who look."""
TITLES: Final[Mapping[EventName, str]] = MappingProxyType(
    {
        "StudyStarted": "study started",
        "TrialFinished": "trial finished",
        "NewBest": "new best",
        "TrialFailed": "failed",
        "TrialRetry": "trying again",
        "ResourceAlarm": "memory is short",
        "StorageLost": "storage lost",
        "StorageBack": "storage back",
        "StudyFinished": "study finished",
    }
)
NEVER_HELD: Final[frozenset[str]] = frozenset({"StorageBack", "StudyFinished"})
"""A study's end comes once, and is what people wait for. Whoever has read that the storage is lost would go on believing it."""
FILES: Final = "Files"
"""In a ledger: picture and voice that go apart from their notice."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One message, before anybody is chosen to get it."""

    kind: EventName
    title: str
    text: str
    trial: int | None = None

    @property
    def with_files(self) -> bool:
        """Whether the trial's alignment picture and voice belong to it."""
        return self.kind == "NewBest"


@dataclass(frozen=True, slots=True)
class Rules:
    """What one channel of a study wants."""

    channel: str
    """`telegram` or `apprise`."""
    events: frozenset[str]
    """All when empty."""
    cooldown: timedelta
    """Between two messages of a kind."""


@dataclass(frozen=True, slots=True)
class Told:
    """When a channel last got a message of a kind, and how many were held back since."""

    at: datetime
    held: int = 0


@dataclass(frozen=True, slots=True)
class Ledger:
    """What one study's channels were told, by channel and kind. A restart forgets it: at most one message a kind too many."""

    told: Mapping[tuple[str, str], Told] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failure:
    """A message that a channel did not take."""

    channel: str
    reason: str
    """Without any secret."""


def rules_of(spec: TTSStudySpec) -> tuple[Rules, ...]:
    """The channels of a study."""
    wanted = spec.notifications
    if wanted is None:
        return ()
    channels = (("telegram", wanted.telegram), ("apprise", wanted.apprise))
    return tuple(
        Rules(name, frozenset(channel.events), timedelta(seconds=channel.cooldown_seconds))
        for name, channel in channels
        if channel is not None
    )


def notices(
    study: str, spec: TTSStudySpec, events: Sequence[Event], status: TTSStudyStatus, *, voice_at: str = ""
) -> tuple[Notice, ...]:
    """What of a pass's events a person is told.

    Args:
        study: Its name, for the title.
        spec: Names the metric.
        events: Of the pass.
        status: After it.
        voice_at: Where the best voice is to be had, in words.
    """
    return tuple(
        Notice(kind, f"{study}: {TITLES[kind]}", _text(kind, spec, event, status, voice_at), event.trial)
        for event in events
        if (kind := KINDS.get(event.reason)) is not None
    )


def admit(
    ledger: Ledger, rules: Rules, wanted: Sequence[Notice], now: datetime
) -> tuple[Ledger, tuple[Notice, ...]]:
    """Let through what a channel wants and what is not cooling down.

    Returns:
        The ledger after that, and the notices to send; one that follows others which were held back says so.
    """
    sent = []
    for notice in wanted:
        if rules.events and notice.kind not in rules.events:
            continue
        ledger, note = _try(ledger, rules, notice.kind, now)
        if note is not None:
            sent.append(replace(notice, text=f"{notice.text}\n{note}" if note else notice.text))
    return ledger, tuple(sent)


def admit_files(ledger: Ledger, rules: Rules, now: datetime) -> tuple[Ledger, bool]:
    """Whether a channel is to get picture and voice of a new best now, where they go by themselves: with a cooldown of their own."""
    if rules.events and "NewBest" not in rules.events:
        return ledger, False
    ledger, note = _try(ledger, rules, FILES, now)
    return ledger, note is not None


def failure_events(
    ledger: Ledger, rules: Sequence[Rules], failures: Sequence[Failure], now: datetime
) -> tuple[Ledger, tuple[Event, ...]]:
    """Warnings about what could not be sent; one a channel and cooldown, for a wrong token fails with every message."""
    known = {r.channel: r for r in rules}
    events = []
    for failure in failures:
        own = known.get(failure.channel)
        if own is None:
            continue  # The channel was taken out of the spec meanwhile.
        ledger, note = _try(ledger, own, EventReason.NOTIFICATION_FAILED.value, now)
        if note is not None:
            text = f"{failure.channel}: {failure.reason}" + (f" ({note})" if note else "")
            events.append(Event("Warning", EventReason.NOTIFICATION_FAILED, text))
    return ledger, tuple(events)


def _try(ledger: Ledger, rules: Rules, kind: str, now: datetime) -> tuple[Ledger, str | None]:
    """The ledger, and what to add to the message (nothing as a rule); None: it is held back."""
    key = (rules.channel, kind)
    before = ledger.told.get(key)
    if before is not None and kind not in NEVER_HELD and now - before.at < rules.cooldown:
        return Ledger({**ledger.told, key: replace(before, held=before.held + 1)}), None
    note = ""
    if before is not None and before.held:
        note = f"and {before.held} more since {before.at:%H:%M} UTC"
    return Ledger({**ledger.told, key: Told(now)}), note


def _text(kind: EventName, spec: TTSStudySpec, event: Event, status: TTSStudyStatus, voice_at: str) -> str:
    match kind:
        case "NewBest":
            parameters = _parameters(status)
            return event.message + (f"\nwith {parameters}" if parameters else "")
        case "StudyFinished":
            return "\n".join(_summary(spec, event, status, voice_at))
        case _:
            return event.message


def _summary(spec: TTSStudySpec, event: Event, status: TTSStudyStatus, voice_at: str) -> Iterator[str]:
    yield f"{status.phase.value}: {event.message}"
    if status.best is not None:
        metric = spec.all_objectives[0].metric
        yield f"best: trial {status.best.trial}, {metric} {status.best.value:.4g}"
        if parameters := _parameters(status):
            yield f"with {parameters}"
    counts = status.trials
    ends = ((counts.succeeded, "succeeded"), (counts.pruned, "pruned"), (counts.failed, "failed"))
    states = ", ".join(f"{number} {word}" for number, word in ends if number)
    yield f"trials: {status.progress or counts.total}" + (f" ({states})" if states else "")
    if status.gpu_seconds:
        yield f"GPU hours: {status.gpu_hours}"
    if status.start_time is not None and status.completion_time is not None:
        yield f"time: {_duration(status.completion_time - status.start_time)}"
    if status.best is not None and voice_at:
        yield f"voice: {voice_at}"
    for dashboard in status.dashboards:
        if dashboard.ready:
            yield f"{dashboard.name}: {dashboard.url}"


def _parameters(status: TTSStudyStatus) -> str:
    found = status.best.parameters if status.best is not None else {}
    return ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in found.items())


def _duration(time: timedelta) -> str:
    """`26h05m`, `4m10s`."""
    minutes, seconds = divmod(max(round(time.total_seconds()), 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m" if hours else f"{minutes}m{seconds:02d}s"
