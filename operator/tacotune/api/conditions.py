"""Condition types and reasons: closed sets, CamelCase, with a sentence each.

Conditions are states, as Kubernetes API conventions have them; numbers go into the message.
"""

from collections.abc import Sequence
from enum import StrEnum

from pydantic import Field

from tacotune.api.base import ApiModel, Time


class ConditionType(StrEnum):
    """What can be true of a study."""

    SUCCEEDED = "Succeeded"
    """The study ended and has a best voice (False with a reason: not yet, or it failed)."""
    STORAGE_READY = "StorageReady"
    """The database answers."""
    DATASET_READY = "DatasetReady"
    """The dataset was validated and prepared."""
    DASHBOARDS_READY = "DashboardsReady"
    """Every enabled dashboard answered HTTP 200."""
    SUSPENDED = "Suspended"
    """`spec.suspend` is carried out: no attempt runs."""


class Reason(StrEnum):
    """Why a condition has its status."""

    # Succeeded=False, still going
    PENDING = "Pending"
    PREPARING = "Preparing"
    TRIALS_RUNNING = "TrialsRunning"
    FINAL_TRAINING = "FinalTraining"
    DRAINING = "Draining"
    SUSPENDED = "Suspended"
    # Succeeded=True
    MAX_TRIALS_REACHED = "MaxTrialsReached"
    GOAL_REACHED = "GoalReached"
    SPACE_EXHAUSTED = "SpaceExhausted"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    GPU_HOURS_SPENT = "GpuHoursSpent"
    NO_IMPROVEMENT = "NoImprovement"
    # Succeeded=False, ended
    INVALID_SPEC = "InvalidSpec"
    MAX_FAILED_TRIALS_REACHED = "MaxFailedTrialsReached"
    ALL_TRIALS_FAILED = "AllTrialsFailed"
    DATASET_UNUSABLE = "DatasetUnusable"
    FINAL_TRAINING_FAILED = "FinalTrainingFailed"
    # StorageReady
    CONNECTED = "Connected"
    UNREACHABLE = "Unreachable"
    # DatasetReady
    PREPARED = "Prepared"
    # DashboardsReady
    SERVING = "Serving"
    WAITING = "Waiting"
    DISABLED = "Disabled"
    # Suspended
    REQUESTED = "Requested"
    NOT_REQUESTED = "NotRequested"


class Phase(StrEnum):
    """One word for people; machines read conditions."""

    PENDING = "Pending"
    PREPARING = "Preparing"
    RUNNING = "Running"
    DRAINING = "Draining"
    FINAL_TRAINING = "FinalTraining"
    SUSPENDED = "Suspended"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


class Condition(ApiModel):
    """As in metav1.Condition."""

    type: ConditionType
    status: str = Field(pattern="^(True|False|Unknown)$")
    reason: Reason
    message: str = Field(default="", max_length=1024)
    last_transition_time: Time
    observed_generation: int = 0


def set_condition(conditions: Sequence[Condition], new: Condition) -> list[Condition]:
    """Put a condition in, keeping `lastTransitionTime` where its status did not change."""
    kept = [c for c in conditions if c.type != new.type]
    before = next((c for c in conditions if c.type == new.type), None)
    if before is not None and before.status == new.status:
        new = new.model_copy(update={"last_transition_time": before.last_transition_time})
    order = list(ConditionType)
    return sorted([*kept, new], key=lambda c: order.index(c.type))


def find_condition(conditions: Sequence[Condition], kind: ConditionType) -> Condition | None:
    """The condition of that type, if there is one."""
    return next((c for c in conditions if c.type == kind), None)
