"""What one pass has seen: frozen facts, and the only time there is (`now`).

`controller.observe` makes an `Observed`, `engine.plan` reads it. Nothing here knows where the facts came from: a Job may be
a Kubernetes Job or a process group, a trial row may lie in Postgres or in a test's dictionary.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from tacotune.api.status import TTSStudyStatus
from tacotune.api.study import TTSStudySpec
from tacotune.api.trial_contract import Progress, TrialResult

ParameterValue = str | int | float | bool | None


class Purpose(StrEnum):
    """What a Job is for."""

    PREPARE = "prepare"
    TRIAL = "trial"
    FINAL = "final"


class TrialState(StrEnum):
    """Optuna's states; WAITING is enqueued and not yet asked."""

    WAITING = "Waiting"
    RUNNING = "Running"
    COMPLETE = "Complete"
    PRUNED = "Pruned"
    FAIL = "Fail"

    @property
    def finished(self) -> bool:
        """Told once and for all."""
        return self in {TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL}


class Cause(StrEnum):
    """Why an attempt ended: the rows of design.md's table "Retry by cause"."""

    FINISHED = "Finished"
    DISRUPTION = "Disruption"
    OUT_OF_MEMORY = "OutOfMemory"
    TRANSIENT = "Transient"
    PERMANENT = "Permanent"


class JobPhase(StrEnum):
    """How far a Job is. PENDING: its pod has not started (image, quota, scheduling, or a process not yet spawned)."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"

    @property
    def ended(self) -> bool:
        """Nothing of it runs any more."""
        return self in {JobPhase.SUCCEEDED, JobPhase.FAILED}


class StopReason(StrEnum):
    """Why the engine ends a Job: the `reason` of StopJob and KillJob, and `ObservedJob.stopping` from then on."""

    STALLED = "Stalled"
    IMAGE_PULL = "ImagePullDeadline"
    SUSPENDED = "Suspended"
    INTERRUPTED = "Interrupted"
    PRUNED = "Pruned"
    STUDY_FINISHED = "StudyFinished"
    TRIAL_FINISHED = "TrialFinished"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One ended attempt, as it is recorded in the store before its Job is deleted."""

    number: int
    cause: Cause
    ended_at: datetime
    started_at: datetime | None = None
    exit_code: int | None = None
    message: str = ""
    outcome: str = ""
    """Result state of a finished attempt: complete, pruned, early_stopped, diverged, infeasible."""
    gpu_seconds: float = 0.0
    overrides: Mapping[str, ParameterValue] = field(default_factory=dict)
    """Parameters that the next attempt changes (ReduceBatch: batch_size, accumulation_steps)."""


@dataclass(frozen=True, slots=True)
class ObservedTrial:
    """One trial of the store."""

    number: int
    state: TrialState
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)
    values: tuple[float, ...] = ()
    last_report: tuple[int, float] | None = None
    """Newest intermediate value: (step, value)."""
    best_report: tuple[int, float] | None = None
    """Best intermediate value by the first objective's direction: (step, value)."""
    attempts: tuple[Attempt, ...] = ()
    parameters_complete: bool = True
    """False: an earlier ask was cut off between the row and its parameters."""
    prune_advised: str = ""
    """The pruner's reason, when it says that this running trial should end."""
    prune_requested: str = ""
    """The decision already left in the trial's attributes; empty when none is."""
    spec_hash: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    checkpoint: str = ""
    """Relative to the trial's directory: `checkpoints/step-00000250`."""
    best_step: int | None = None
    progress: Progress | None = None


@dataclass(frozen=True, slots=True)
class ObservedJob:
    """One Job of the study, live or ended and not yet deleted."""

    name: str
    purpose: Purpose
    trial: int
    """Trial number; of the best trial for FINAL, -1 for PREPARE."""
    attempt: int
    phase: JobPhase
    exit_code: int | None = None
    reason: str = ""
    """The platform's word: OOMKilled, DisruptionTarget, NodeLost, Suspended, DeadlineExceeded, ImagePullBackOff, Unschedulable, …"""
    message: str = ""
    result: TrialResult | None = None
    cuda_out_of_memory: bool = False
    created_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    progress: Progress | None = None
    stopping: str = ""
    """Why it was asked to stop (SIGTERM sent, deletion under way); empty when it was not."""
    gpus: int = 0
    memory_bytes: int = 0
    """Resident memory of the attempt, where the driver can see it."""


@dataclass(frozen=True, slots=True)
class Publication:
    """A voice that is being copied to its place, where that takes a Job of its own; gone once it is published."""

    source: str
    """As `Observed.promoted`."""
    attempt: int
    failed_at: datetime | None = None
    """None while it goes on."""
    message: str = ""
    """Why it failed."""


@dataclass(frozen=True, slots=True)
class Storage:
    """Whether the study's rows can be read and written just now."""

    ready: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class Observed:
    """One snapshot of one study."""

    name: str
    namespace: str
    uid: str
    generation: int
    spec: TTSStudySpec
    spec_hash: str
    now: datetime
    storage: Storage
    dataset_ready: bool
    dataset_message: str = ""
    trials: tuple[ObservedTrial, ...] = ()
    jobs: tuple[ObservedJob, ...] = ()
    prepare_attempts: tuple[Attempt, ...] = ()
    final_attempts: tuple[Attempt, ...] = ()
    final_trial: int | None = None
    """The trial whose parameters the final training was started with; fixed by its first attempt."""
    final_result: TrialResult | None = None
    promoted: str = ""
    """`<purpose>/<trial>/<checkpoint>` of the published best voice (PromoteBest.source); empty when none is."""
    page_of: int | None = None
    """How many trials had ended when the page beside that voice was made; None: none comes with a voice."""
    publication: Publication | None = None
    """Under way, or the last one, when it failed."""
    space_exhausted: bool = False
    """The sampler has nothing new to ask (grid done, or no unequal parameters left)."""
    started_at: datetime | None = None
    status: TTSStudyStatus = field(default_factory=TTSStudyStatus)
    interrupted: bool = False
    """The person at the terminal pressed Ctrl-C: stop everything so that it can be resumed, ask nothing."""
    forgive_before: datetime | None = None
    """A person asked to try again then: failures of preparation and final training, and trials that all failed permanently,
    no longer count when they ended before."""
