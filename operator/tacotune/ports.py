"""The doors between decisions and the world: what a driver must offer, and how it may fail.

    TacotuneError
    ├── TransientError        comes right by itself: look again after `retry_after` seconds
    │   ├── StorageUnavailable    the database is away
    │   └── ClusterUnavailable    the API server or this machine cannot be asked just now
    ├── Undelivered           a message reached nobody; never stops anything else
    └── PermanentError        needs a person
        ├── InvalidStudy          the stored study contradicts the manifest (changed direction, changed kind of a parameter)
        ├── Missing               what a person named is not there
        └── Busy                  another runner holds this directory

Adapters translate their clients' errors into these at the border; only `controller` and the drivers catch them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from tacotune.api.study import TTSStudySpec
from tacotune.api.trial_contract import TrialResult
from tacotune.engine.actions import PromoteBest
from tacotune.engine.notices import Notice
from tacotune.engine.observed import (
    Attempt,
    ObservedJob,
    ObservedTrial,
    ParameterValue,
    Publication,
    Purpose,
    TrialState,
)


class TacotuneError(Exception):
    """Base of all errors that tacotune raises on purpose."""


class TransientError(TacotuneError):
    """Comes right by itself."""

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class StorageUnavailable(TransientError):  # noqa: N818  a state of the world reads best without a suffix
    """The database cannot be reached."""


class ClusterUnavailable(TransientError):  # noqa: N818  a state of the world reads best without a suffix
    """Jobs cannot be listed or started just now."""


class Undelivered(TacotuneError):  # noqa: N818  a state of the world reads best without a suffix
    """A message reached nobody; the reason is for events and logs and holds no secret."""


class PermanentError(TacotuneError):
    """Does not come right without a person."""


class InvalidStudy(PermanentError):  # noqa: N818  a state of the world reads best without a suffix
    """The stored study contradicts the manifest."""


class Missing(PermanentError):  # noqa: N818  a state of the world reads best without a suffix
    """What a person named is not there (yet)."""


class Busy(PermanentError):  # noqa: N818  a state of the world reads best without a suffix
    """Another runner holds what this one needs."""


@dataclass(frozen=True, slots=True)
class StudyRecord:
    """What the store keeps about a study besides its trials."""

    started_at: datetime | None = None
    prepare_attempts: tuple[Attempt, ...] = ()
    final_attempts: tuple[Attempt, ...] = ()
    final_trial: int | None = None
    final_result: TrialResult | None = None
    space_exhausted: bool = False


class TrialStore(Protocol):
    """Trials of one study; one writer. Every method may raise StorageUnavailable."""

    def open(self, spec: TTSStudySpec) -> None:
        """Create or load the study, enqueue its initial trials once; cheap when already open.

        Raises:
            InvalidStudy: the stored study has other directions or another search space.
        """

    def record(self) -> StudyRecord:
        """Facts about the study."""

    def trials(self) -> Sequence[ObservedTrial]:
        """All trials by number, running ones with the pruner's advice."""

    def ask(self, expected_number: int, spec_hash: str) -> int | None:
        """Ask for the next trial; None when the space is exhausted. A trial of that number already there is left alone.

        `expected_number` is the lowest WAITING trial's, or one more than the highest; one that is WAITING is not "already there".
        """

    def tell(
        self,
        number: int,
        state: TrialState,
        values: Sequence[float],
        *,
        message: str = "",
        metrics: Mapping[str, float] | None = None,
        checkpoint: str = "",
        best_step: int | None = None,
    ) -> None:
        """Finish a trial; a finished one is left alone."""

    def record_attempt(self, purpose: Purpose, trial: int, attempt: Attempt) -> None:
        """Keep an ended attempt; the same number again replaces it."""

    def request_prune(self, number: int, reason: str) -> None:
        """Leave the decision to prune where the trial's reporter reads it."""

    def record_final(self, trial: int, result_json: str = "") -> None:
        """Fix the trial of the final training, or keep its result."""

    def storage_trial_id(self, number: int) -> int:
        """Optuna's id of a trial, which the reporter needs."""

    def delete(self) -> None:
        """Drop the study's rows."""


@dataclass(frozen=True, slots=True)
class Launch:
    """All that a driver needs to start one attempt."""

    purpose: Purpose
    trial: int
    attempt: int
    parameters: Mapping[str, ParameterValue]
    """Fixed and sampled ones together, overrides of earlier attempts applied."""
    storage_trial_id: int | None
    spec: TTSStudySpec
    spec_hash: str
    """The snapshot the trial was asked under. When it is not `spec`'s own, the study was edited since: take the document
    of the trial's earlier attempt, and change only `attempt` and `overrides` in it."""
    overrides: Mapping[str, ParameterValue] = field(default_factory=dict)
    """The part of `parameters` that earlier attempts changed."""


class Cluster(Protocol):
    """Where attempts run, for one study. Every method may raise ClusterUnavailable."""

    def jobs(self) -> Sequence[ObservedJob]:
        """Jobs of this study that run or ended and were not deleted (one being deleted after its end is not listed)."""

    def dataset(self) -> tuple[bool, str]:
        """Whether the prepared dataset is there, and a sentence about it."""

    def promoted(self) -> str:
        """`<purpose>/<trial>/<checkpoint>` of the published best voice; empty when none is."""

    def page_of(self) -> int | None:
        """How many trials had ended when the page beside that voice was made; None where none comes with a voice."""

    def create_job(self, launch: Launch) -> None:
        """Start an attempt; one of that name already there is adopted."""

    def stop_job(self, name: str, reason: str) -> None:
        """Ask it to checkpoint and end; from now on it is listed with `stopping` set to the reason."""

    def kill_job(self, name: str, reason: str) -> None:
        """End it at once; from now on it is listed with `stopping` set to the reason."""

    def delete_job(self, name: str) -> None:
        """Forget an ended Job."""

    def publication(self) -> Publication | None:
        """A `promote` that goes on after the call, or that failed; None where it is done when the call returns."""

    def promote(self, voice: PromoteBest) -> None:
        """Publish a checkpoint, its samples and parameters as the best voice; may go on after the call."""


class Clock(Protocol):
    """The time, given from outside."""

    def now(self) -> datetime:
        """Current time, in UTC, with tzinfo."""


class Channel(Protocol):
    """Where messages go."""

    def send(self, notice: Notice, files: Sequence[Path] = ()) -> None:
        """Deliver a message and its files (PNG, WAV); may take minutes, for it is tried more than once.

        Raises:
            Undelivered: It was not, or not all of it.
        """
