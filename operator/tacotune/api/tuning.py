"""The parts of a TTSStudy that say how it is tuned: objective, sampler, pruner, retry, early stopping, final training."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tacotune.api.base import ApiModel
from tacotune.api.search_space import ParameterName, Scalar

Direction = Literal["Minimize", "Maximize"]
SamplerName = Literal["tpe", "gp", "cmaes", "nsgaii", "nsgaiii", "qmc", "random", "grid"]
PrunerName = Literal["median", "percentile", "hyperband", "successiveHalving", "patient", "threshold", "none"]
MULTI_OBJECTIVE_SAMPLERS = ("tpe", "nsgaii", "nsgaiii", "random", "qmc", "grid", "gp")


class Objective(ApiModel):
    """One metric of the trainer and which way is better."""

    metric: str = Field(default="tts_score", pattern=r"^[a-z][a-z0-9_]*$", max_length=63)
    direction: Direction = "Minimize"


class Sampler(ApiModel):
    """Optuna's sampler; rebuilt for each trial with a seed made of this one and the trial's number."""

    name: SamplerName = "tpe"
    seed: int = Field(default=42, ge=0, le=2**31 - 1)
    startup_trials: int = Field(default=20, ge=0, le=10_000)
    """Random trials before the sampler learns (tpe, gp)."""


class Pruner(ApiModel):
    """Optuna's pruner; the operator asks it at every new intermediate value."""

    name: PrunerName = "median"
    startup_trials: int = Field(default=10, ge=0, le=10_000)
    """Finished trials before anything is pruned."""
    warmup_steps: int = Field(default=0, ge=0)
    """Optimizer steps before a trial can be pruned."""
    interval_steps: int = Field(default=1, ge=1)
    percentile: float = Field(default=25.0, gt=0, lt=100)
    """percentile: keep the best this many percent."""
    min_resource: int = Field(default=1, ge=1)
    """hyperband, successiveHalving: steps of the first rung."""
    max_resource: int | None = Field(default=None, ge=1)
    """hyperband: steps of a full trial."""
    reduction_factor: int = Field(default=3, ge=2, le=16)
    """hyperband, successiveHalving."""
    patience: int = Field(default=3, ge=0)
    """patient: evaluations without improvement before the median rule speaks."""
    min_delta: float = Field(default=0.0, ge=0)
    """patient."""
    lower: float | None = None
    """threshold: below this, prune."""
    upper: float | None = None
    """threshold: above this, prune."""
    keep_improving_alignment: bool = True
    """Spare a trial whose best value came with its newest report."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.name == "hyperband" and self.max_resource is None:
            raise ValueError("hyperband needs maxResource, the optimizer steps of a full trial")
        if (
            self.name == "hyperband"
            and self.max_resource is not None
            and self.min_resource > self.max_resource
        ):
            raise ValueError(
                f"minResource {self.min_resource} is greater than maxResource {self.max_resource}"
            )
        if self.name == "threshold" and self.lower is None and self.upper is None:
            raise ValueError("threshold needs lower or upper")
        if self.lower is not None and self.upper is not None and self.lower > self.upper:
            raise ValueError(f"lower {self.lower:g} is greater than upper {self.upper:g}")
        return self


class WarmStart(ApiModel):
    """Begin with what earlier studies of the same namespace found."""

    from_studies: list[Annotated[str, Field(max_length=253)]] = Field(min_length=1, max_length=10)
    top_trials: int = Field(default=5, ge=1, le=100)
    weights: Literal["none", "best"] = "none"
    """`best`: every trial starts from the best checkpoint of these studies."""


class Backoff(ApiModel):
    """initial·factorⁿ seconds, at most `maxSeconds`, with jitter computed from the Job's name."""

    initial_seconds: float = Field(default=5.0, ge=0, le=3600)
    factor: float = Field(default=2.0, ge=1, le=10)
    max_seconds: float = Field(default=600.0, ge=0, le=86_400)


class Retry(ApiModel):
    """What happens after a failed attempt; disruptions do not count."""

    max_attempts: int = Field(default=3, ge=1, le=100)
    backoff: Backoff = Field(default_factory=Backoff)
    on_out_of_memory: Literal["Retry", "ReduceBatch"] = "Retry"
    """ReduceBatch halves the batch and doubles the accumulation, recorded in the trial."""


class EarlyStoppingPhase(ApiModel):
    """One phase of training, by progress."""

    until: float = Field(gt=0, le=1)
    patience: float = Field(gt=0, le=1_000_000)
    """Epochs of `referenceEpochs` without improvement."""
    min_delta: float = Field(default=0.0, ge=0)
    attention_threshold: float = Field(default=0.0, ge=0, le=1)


def _default_phases() -> list[EarlyStoppingPhase]:
    return [
        EarlyStoppingPhase(until=0.3, patience=200, min_delta=0.02, attention_threshold=0.4),
        EarlyStoppingPhase(until=0.7, patience=150, min_delta=0.001, attention_threshold=0.7),
        EarlyStoppingPhase(until=1.0, patience=100, min_delta=0.0005, attention_threshold=0.85),
    ]


class EarlyStopping(ApiModel):
    """Inside the trainer, by phase of training."""

    enabled: bool = True
    reference_epochs: int = Field(default=1000, ge=1)
    phases: list[EarlyStoppingPhase] = Field(default_factory=_default_phases, min_length=1, max_length=10)

    @model_validator(mode="after")
    def _check(self) -> Self:
        ends = [p.until for p in self.phases]
        if ends != sorted(set(ends)):
            raise ValueError(f"phases must end one after the other, `until` is {ends}")
        if ends[-1] != 1.0:
            raise ValueError(f"the last phase must end at 1.0, not at {ends[-1]:g}")
        return self


class FinalTraining(ApiModel):
    """After the search: train fully with the best parameters."""

    enabled: bool = False
    epochs: float | None = Field(default=None, gt=0)
    """Epochs of the final training; the trials' own when absent."""
    parameters: dict[ParameterName, Scalar] = Field(default_factory=dict, max_length=100)
    """Further parameters that differ from the best trial's."""
