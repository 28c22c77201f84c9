"""Which (step, utterance) pairs of a padded batch exist, in the order the scans walk them.

Sorted by decreasing length, the utterances that are still speaking at step t are the first `sizes[t]` rows, so a scan computes
a shrinking block and never a padding row. All rows of all steps, one after another, are the N of `x_ND`: every dense layer
outside the scans is one matrix product over N.
"""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Packing:
    """Rows of a batch by step, longest utterance first."""

    sizes: tuple[int, ...]
    """Utterances still active at each step; never grows."""
    order_B: Tensor
    """Utterance of each row of the first step."""
    step_N: Tensor
    """Step of each row."""
    utterance_N: Tensor
    """Utterance of each row, as numbered in the batch."""
    rank_N: Tensor
    """Place of that utterance in `order_B`."""
    utterances: int
    """B, the number of utterances."""

    @classmethod
    def of(cls, lengths_B: Tensor, device: torch.device) -> Self:
        """Pack utterances of the given numbers of steps (int64, on the CPU, all at least 1)."""
        assert int(lengths_B.min()) >= 1, "an utterance without a step"
        order_B = torch.argsort(lengths_B, descending=True, stable=True)
        sorted_B = lengths_B[order_B]
        active_UB = sorted_B.unsqueeze(0) > torch.arange(int(sorted_B[0])).unsqueeze(1)
        step_N, rank_N = active_UB.nonzero(as_tuple=True)
        return cls(
            sizes=tuple(active_UB.sum(1).tolist()),
            order_B=order_B.to(device),
            step_N=step_N.to(device),
            utterance_N=order_B[rank_N].to(device),
            rank_N=rank_N.to(device),
            utterances=len(lengths_B),
        )

    @property
    def steps(self) -> int:
        """U, the steps of the longest utterance."""
        return len(self.sizes)

    def pack_time_major(self, x_UBD: Tensor) -> Tensor:
        """Take the existing rows of a padded tensor: `x_ND`."""
        return x_UBD.flatten(0, 1)[self.step_N * self.utterances + self.utterance_N]

    def unpack_time_major(self, x_ND: Tensor) -> Tensor:
        """Put packed rows into a tensor that is zero at padding: `x_UBD`."""
        padded = x_ND.new_zeros(self.steps * self.utterances, x_ND.shape[1])
        index = self.step_N * self.utterances + self.utterance_N
        return padded.index_copy(0, index, x_ND).view(self.steps, self.utterances, -1)

    def unpack(self, x_ND: Tensor) -> Tensor:
        """Put packed rows into a tensor that is zero at padding: `x_BUD`."""
        padded = x_ND.new_zeros(self.utterances * self.steps, x_ND.shape[1])
        index = self.utterance_N * self.steps + self.step_N
        return padded.index_copy(0, index, x_ND).view(self.utterances, self.steps, -1)


def by_step(x_ND: Tensor, sizes: tuple[int, ...]) -> tuple[Tensor, ...]:
    """Give the rows of each step as views."""
    return torch.split(x_ND, list(sizes))


def previous_rows(states: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """Give the state that each row started from, out of a buffer of `sizes[0]` initial rows and then N rows of results."""
    first, total = sizes[0], sum(sizes)
    if sizes[-1] == first:
        return states[:total]
    starts = torch.tensor([0, first, *sizes[:-2]] if len(sizes) > 1 else [0]).cumsum(0)
    counts = torch.tensor(sizes)
    ends = counts.cumsum(0)
    index = torch.arange(total) + torch.repeat_interleave(starts - ends + counts, counts)
    return states[index.to(states.device)]
