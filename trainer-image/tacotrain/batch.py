"""One training batch: what `data` makes, `model` and `losses` eat, and `metrics` compares with.

Shape suffixes used all over tacotrain: B = utterances of the batch, S = symbols of the longest text, T = mel frames of the
longest utterance, U = decoder steps (ceil(T / reduction factor)), M = mel bands, E = encoder width.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Batch:
    """Padded utterances, longest text or not: rows are in the sampler's order."""

    utterances_B: tuple[int, ...]
    """Index of each utterance in the dataset."""
    text_BS: Tensor
    """Symbol ids, int64, 0 at padding."""
    text_lengths_B: Tensor
    """Symbols, int64, on the CPU."""
    mel_BTM: Tensor
    """Normalised log-mel frames, float32, 0 at padding."""
    mel_lengths_B: Tensor
    """Frames, int64, on the CPU."""

    @property
    def frames(self) -> int:
        """Valid mel frames: the unit of work; padding does not count."""
        return int(self.mel_lengths_B.sum())

    def to(self, device: torch.device) -> "Batch":
        """Move the padded tensors; lengths stay on the CPU, where loops read them."""
        return replace(
            self,
            text_BS=self.text_BS.to(device, non_blocking=True),
            mel_BTM=self.mel_BTM.to(device, non_blocking=True),
        )
