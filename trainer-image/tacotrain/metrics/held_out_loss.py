"""The loss on held-out sentences, one definition for all trials.

Training losses are weighted by parameters that a study searches: a trial with a smaller `gate_loss_weight` would have a
smaller loss without being better. Here the weights are 1, the distance is the square, padding does not count, and
guided attention is no part of it. It is comparable across trials of one dataset; across reduction factors it is
not a ranking: a model that sees the frame before (r = 1) has it easier without speaking better.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, slots=True)
class LossSums:
    """Sums over frames, so that parts of a dataset add up."""

    mel: float = 0.0
    mel_postnet: float = 0.0
    gate: float = 0.0
    frames: int = 0

    def __add__(self, other: "LossSums") -> "LossSums":
        return LossSums(
            self.mel + other.mel,
            self.mel_postnet + other.mel_postnet,
            self.gate + other.gate,
            self.frames + other.frames,
        )

    @property
    def mel_loss(self) -> float:
        """Mean square error after the postnet."""
        return self.mel_postnet / self.frames

    @property
    def total(self) -> float:
        """Mean square errors before and after the postnet, and cross entropy of the gate."""
        return (self.mel + self.mel_postnet + self.gate) / self.frames


def loss_sums(
    mel_BTM: Tensor, mel_postnet_BTM: Tensor, gate_BT: Tensor, target_BTM: Tensor, lengths_B: Tensor
) -> LossSums:
    """Compare a teacher-forced output with the recordings.

    Args:
        mel_BTM: Before the postnet.
        mel_postnet_BTM: After it.
        gate_BT: Logits; the last frame of each utterance should be positive.
        target_BTM: Normalized recordings.
        lengths_B: Valid frames of each utterance, on the CPU.
    """
    frames = target_BTM.shape[1]
    lengths = lengths_B.to(target_BTM.device)[:, None]
    position_T = torch.arange(frames, device=target_BTM.device)
    valid_BT = position_T < lengths
    last_BT = (position_T == lengths - 1).float()

    def squared(output_BTM: Tensor) -> Tensor:
        error_BT = (output_BTM.float() - target_BTM).square().mean(2)
        return error_BT.masked_fill(~valid_BT, 0.0).sum(dtype=torch.float64)

    entropy_BT = F.binary_cross_entropy_with_logits(gate_BT.float(), last_BT, reduction="none")
    entropy = entropy_BT.masked_fill(~valid_BT, 0.0).sum(dtype=torch.float64)
    mel, mel_postnet, gate = torch.stack([squared(mel_BTM), squared(mel_postnet_BTM), entropy]).tolist()
    return LossSums(mel, mel_postnet, gate, int(lengths_B.sum()))
