"""TTSStudy, the manifest that users write: every field, its bounds and default, and what must agree across fields.

Errors name the field's path. What a structural schema can say too is said again in CEL by `crd.py`.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from tacotune.api import names
from tacotune.api.base import ApiModel
from tacotune.api.cluster_findings import trainer_pod_findings, volume_findings
from tacotune.api.findings import CROSS_FIELD, Finding, Loc, did_you_mean
from tacotune.api.kubernetes import (
    CheckpointSpec,
    DashboardsSpec,
    DatasetSpec,
    NotificationsSpec,
    StorageSpec,
    TrainerSpec,
)
from tacotune.api.search_space import Categorical, FloatRange, Parameter, ParameterName, Scalar, cells
from tacotune.api.status import TTSStudyStatus
from tacotune.api.tuning import (
    MULTI_OBJECTIVE_SAMPLERS,
    EarlyStopping,
    FinalTraining,
    Objective,
    Pruner,
    Retry,
    Sampler,
    WarmStart,
)

TermName = Literal["alignment", "text_use", "failures", "stop", "mcd", "word_hits"]
MAX_GRID: Final = 100_000


class TTSStudySpec(ApiModel):
    """What the user wants."""

    objective: Objective | None = None
    objectives: list[Objective] | None = Field(default=None, min_length=2, max_length=5)
    weights: dict[TermName, Annotated[float, Field(ge=0, le=100)]] = Field(
        default_factory=dict, max_length=16
    )
    """Weights of the terms of tts_score: alignment, text_use, failures, stop, mcd, word_hits."""
    search_space: list[Parameter] = Field(min_length=1, max_length=100)
    fixed_parameters: dict[ParameterName, Scalar] = Field(default_factory=dict, max_length=200)
    sampler: Sampler = Field(default_factory=Sampler)
    pruner: Pruner = Field(default_factory=lambda: Pruner(name="none"))
    initial_trials: list[Annotated[dict[ParameterName, Scalar], Field(max_length=100)]] = Field(
        default_factory=list, max_length=1000
    )
    warm_start: WarmStart | None = None
    max_trials: int = Field(default=20, ge=1, le=100_000)
    parallelism: int = Field(default=1, ge=1, le=1000)
    max_failed_trials: int | None = Field(default=None, ge=0, le=100_000)
    active_deadline_seconds: int | None = Field(default=None, ge=1)
    gpu_hours: float | None = Field(default=None, gt=0)
    goal: float | None = None
    no_improvement_trials: int | None = Field(default=None, ge=1)
    """Stop when this many finished trials brought nothing better."""
    on_finish: Literal["StopRunning", "Drain"] = "StopRunning"
    suspend: bool = False
    retry: Retry = Field(default_factory=Retry)
    stall_timeout_seconds: int = Field(default=600, ge=10)
    early_stopping: EarlyStopping = Field(default_factory=EarlyStopping)
    dataset: DatasetSpec
    trainer: TrainerSpec = Field(default_factory=TrainerSpec)
    final_training: FinalTraining = Field(default_factory=FinalTraining)
    checkpoints: CheckpointSpec = Field(default_factory=CheckpointSpec)
    storage: StorageSpec | None = None
    dashboards: DashboardsSpec = Field(default_factory=DashboardsSpec)
    notifications: NotificationsSpec | None = None
    deletion_policy: Literal["Retain", "Delete"] = "Retain"

    @property
    def all_objectives(self) -> list[Objective]:
        """One objective, or those of a Pareto front."""
        if self.objectives is not None:
            return self.objectives
        return [self.objective or Objective()]

    @model_validator(mode="after")
    def _across_fields(self) -> Self:
        if found := list(findings(self)):
            raise PydanticCustomError(
                CROSS_FIELD,
                "{summary}",
                {"summary": "; ".join(map(str, found)), "findings": found, "spec": self},
            )
        return self


def findings(spec: TTSStudySpec) -> Iterator[Finding]:
    """Contradictions across fields; places are counted from the spec."""
    yield from _objective_findings(spec)
    yield from _space_findings(spec)
    yield from _sampler_findings(spec)
    yield from _initial_trial_findings(spec)
    yield from trainer_pod_findings(spec.trainer)
    yield from volume_findings(
        spec.dataset, spec.checkpoints, parallelism=spec.parallelism, workers=spec.trainer.workers
    )
    if spec.parallelism > spec.max_trials:
        yield Finding(
            ("parallelism",),
            f"parallelism {spec.parallelism} is greater than maxTrials {spec.max_trials}",
            involves=(("maxTrials",),),
        )


def _objective_findings(spec: TTSStudySpec) -> Iterator[Finding]:
    if spec.objectives is None:
        return
    if spec.objective is not None:
        yield Finding(("objective",), "objective and objectives exclude each other", "keep one of them")
    metrics = [o.metric for o in spec.objectives]
    for index, metric in enumerate(metrics):
        if metric in metrics[:index]:
            yield Finding(("objectives", index, "metric"), f"{metric} stands twice")
    several: tuple[Loc, ...] = (("objectives",),)
    if spec.pruner.name != "none":
        yield Finding(
            ("pruner",), "Optuna prunes only with one objective", "set pruner.name to none", involves=several
        )
    if spec.goal is not None:
        yield Finding(("goal",), "a goal needs one objective", "leave it out", involves=several)
    if spec.final_training.enabled:
        yield Finding(
            ("finalTraining",),
            "needs one objective, a Pareto front has no single best trial",
            "set finalTraining.enabled to false",
            involves=several,
        )
    if spec.sampler.name not in MULTI_OBJECTIVE_SAMPLERS:
        choices = ", ".join(MULTI_OBJECTIVE_SAMPLERS)
        yield Finding(
            ("sampler", "name"),
            f"{spec.sampler.name} knows only one objective",
            f"choose one of {choices}",
            involves=several,
        )


def _space_findings(spec: TTSStudySpec) -> Iterator[Finding]:
    whole: tuple[Loc, ...] = (("searchSpace",),)
    seen: dict[str, Parameter] = {}
    for index, parameter in enumerate(spec.search_space):
        loc: Loc = ("searchSpace", index)
        name = parameter.name
        if name in seen:
            yield Finding((*loc, "name"), f"parameter {name} stands twice")
        if name in spec.fixed_parameters:
            yield Finding(
                ("fixedParameters", name), f"{name} is in searchSpace too", "keep it in one of them"
            )
        if parameter.when is not None:
            parent = seen.get(parameter.when.parameter)
            if parent is None:
                yield Finding(
                    (*loc, "when", "parameter"),
                    f"{parameter.when.parameter} is not an earlier parameter",
                    did_you_mean(parameter.when.parameter, seen) or "put that parameter before this one",
                    involves=whole,
                )
            for position, value in enumerate(parameter.when.in_):
                if parent is not None and not parent.contains(value):
                    yield Finding(
                        (*loc, "when", "in", position),
                        f"{value!r} is not a value of {parameter.when.parameter}",
                        involves=whole,
                    )
        seen.setdefault(name, parameter)


def _sampler_findings(spec: TTSStudySpec) -> Iterator[Finding]:
    name = spec.sampler.name
    chosen: tuple[Loc, ...] = (("sampler", "name"),)
    for index, parameter in enumerate(spec.search_space):
        loc: Loc = ("searchSpace", index)
        space = parameter.space
        if name == "cmaes" and isinstance(space, Categorical):
            yield Finding(
                (*loc, "categorical"), f"cmaes cannot search categorical {parameter.name}", involves=chosen
            )
        if name in {"cmaes", "gp", "grid"} and parameter.when is not None:
            yield Finding(
                (*loc, "when"), f"{name} cannot search conditional {parameter.name}", involves=chosen
            )
        if (
            name == "grid"
            and isinstance(space, FloatRange)
            and space.step is None
            and space.low != space.high
        ):
            yield Finding(
                (*loc, "float"), f"grid needs a step for {parameter.name}", "add step", involves=chosen
            )
    size = cells(spec.search_space) if name == "grid" else None
    if size is not None and size > MAX_GRID:
        yield Finding(
            ("searchSpace",), f"a grid of {size} cells is too large, at most {MAX_GRID}", involves=chosen
        )


def _initial_trial_findings(spec: TTSStudySpec) -> Iterator[Finding]:
    searched = {p.name: p for p in spec.search_space}
    whole: tuple[Loc, ...] = (("searchSpace",),)
    for index, trial in enumerate(spec.initial_trials):
        for name, value in trial.items():
            loc: Loc = ("initialTrials", index, name)
            if name not in searched:
                yield Finding(
                    loc, f"{name} is not in searchSpace", did_you_mean(name, searched), involves=whole
                )
            elif not searched[name].contains(value):
                yield Finding(loc, f"{value!r} is outside the feasible space of {name}", involves=whole)


class Metadata(ApiModel):
    """The part of ObjectMeta that tacotune reads; a cluster's further fields pass by unread."""

    model_config = ApiModel.model_config | {"extra": "ignore"}

    name: str = Field(max_length=52)
    namespace: str = Field(default="default", max_length=63)
    uid: str = ""
    generation: int = 1
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)

    @field_validator("name", "namespace")
    @classmethod
    def _dns_label(cls, name: str) -> str:
        if not re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name):
            raise ValueError(
                f"{name!r} must consist of lower-case letters, digits and '-', and begin and end with one of the first two"
            )
        return name


class TTSStudy(ApiModel):
    """One study."""

    api_version: Literal["tacotune.dev/v1alpha1"] = Field(default=names.API_VERSION)
    kind: Literal["TTSStudy"] = Field(default=names.KIND)
    metadata: Metadata
    spec: TTSStudySpec
    status: TTSStudyStatus | None = None

    @classmethod
    def from_manifest(cls, manifest: dict[str, Any]) -> "TTSStudy":
        """Parse a manifest.

        Raises:
            pydantic.ValidationError: with the path of every wrong field.
        """
        return cls.model_validate(manifest, by_alias=True, by_name=False)
