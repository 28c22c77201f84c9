"""What training minimizes: mel distance before and after the postnet, the stop loss, and a pull of the attention to the diagonal.

All means are over valid frames or steps of the batch, so padding changes nothing.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from tacotrain.batch import Batch
from tacotrain.config import TrainConfig
from tacotrain.model.tacotron2 import Outputs


@dataclass(frozen=True, slots=True)
class Losses:
    """Scalars with gradient; `total` is the weighted sum of the others, which are unweighted."""

    total: Tensor
    mel: Tensor
    """Before the postnet."""
    mel_postnet: Tensor
    """After it."""
    gate: Tensor
    guided: Tensor
    """Guided attention; 0 where its weight is 0."""


def compute_loss(outputs: Outputs, batch: Batch, config: TrainConfig, step: int) -> Losses:
    """Compare what the network said with the batch it was given.

    Args:
        outputs: Of `Tacotron2` for this batch.
        batch: The same batch.
        config: Kinds and weights.
        step: Optimizer step, which decides how much of the guided attention is left.
    """
    valid_BT = _valid(batch.mel_lengths_B, outputs.mel_BTM.shape[1], outputs.mel_BTM.device)
    target_BTM = batch.mel_BTM[:, : outputs.mel_BTM.shape[1]]
    mel = mel_loss(outputs.mel_BTM, target_BTM, valid_BT, config.mel_loss)
    mel_postnet = mel_loss(outputs.mel_postnet_BTM, target_BTM, valid_BT, config.mel_loss)
    gate = gate_loss(outputs.gate_BT, batch.mel_lengths_B, config.gate_pos_weight)
    weight = guided_weight(config, step)
    if weight:
        guided = guided_attention_loss(
            outputs.alignment_BUS,
            outputs.text_lengths_B,
            outputs.step_lengths_B,
            config.guided_attention_sigma,
        )
    else:
        guided = torch.zeros_like(mel)
    total = mel + config.postnet_loss_weight * mel_postnet + config.gate_loss_weight * gate + weight * guided
    return Losses(total, mel, mel_postnet, gate, guided)


def guided_weight(config: TrainConfig, step: int) -> float:
    """Give the weight of the guided attention loss at an optimizer step: it halves every `guided_attention_decay_steps`."""
    if config.guided_attention_decay_steps == 0:
        return config.guided_attention_weight
    return config.guided_attention_weight * math.exp2(-step / config.guided_attention_decay_steps)


def mel_loss(predicted_BTM: Tensor, target_BTM: Tensor, valid_BT: Tensor, kind: str) -> Tensor:
    """Mean distance of valid frames, squared (`mse`) or absolute (`l1`)."""
    difference = (
        predicted_BTM.float() - target_BTM if predicted_BTM.dtype.itemsize < 4 else predicted_BTM - target_BTM
    )
    distance_BTM = difference.abs() if kind == "l1" else difference.square()
    return (distance_BTM * valid_BT.unsqueeze(2)).sum() / (valid_BT.sum() * predicted_BTM.shape[2])


def gate_loss(logits_BT: Tensor, mel_lengths_B: Tensor, positive_weight: float) -> Tensor:
    """Mean binary cross entropy over valid frames; the last one of each utterance is the positive."""
    frames, device = logits_BT.shape[1], logits_BT.device
    last_BT = torch.arange(frames, device=device) == mel_lengths_B.to(device).unsqueeze(1) - 1
    entropy_BT = F.binary_cross_entropy_with_logits(
        logits_BT,
        last_BT.to(logits_BT.dtype),
        reduction="none",
        pos_weight=logits_BT.new_tensor(positive_weight),
    )
    valid_BT = _valid(mel_lengths_B, frames, device)
    return (entropy_BT * valid_BT).sum() / valid_BT.sum()


def guided_attention_loss(
    alignment_BUS: Tensor, text_lengths_B: Tensor, step_lengths_B: Tensor, sigma: float
) -> Tensor:
    """Attention weight far from the diagonal (Tachibana et al. 2018, section 4.1), as a mean over steps.

    A weight at symbol n of N and step u of U costs 1 - exp(-(n / N - u / U)^2 / (2 sigma^2)). Each step's weights sum to 1, so the
    loss lies in 0 .. 1 whatever the lengths.
    """
    steps, symbols, device = alignment_BUS.shape[1], alignment_BUS.shape[2], alignment_BUS.device
    step_BU1 = torch.arange(steps, device=device).view(1, -1, 1) / step_lengths_B.to(device).view(-1, 1, 1)
    symbol_B1S = torch.arange(symbols, device=device).view(1, 1, -1) / text_lengths_B.to(device).view(
        -1, 1, 1
    )
    cost_BUS = 1 - torch.exp((symbol_B1S - step_BU1).square() / (-2 * sigma**2))
    # Weights at padding are zero, of symbols and of steps.
    return (alignment_BUS * cost_BUS).sum() / step_lengths_B.sum()


def _valid(lengths_B: Tensor, longest: int, device: torch.device) -> Tensor:
    return torch.arange(longest, device=device) < lengths_B.to(device).unsqueeze(1)
