"""Utterances laid one after another with zero rows between, so that convolutions and their statistics never see padding.

V = all valid positions of a batch (symbols or frames), utterance by utterance. L = the same with gaps.
"""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Rows:
    """Where each valid position of a padded batch lies."""

    valid: int
    """V, the number of valid positions."""
    longest: int
    """Positions of the longest utterance."""
    utterances: int
    """B, the number of utterances."""
    utterance_V: Tensor
    """Utterance of each valid position."""
    position_V: Tensor
    """Place within its utterance."""
    remaining_V: Tensor
    """Place counted from the end of its utterance, 0 at the last."""

    @classmethod
    def of(cls, lengths_B: Tensor, device: torch.device) -> Self:
        """Lay out utterances of the given lengths (int64, on the CPU)."""
        utterance_V = torch.repeat_interleave(torch.arange(len(lengths_B)), lengths_B)
        position_V = torch.arange(len(utterance_V)) - (lengths_B.cumsum(0) - lengths_B)[utterance_V]
        remaining_V = lengths_B[utterance_V] - 1 - position_V
        return cls(
            valid=len(utterance_V),
            longest=int(lengths_B.max()),
            utterances=len(lengths_B),
            utterance_V=utterance_V.to(device),
            position_V=position_V.to(device),
            remaining_V=remaining_V.to(device),
        )

    def gather(self, x_BTD: Tensor) -> Tensor:
        """Take the valid positions of a padded tensor (T may be more than the longest): `x_VD`."""
        return x_BTD.flatten(0, 1)[self.utterance_V * x_BTD.shape[1] + self.position_V]

    def scatter(self, x_VD: Tensor) -> Tensor:
        """Put valid positions into `x_BTD`, zero at padding."""
        padded = x_VD.new_zeros(self.utterances * self.longest, x_VD.shape[1])
        index = self.utterance_V * self.longest + self.position_V
        return padded.index_copy(0, index, x_VD).view(self.utterances, self.longest, -1)

    def gapped_index(self, gap: int) -> Tensor:
        """Row of each valid position when `gap` zero rows lie between utterances: `index_V`."""
        return torch.arange(self.valid, device=self.utterance_V.device) + gap * self.utterance_V

    def gapped_length(self, gap: int) -> int:
        """L: valid positions and gaps together."""
        return self.valid + gap * (self.utterances - 1)
