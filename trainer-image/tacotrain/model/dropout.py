"""Dropout masks drawn before the forward pass, so that a step can be replayed and resumed bit by bit.

Every mask comes from the generator that the caller hands over, none from torch's global one: saving that generator's state in
a checkpoint is enough. A mask holds 0 or 1 / (1 - p).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class DropoutMasks:
    """All masks of one batch; what is empty or None drops nothing."""

    prenet_UBP: tuple[Tensor, ...] = ()
    """One for each prenet layer."""
    frames_UB: Tensor | None = None
    """0 where the teacher's frame is replaced by the mean frame, else 1."""
    attention_UBH: Tensor | None = None
    """Output of the attention LSTM."""
    decoder_UBD: Tensor | None = None
    """Output of the decoder LSTM."""
    encoder_VC: tuple[Tensor, ...] = ()
    """One for each encoder convolution, over valid symbols."""
    postnet_VC: tuple[Tensor, ...] = ()
    """One for each postnet convolution, over valid frames."""


def draw(shape: tuple[int, ...], probability: float, generator: torch.Generator, like: Tensor) -> Tensor:
    """Draw one mask on the generator's device, then move it to that of `like`.

    Four numbers come out of each 64 random bits, which is several times faster than `bernoulli_`; probabilities are rounded to
    1 / 65536 and the scale is that of the rounded one.
    """
    numbers = math.prod(shape)
    bits = torch.empty(-(-numbers // 4), dtype=torch.int64, device=generator.device)
    bits.random_(-(2**63), None, generator=generator)
    dropped = round(probability * 2**16)
    kept = bits.view(torch.int16)[:numbers].view(shape) >= dropped - 2**15
    return kept.to(like.device).to(like.dtype).mul_(2**16 / (2**16 - dropped))
