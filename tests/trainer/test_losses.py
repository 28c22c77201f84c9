"""Losses on numbers that can be worked out by hand."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tacotrain.batch import Batch
from tacotrain.config import TrainConfig
from tacotrain.losses import compute_loss, gate_loss, guided_attention_loss, guided_weight, mel_loss
from tacotrain.model import Outputs

VALID = torch.tensor([[True, True, True], [True, False, False]])


def frames(*rows: list[float]) -> Tensor:
    """One mel band."""
    return torch.tensor(rows, dtype=torch.float64).unsqueeze(2)


@pytest.mark.parametrize(("kind", "expected"), [("mse", (1 + 4 + 0 + 9) / 4), ("l1", (1 + 2 + 0 + 3) / 4)])
def test_the_mel_loss_is_the_mean_over_valid_frames(kind: str, expected: float) -> None:
    predicted, target = frames([1, 2, 3], [3, 99, 99]), frames([0, 0, 3], [0, 0, 0])
    assert mel_loss(predicted, target, VALID, kind).item() == pytest.approx(expected)


def test_the_gate_loss_has_one_positive_an_utterance_and_no_padding() -> None:
    logits = torch.tensor([[0.0, 0.0, 2.0], [0.0, 50.0, -50.0]], dtype=torch.float64)
    # Negatives at logit 0 cost log 2; the positives are the third frame of the first and the only frame of the second.
    softplus = math.log1p(math.exp(-2.0))
    expected = (2 * math.log(2) + 5 * softplus + 5 * math.log(2)) / 4
    assert gate_loss(logits, torch.tensor([3, 1]), 5.0).item() == pytest.approx(expected)


def test_guided_attention_is_free_on_the_diagonal_and_dear_off_it() -> None:
    lengths = torch.tensor([4])
    diagonal = torch.eye(4, dtype=torch.float64).unsqueeze(0)
    assert guided_attention_loss(diagonal, lengths, lengths, 0.2).item() == 0.0
    stuck = torch.zeros_like(diagonal)
    stuck[..., 0] = 1
    expected = sum(1 - math.exp(-((u / 4) ** 2) / (2 * 0.2**2)) for u in range(4)) / 4
    assert guided_attention_loss(stuck, lengths, lengths, 0.2).item() == pytest.approx(expected)
    reversed_ = diagonal.flip(2)
    assert (
        guided_attention_loss(reversed_, lengths, lengths, 0.2)
        > guided_attention_loss(stuck, lengths, lengths, 0.2) / 2
    )
    assert guided_attention_loss(stuck, lengths, lengths, 0.4) < guided_attention_loss(
        stuck, lengths, lengths, 0.2
    )


def test_guided_attention_follows_each_utterances_own_diagonal() -> None:
    alignment = torch.zeros(2, 4, 4, dtype=torch.float64)
    alignment[0] = torch.eye(4)
    alignment[1, :2, :2] = torch.eye(2)
    lengths = torch.tensor([4, 2])
    assert guided_attention_loss(alignment, lengths, lengths, 0.2).item() == 0.0


def test_guided_attention_halves_on_schedule() -> None:
    config = TrainConfig.resolve(
        "tiny", {"guided_attention_weight": 8.0, "guided_attention_decay_steps": 100}
    )
    assert [guided_weight(config, step) for step in (0, 100, 300)] == [8.0, 4.0, 1.0]
    assert guided_weight(TrainConfig.resolve("tiny", {"guided_attention_decay_steps": 0}), 10_000) == 5.0


def pair() -> tuple[Outputs, Batch]:
    """Two utterances of 3 and 1 frames, each predicted as 0 where the truth is 1."""
    lengths, texts = torch.tensor([3, 1]), torch.tensor([2, 1])
    silence = torch.zeros(2, 3, 1)
    alignment = torch.zeros(2, 3, 2)
    alignment[..., 0] = VALID
    outputs = Outputs(silence, silence - 1, torch.zeros(2, 3), alignment, texts, lengths, lengths)
    return outputs, Batch(
        (0, 1), torch.ones(2, 2, dtype=torch.int64), texts, VALID.float().unsqueeze(2), lengths
    )


def test_the_total_weighs_the_terms() -> None:
    outputs, batch = pair()
    config = TrainConfig.resolve(
        "tiny",
        {
            "postnet_loss_weight": 0.5,
            "gate_loss_weight": 2.0,
            "gate_pos_weight": 1.0,
            "guided_attention_weight": 3.0,
        },
    )
    losses = compute_loss(outputs, batch, config, 0)
    assert (losses.mel.item(), losses.mel_postnet.item()) == (1.0, 4.0)
    assert losses.gate.item() == pytest.approx(math.log(2))
    assert losses.guided.item() > 0
    expected = 1.0 + 0.5 * 4.0 + 2.0 * math.log(2) + 3.0 * losses.guided.item()
    assert losses.total.item() == pytest.approx(expected)
    without = compute_loss(outputs, batch, replace(config, guided_attention_weight=0.0), 0)
    assert without.guided.item() == 0.0


def test_what_stands_in_the_padding_does_not_matter() -> None:
    outputs, batch = pair()
    config = TrainConfig.resolve("tiny", {})
    noise = ~VALID * 7.0
    noisy = replace(
        outputs,
        mel_BTM=outputs.mel_BTM + noise.unsqueeze(2),
        mel_postnet_BTM=outputs.mel_postnet_BTM - noise.unsqueeze(2),
        gate_BT=outputs.gate_BT + noise,
    )
    assert compute_loss(noisy, batch, config, 0).total == compute_loss(outputs, batch, config, 0).total
