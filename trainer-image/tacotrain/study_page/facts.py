"""What the page is made of, as `rows` has read it: frozen facts, and the questions that several parts ask of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

Value = str | int | float | bool | None

FINISHED: Final = "Finished"
DISRUPTION: Final = "Disruption"
"""Causes of an attempt's end that are no failure, as the operator records them."""
TOP: Final = 5
"""How many trials are shown and heard."""


class State(StrEnum):
    """Optuna's states of a trial, in the operator's spelling."""

    WAITING = "Waiting"
    RUNNING = "Running"
    COMPLETE = "Complete"
    PRUNED = "Pruned"
    FAIL = "Fail"


@dataclass(frozen=True, slots=True)
class Objective:
    """One goal of the search."""

    name: str
    minimize: bool

    @property
    def direction(self) -> str:
        """For people."""
        return "lower is better" if self.minimize else "higher is better"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One dimension of the search space."""

    name: str
    log: bool = False
    choices: tuple[Value, ...] = ()
    """Of a category; empty for numbers."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One ended attempt, as the operator has recorded it."""

    number: int
    cause: str
    outcome: str = ""
    """Result state of a finished attempt."""
    message: str = ""
    exit_code: int | None = None
    seconds: float = 0.0
    gpu_seconds: float = 0.0
    ended: datetime | None = None

    @property
    def failed(self) -> bool:
        """It ended by a fault, not by itself and not by the platform."""
        return self.cause not in {FINISHED, DISRUPTION}


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial."""

    number: int
    state: State
    parameters: Mapping[str, Value] = field(default_factory=dict)
    values: tuple[float, ...] = ()
    """One for each objective when it is complete, else none."""
    last: tuple[int, float] | None = None
    """Newest intermediate value: (step, value)."""
    attempts: tuple[Attempt, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    checkpoint: str = ""
    message: str = ""
    """Why it ended as it did."""


@dataclass(frozen=True, slots=True)
class FinalTraining:
    """The full training with the best trial's parameters."""

    trial: int
    attempts: tuple[Attempt, ...] = ()
    values: tuple[float, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Study:
    """A study as its database has it at one moment."""

    name: str
    objectives: tuple[Objective, ...]
    taken: datetime
    trials: tuple[Trial, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    prepare_attempts: tuple[Attempt, ...] = ()
    final: FinalTraining | None = None
    started: datetime | None = None
    settings: Mapping[str, Value] = field(default_factory=dict)
    """Of the manifest, for people: sampler, pruner, preset and so on; empty where no manifest was given."""
    notes: tuple[str, ...] = ()
    """What could not be read, in sentences."""

    def of(self, *states: State) -> tuple[Trial, ...]:
        """Trials in one of some states."""
        return tuple(trial for trial in self.trials if trial.state in states)

    @property
    def running(self) -> bool:
        """Something of the study goes on or is still to come."""
        return bool(self.of(State.RUNNING, State.WAITING))

    def everything(self) -> Iterator[tuple[Trial | None, Attempt]]:
        """All attempts: of trials, then those of the final training and of the dataset's preparation, which have none."""
        for trial in self.trials:
            for attempt in trial.attempts:
                yield trial, attempt
        for attempt in (*(self.final.attempts if self.final else ()), *self.prepare_attempts):
            yield None, attempt


def ranked(study: Study) -> tuple[Trial, ...]:
    """Complete trials, the best first; with several objectives the Pareto front first, each part by the first objective."""
    complete = [trial for trial in study.of(State.COMPLETE) if trial.values]
    front = {trial.number for trial in pareto_front(study)} if len(study.objectives) > 1 else set()
    sign = 1 if study.objectives[0].minimize else -1
    return tuple(
        sorted(complete, key=lambda trial: (trial.number not in front, sign * trial.values[0], trial.number))
    )


def pareto_front(study: Study) -> tuple[Trial, ...]:
    """Complete trials that no other one beats in every objective, by number."""
    signs = [1 if objective.minimize else -1 for objective in study.objectives]
    costs = {
        trial.number: tuple(sign * value for sign, value in zip(signs, trial.values, strict=True))
        for trial in study.of(State.COMPLETE)
        if len(trial.values) == len(signs)
    }
    # Equal ones stay both: neither is the better.
    return tuple(
        trial
        for trial in study.trials
        if (own := costs.get(trial.number)) is not None
        and not any(
            other != own and all(a <= b for a, b in zip(other, own, strict=True)) for other in costs.values()
        )
    )
