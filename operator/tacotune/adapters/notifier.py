"""One study's messages: what a pass has to tell goes to the outbox, what could not be sent comes back as events.

Called by both drivers after a status is written. Nothing in here blocks, and nothing would be missed after a restart but what
is cooling down.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from tacotune.adapters.outbox import Outbox, Parcel
from tacotune.api.status import TTSStudyStatus
from tacotune.api.study import TTSStudySpec
from tacotune.engine.events import Event
from tacotune.engine.notices import Ledger, Notice, admit, admit_files, failure_events, notices, rules_of
from tacotune.ports import Channel

Connect = Callable[[str, TTSStudySpec], Channel]
"""The channel of that name; called when a message is sent. Raises Undelivered, when there is no secret for it."""


def _no_files(_notice: Notice) -> Sequence[Path]:
    """A driver that cannot read a trial's folder."""
    return ()


class Notifier:
    """Of one study.

    Args:
        key: The study's, unlike every other's in this process.
        title: What people call it.
        outbox: The process's.
        connect: Opens a channel.
        voice_at: Where the best voice is to be had, in words.
        files: The alignment picture and the voice of a notice's trial.
    """

    def __init__(
        self,
        key: Hashable,
        title: str,
        outbox: Outbox,
        connect: Connect,
        *,
        voice_at: str = "",
        files: Callable[[Notice], Sequence[Path]] = _no_files,
    ) -> None:
        self._key = key
        self._title = title
        self._outbox = outbox
        self._connect = connect
        self._voice_at = voice_at
        self._files = files
        self._ledger = Ledger()

    def tell(
        self, spec: TTSStudySpec, events: Sequence[Event], status: TTSStudyStatus, now: datetime
    ) -> None:
        """Put into the outbox what these events are worth."""
        wanted = notices(self._title, spec, events, status, voice_at=self._voice_at)
        for rules in rules_of(spec):
            self._ledger, sent = admit(self._ledger, rules, wanted, now)
            for notice in sent:
                self._outbox.put(self._parcel(rules.channel, spec, notice))

    def files_due(self, spec: TTSStudySpec, channel: str, now: datetime) -> bool:
        """Whether a channel is to get picture and voice of a new best from somebody who can read them."""
        rules = next((r for r in rules_of(spec) if r.channel == channel), None)
        if rules is None:
            return False
        self._ledger, due = admit_files(self._ledger, rules, now)
        return due

    def lost(self, channel: str, reason: str) -> None:
        """Somebody else could not reach the channel."""
        self._outbox.lost(self._key, channel, self._title, reason)

    def failures(self, spec: TTSStudySpec, now: datetime) -> tuple[Event, ...]:
        """Warnings about what could not be sent since this was last asked."""
        lost = self._outbox.failures(self._key)
        self._ledger, events = failure_events(self._ledger, rules_of(spec), lost, now)
        return events

    def _parcel(self, channel: str, spec: TTSStudySpec, notice: Notice) -> Parcel:
        parcel = Parcel(self._key, channel, lambda: self._connect(channel, spec), notice)
        return replace(parcel, files=lambda: self._files(notice)) if notice.with_files else parcel
