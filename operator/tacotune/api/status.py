"""`status` of a TTSStudy: what was observed, never what was hoped for. Always below 32 KiB; history lives in Postgres."""

from typing import Any, Self

from pydantic import Field, model_validator

from tacotune.api.base import ApiModel, Time
from tacotune.api.conditions import Condition, Phase


class TrialCounts(ApiModel):
    """Trials by state."""

    total: int = 0
    pending: int = 0
    running: int = 0
    succeeded: int = 0
    pruned: int = 0
    failed: int = 0
    retrying: int = 0


class BestTrial(ApiModel):
    """The best complete trial so far."""

    trial: int
    value: float
    shown: str = ""
    """`value` in four digits, for the column BEST; follows it by itself."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    step: int | None = None
    checkpoint: str = ""

    @model_validator(mode="after")
    def _shown_follows_value(self) -> Self:
        # Past validate_assignment, which would come here again.
        self.__dict__["shown"] = f"{self.value:.4g}"
        return self


class ActiveTrial(ApiModel):
    """A trial that has an attempt now or waits for its next one."""

    trial: int
    attempt: int
    state: str
    """Pending, Running, Stopping or Retrying."""
    step: int | None = None
    message: str = Field(default="", max_length=256)
    """Why it waits or stops; of a running one, which memory is nearly full."""


class RecentFailure(ApiModel):
    """One failed attempt."""

    trial: int
    attempt: int
    cause: str
    exit_code: int | None = None
    message: str = Field(default="", max_length=256)
    time: Time | None = None


class DashboardStatus(ApiModel):
    """Where a dashboard answers."""

    name: str
    url: str = ""
    """Empty until it has answered."""
    ready: bool = False
    message: str = Field(default="", max_length=256)
    """Why it is not ready."""


class TTSStudyStatus(ApiModel):
    """The whole status."""

    observed_generation: int = 0
    phase: Phase = Phase.PENDING
    conditions: list[Condition] = Field(default_factory=list, max_length=8)
    trials: TrialCounts = Field(default_factory=TrialCounts)
    progress: str = ""
    """Finished of wanted trials, for people: `12/40`."""
    attempts: int = 0
    disruptions: int = 0
    gpu_seconds: float = 0.0
    gpu_hours: str = "0.0"
    """`gpuSeconds` as hours, for the column GPU-H; follows it by itself."""
    best: BestTrial | None = None
    active: list[ActiveTrial] = Field(default_factory=list, max_length=1000)
    recent_failures: list[RecentFailure] = Field(default_factory=list, max_length=10)
    dashboards: list[DashboardStatus] = Field(default_factory=list, max_length=8)
    start_time: Time | None = None
    completion_time: Time | None = None
    estimated_completion_time: Time | None = None

    @model_validator(mode="after")
    def _hours_follow_seconds(self) -> Self:
        # Past validate_assignment, which would come here again.
        self.__dict__["gpu_hours"] = f"{self.gpu_seconds / 3600:.1f}"
        return self
