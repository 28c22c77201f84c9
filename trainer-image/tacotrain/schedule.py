"""The learning rate as a function of the step: nothing to save, nothing to restore.

Tied to steps and never to time: a schedule by the clock cannot be repeated.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Schedule:
    """Warm-up to the peak, then a decay that reaches its end with the last step."""

    peak: float
    """Learning rate after the warm-up."""
    shape: str
    """Course of the decay: constant, exponential or cosine."""
    final_ratio: float
    """Rate of the last step, as a share of the peak."""
    warmup_steps: int
    """Optimizer steps of linear growth from nothing to the peak."""
    total_steps: int
    """Optimizer steps of the whole training."""

    def rate(self, step: int) -> float:
        """Learning rate of a step, the first being 0."""
        if step < self.warmup_steps:  # 1. The first step already moves: a rate of zero would waste it.
            return self.peak * (step + 1) / self.warmup_steps
        progress = self._decay_progress(step)
        match self.shape:
            case "constant":  # 2.
                return self.peak
            case "exponential":  # 3. A constant factor per step.
                return float(self.peak * self.final_ratio**progress)
            case "cosine":  # 4.
                return self.peak * (
                    self.final_ratio + (1 - self.final_ratio) * 0.5 * (1 + math.cos(math.pi * progress))
                )
            case _:
                raise ValueError(f"there is no schedule {self.shape!r}")

    def _decay_progress(self, step: int) -> float:
        decay_steps = self.total_steps - 1 - self.warmup_steps
        return 1.0 if decay_steps <= 0 else min(1.0, (step - self.warmup_steps) / decay_steps)
