"""What each worker does of a batch: every so-manieth utterance, and how much of the batch's means that is.

A batch is one of all workers together, so that a training does not depend on their number. Pure; `loop` calls it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Part:
    """A worker's part of a batch."""

    utterances: tuple[int, ...]
    """Empty where there are fewer utterances than workers."""
    frames: int
    """Valid mel frames of the whole batch."""
    frame_share: float
    """This part's share of them, which is its weight in means over frames."""
    step_share: float
    """The same of decoder steps."""

    @classmethod
    def of(
        cls, batch: Sequence[int], mel_lengths: Sequence[int], reduction_factor: int, *, rank: int, size: int
    ) -> Self:
        """Take a worker's part. A batch comes by rising length, so that with every `size`-th utterance all have about the same to do.

        Args:
            batch: Utterances of all workers.
            mel_lengths: Frames of every utterance of the dataset.
            reduction_factor: Frames per decoder step.
            rank: Which worker.
            size: How many there are.
        """
        own = tuple(batch[rank::size])
        frames = [sum(mel_lengths[i] for i in some) for some in (own, batch)]
        steps = [sum(-(-mel_lengths[i] // reduction_factor) for i in some) for some in (own, batch)]
        return cls(own, frames[1], frames[0] / frames[1], steps[0] / steps[1])
