"""Stopping a training that no longer improves, by its phase (alignment, learning, fine-tuning).

Patience is written in epochs of a reference length, so that one rule fits trainings of any length: 200 of 1,000 epochs are a
fifth of the training, be it 1,000 epochs or 10. Pure: the state goes in, the state and perhaps a verdict come out.
"""

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

Direction = Literal["Minimize", "Maximize"]


@dataclass(frozen=True, slots=True)
class Phase:
    """The rule of one part of a training."""

    until: float
    """Progress (0 to 1) where the next phase begins; the last phase also holds the end."""
    patience: float
    """Reference epochs without an improvement after which training stops."""
    min_delta: float
    """A change of the objective smaller than this is no improvement."""
    attention_threshold: float
    """Alignment below which a stop means that the voice never aligned."""


class Verdict(StrEnum):
    """What an early stop says about the voice."""

    NOT_ALIGNED = "not_aligned"
    CONVERGED = "converged"


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything that does not change during a training."""

    phases: tuple[Phase, ...]
    reference_epochs: int
    direction: Direction
    total_steps: int

    def phase(self, step: int) -> Phase:
        """Phase of a step; one that begins where another ends owns that moment."""
        progress = step / self.total_steps
        return next((phase for phase in self.phases if progress < phase.until), self.phases[-1])

    def patience_steps(self, phase: Phase) -> float:
        """Patience in optimizer steps of this training."""
        return phase.patience * self.total_steps / self.reference_epochs

    def improves(self, value: float, best: float | None, phase: Phase) -> bool:
        """Whether a value beats the best one by at least the phase's `min_delta`."""
        if not math.isfinite(value):
            return False
        if best is None:
            return True
        gain = best - value if self.direction == "Minimize" else value - best
        return gain > 0 and gain >= phase.min_delta


@dataclass(frozen=True, slots=True)
class Patience:
    """What early stopping remembers between evaluations."""

    best: float | None = None
    """Value of the last improvement. Small gains add up against it, so slow progress is progress."""
    improved_at: int = 0
    """Step of the last improvement."""

    def observe(
        self, rules: Rules, *, step: int, value: float, alignment: float | None
    ) -> tuple["Patience", Verdict | None]:
        """Take in an evaluation; a verdict means: stop now."""
        phase = rules.phase(step)
        if rules.improves(value, self.best, phase):
            return replace(self, best=value, improved_at=step), None
        if step - self.improved_at < rules.patience_steps(phase):
            return self, None
        aligned = alignment is not None and alignment >= phase.attention_threshold
        return self, Verdict.CONVERGED if aligned else Verdict.NOT_ALIGNED


def default_phases() -> tuple[Phase, ...]:
    """The three phases used where a trial does not bring its own."""
    return (
        Phase(until=0.3, patience=200, min_delta=0.02, attention_threshold=0.4),
        Phase(until=0.7, patience=150, min_delta=0.001, attention_threshold=0.7),
        Phase(until=1.0, patience=100, min_delta=0.0005, attention_threshold=0.85),
    )
