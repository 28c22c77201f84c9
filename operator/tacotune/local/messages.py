"""How `tacotune run` notifies: secrets from the environment, pictures and voices from the study's folder. Called by `runner`."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Self

from tacotune.adapters.channels import VARIABLES, from_environment, open_channel
from tacotune.adapters.notifier import Notifier
from tacotune.adapters.outbox import Outbox
from tacotune.api.names import TELEGRAM_URL, trial_directory
from tacotune.api.status import TTSStudyStatus
from tacotune.api.study import TTSStudy, TTSStudySpec
from tacotune.api.trial_contract import TrialResult
from tacotune.controller.reconcile import Outcome
from tacotune.engine.events import Event, EventReason
from tacotune.engine.notices import Notice, rules_of
from tacotune.local.rundir import RunDirectory, RunError
from tacotune.ports import Channel

CLOSE_SECONDS: Final = 30.0
"""Longest wait at the end: for two retries and three slow answers."""


class Messages:
    """Of one run.

    Args:
        study: Whose spec names the channels.
        directory: Where its trials lie.
        say: Tells the person at the terminal.
    """

    def __init__(self, study: TTSStudy, directory: RunDirectory, say: Callable[[str], None]) -> None:
        self._spec = study.spec
        self._possible = _possible(study.spec)
        self._key = study.metadata.uid
        self._earlier = _earlier(directory)
        """What an earlier run of the study has told; of no interest once a pass has read the study's rows."""
        self._directory = directory
        self._say = say
        self._outbox = Outbox()
        self._notifier = Notifier(
            self._key,
            study.metadata.name,
            self._outbox,
            self._connect,
            voice_at=str(directory.best_path),
            files=self._files,
        )

    def __enter__(self) -> Self:
        for rules in rules_of(self._spec):
            variable = VARIABLES[rules.channel]
            if not os.environ.get(variable):
                self._say(
                    f"no messages by {rules.channel}: spec.notifications wants them, and {variable} is not set"
                )
        return self

    def __exit__(self, *_: object) -> None:
        if not self._outbox.flush(0.0):
            self._say(f"sending the last messages (at most {CLOSE_SECONDS:.0f} s)")
        self._outbox.close(within=CLOSE_SECONDS)
        if lost := self._outbox.failures(self._key):
            # Whatever was warned of before: these are the last, the study's summary most likely among them.
            self._say(f"the last messages were not sent: {lost[-1].channel}: {lost[-1].reason}")

    def tell(self, outcome: Outcome) -> tuple[Event, ...]:
        """Send what a pass has to tell; warnings about what could not be sent earlier."""
        now = outcome.observed.now
        events = outcome.events if self._earlier is None else _news(self._earlier, outcome)
        if outcome.observed.storage.ready:
            self._earlier = None
        self._notifier.tell(self._possible, events, outcome.status, now)
        return self._notifier.failures(self._spec, now)

    def _connect(self, channel: str, spec: TTSStudySpec) -> Channel:
        return open_channel(
            channel,
            spec,
            from_environment,
            telegram_url=os.environ.get(TELEGRAM_URL, ""),
            sleep=self._outbox.sleep,
        )

    def _files(self, notice: Notice) -> Sequence[Path]:
        """The alignment picture and the voice of the trial's best evaluation."""
        folder = self._directory.root / trial_directory("trial", notice.trial or 0)
        try:
            result = TrialResult.model_validate_json((folder / "result.json").read_bytes())
        except (OSError, ValueError):
            return ()
        paths = [folder / path for path in (*result.alignments[:1], *result.samples[:1])]
        return [path for path in paths if path.is_file()]


def _earlier(directory: RunDirectory) -> TTSStudyStatus | None:
    """The status that an earlier run left; None where that cannot be read, for it is a mirror and no run depends on it."""
    try:
        return directory.read_status()
    except RunError:
        return None


def _news(earlier: TTSStudyStatus, outcome: Outcome) -> tuple[Event, ...]:
    """A run's first events without those that tell what was true when an earlier run of the study ended."""
    old = set()
    if earlier.start_time is not None:
        old.add(EventReason.STUDY_STARTED)
    best = outcome.status.best
    if earlier.best is not None and best is not None and earlier.best.trial == best.trial:
        old.add(EventReason.NEW_BEST)
    if earlier.phase is outcome.status.phase:
        old |= {EventReason.STUDY_SUCCEEDED, EventReason.STUDY_FAILED}
    return tuple(event for event in outcome.events if event.reason not in old)


def _possible(spec: TTSStudySpec) -> TTSStudySpec:
    """The spec without channels whose secret nobody has given."""
    if spec.notifications is None:
        return spec
    lacking = {name: None for name, variable in VARIABLES.items() if not os.environ.get(variable)}
    return spec.model_copy(update={"notifications": spec.notifications.model_copy(update=lacking)})
