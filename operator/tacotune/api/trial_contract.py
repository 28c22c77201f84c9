"""The documents between operator and trainer, this side of them: docs/trial-contract.md is the agreement.

`TrialDocument` is written (nothing unknown may slip in), `TrialResult` and `Progress` are read (a newer trainer may say more).
"""

import math
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from tacotune.api.base import ApiModel

CONTRACT: Final = "tacotune.dev/trial/v1"
RESULT_CONTRACT: Final = "tacotune.dev/result/v1"


class ResultState(StrEnum):
    """How a finished trial ended."""

    COMPLETE = "complete"
    PRUNED = "pruned"
    EARLY_STOPPED = "early_stopped"
    DIVERGED = "diverged"
    INFEASIBLE = "infeasible"


class ExitCode:
    """What the trainer's exit codes mean."""

    OK = 0
    CRASH = 1
    USAGE = 64
    BAD_DATA = 65
    INPUT_MISSING = 66
    DEVICE_UNAVAILABLE = 69
    INTERNAL = 70
    CANNOT_CREATE = 73
    CANNOT_WRITE = 74
    CHECKPOINTED = 75
    PERMISSION = 77
    KILLED = 137
    TERMINATED = 143


class StudyReference(ApiModel):
    """Which study a trial belongs to."""

    name: str
    namespace: str
    uid: str


class DatasetReference(ApiModel):
    """A folder made by `tacotrain prepare`."""

    path: str


class ObjectiveReference(ApiModel):
    """One metric to optimise."""

    metric: str
    direction: Literal["Minimize", "Maximize"]


class CheckpointSettings(ApiModel):
    """When to save and how many to keep."""

    every_steps: int
    keep: int


class ReportSettings(ApiModel):
    """Where live values go."""

    storage_url_env: str | None = None
    storage_trial_id: int | None = None
    every_seconds: float = 10.0
    tensorboard: bool = True
    mlflow: dict[str, str] | None = None


class WarmStartReference(ApiModel):
    """Weights to start from."""

    checkpoint: str


class TrialDocument(ApiModel):
    """`trial.json`."""

    contract: Literal["tacotune.dev/trial/v1"] = CONTRACT
    study: StudyReference
    purpose: Literal["trial", "final"]
    trial: int
    attempt: int
    spec_hash: str
    preset: str
    parameters: dict[str, Any]
    seed: int
    dataset: DatasetReference
    objectives: list[ObjectiveReference]
    weights: dict[str, float] = Field(default_factory=dict)
    early_stopping: dict[str, Any] | None = None
    checkpoints: CheckpointSettings
    directory: str
    report: ReportSettings
    warm_start: WarmStartReference | None = None
    deadline_seconds: float | None = None
    device: str = "auto"
    threads: int | None = None


class PublicationDocument(ApiModel):
    """The argument of `tacotrain publish`."""

    source: str
    purpose: Literal["trial", "final"]
    trial: int
    checkpoint: str
    """Relative to the trial's directory."""
    parameters: dict[str, Any] | None = None
    """None: those that the checkpoint was trained with."""
    preset: str | None = None


def _finite(value: object) -> object:
    """NaN and infinity become null: they are never a score."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


MaybeNumber = Annotated[float | None, BeforeValidator(_finite)]


class _Read(BaseModel):
    model_config = ConfigDict(extra="ignore", alias_generator=to_camel, populate_by_name=True)


class TrialResult(_Read):
    """`result.json`."""

    state: ResultState
    spec_hash: str = ""
    message: str = ""
    values: list[MaybeNumber] = Field(default_factory=list)
    metrics: dict[str, MaybeNumber] = Field(default_factory=dict)
    best_step: int | None = None
    steps: int = 0
    epochs: float = 0.0
    seconds: float = 0.0
    frames: int = 0
    checkpoint: str | None = None
    samples: list[str] = Field(default_factory=list)
    alignments: list[str] = Field(default_factory=list)
    gate_threshold: float | None = None
    peak_memory_bytes: int | None = None


class Progress(_Read):
    """`progress.json`, and the trial's user attribute `tacotune:progress`."""

    step: int = 0
    total_steps: int = 0
    epoch: float = 0.0
    loss: MaybeNumber = None
    frames_per_second: MaybeNumber = None
    alignment: MaybeNumber = None
    value: MaybeNumber = None
    phase: str = ""
    memory_bytes: int = 0
    alarm: str = ""
    """Which memory is nearly full; in the same words until that has passed."""
    updated_at: float = 0.0
    attempt: int = 0
    state: str = ""


class Termination(_Read):
    """The trainer's last word when it leaves no result."""

    state: str = "failed"
    exit_code: int = 1
    message: str = ""
    cuda_out_of_memory: bool = False


class Published(_Read):
    """The last word of `tacotrain publish`, when there is something to say."""

    unannounced: str = ""
    """Why the chat that was to be shown the voice did not get it."""
