"""How many optimizer steps a training has, and where in the epochs a step lies."""

import math
from dataclasses import dataclass

from tacotrain.errors import ConfigError, DataError


@dataclass(frozen=True, slots=True)
class Budget:
    """The length of a training. An epoch may end in the middle of an accumulation; the next one goes on from there."""

    total_steps: int
    """Optimizer steps."""
    batches_per_epoch: int
    """Batches that show every utterance once."""
    accumulation_steps: int
    """Batches per optimizer step."""

    @classmethod
    def of(cls, *, epochs: int, max_steps: int, batches_per_epoch: int, accumulation_steps: int) -> "Budget":
        """Work the length out; `max_steps` cuts it where it is not 0.

        Raises:
            DataError: There is nothing to train on.
            ConfigError: The training would end before its first step.
        """
        if batches_per_epoch < 1:
            raise DataError("the dataset has no batch to train on; prepare more utterances")
        steps = math.ceil(epochs * batches_per_epoch / accumulation_steps)
        if max_steps:
            steps = min(steps, max_steps)
        if steps < 1:
            raise ConfigError(f"epochs: {epochs} gives no step to train; use 1 or more")
        return cls(steps, batches_per_epoch, accumulation_steps)

    @property
    def epochs(self) -> float:
        """Epochs of the whole training."""
        return self.epoch(self.total_steps)

    def epoch(self, step: int) -> float:
        """Epochs seen after so many optimizer steps."""
        return step * self.accumulation_steps / self.batches_per_epoch
