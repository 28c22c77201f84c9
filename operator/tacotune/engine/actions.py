"""What a plan may ask for. Each action is repeatable: done twice, it does what it does once."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tacotune.engine.observed import Attempt, ParameterValue, Purpose, TrialState


@dataclass(frozen=True, slots=True)
class AskTrial:
    """Ask the sampler for the parameters of the next trial. `expected_number` guards against asking twice."""

    expected_number: int


@dataclass(frozen=True, slots=True)
class CreateJob:
    """Start one attempt. Its name follows from study, trial and attempt, so a second call finds it there."""

    purpose: Purpose
    trial: int
    attempt: int
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)
    """Fixed and sampled ones together, `overrides` applied; empty for PREPARE."""
    overrides: Mapping[str, ParameterValue] = field(default_factory=dict)
    """What earlier attempts changed (ReduceBatch), and what the final training changes."""
    spec_hash: str = ""
    """Of the snapshot that the trial was asked under."""


@dataclass(frozen=True, slots=True)
class StopJob:
    """Ask a Job to checkpoint and end (SIGTERM, then the grace period, then SIGKILL)."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class KillJob:
    """End a Job that cannot be expected to checkpoint (stalled)."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class DeleteJob:
    """Forget an ended Job; its attempt is already recorded."""

    name: str


@dataclass(frozen=True, slots=True)
class RecordAttempt:
    """Keep how an attempt ended, before anything of it is deleted."""

    purpose: Purpose
    trial: int
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class RequestPrune:
    """Leave the decision to prune in the trial's attributes, where its reporter reads it."""

    trial: int
    reason: str


@dataclass(frozen=True, slots=True)
class TellTrial:
    """Tell Optuna the end of a trial, exactly once; attributes are written before the state."""

    trial: int
    state: TrialState
    values: tuple[float, ...] = ()
    message: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    checkpoint: str = ""
    best_step: int | None = None


@dataclass(frozen=True, slots=True)
class RecordFinal:
    """Fix which trial's parameters the final training uses (`result` empty) or keep its result document (JSON)."""

    trial: int
    result_json: str = ""


@dataclass(frozen=True, slots=True)
class PromoteBest:
    """Publish a checkpoint, its samples and parameters as the study's best voice.

    `checkpoint` is relative to the trial's directory (of FINAL: the final training's).
    """

    purpose: Purpose
    trial: int
    checkpoint: str
    attempt: int = 1
    """Above 1: it failed before."""
    again: bool = False
    """It lies there already; only the page beside it is out of date."""
    finished: int = field(default=0, compare=False)
    """Trials that have ended by now: what the page will tell of. No part of what is published."""

    @property
    def source(self) -> str:
        """What `Observed.promoted` says once this is done."""
        return f"{self.purpose.value}/{self.trial}/{self.checkpoint}"


Action = (
    AskTrial
    | CreateJob
    | StopJob
    | KillJob
    | DeleteJob
    | RecordAttempt
    | RequestPrune
    | TellTrial
    | RecordFinal
    | PromoteBest
)
