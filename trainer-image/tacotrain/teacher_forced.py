"""What a model does with recordings in its ear: loss, attention, stop frames, and whether the text matters.

`tacotrain.evaluate` calls it; the model is in evaluation mode and no gradient is kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tacotrain.batch import Batch
from tacotrain.data.shard import PreparedDataset
from tacotrain.metrics import alignment, stopping
from tacotrain.metrics.held_out_loss import LossSums, loss_sums
from tacotrain.metrics.text_use import swap_ratio
from tacotrain.metrics.word_hit import word_hits

if TYPE_CHECKING:
    from tacotrain.model.tacotron2 import Outputs, Tacotron2

MASK_SEEDS = 2
"""Prenet masks that the loss is averaged over."""


@dataclass(frozen=True, slots=True)
class TeacherForced:
    """What came out of one pass over the utterances."""

    utterances: tuple[int, ...]
    right: LossSums
    """With the text of each recording."""
    wrong: LossSums
    """With the text of another one."""
    alignments: tuple[Tensor, ...]
    """Without padding, of the first mask."""
    gates: tuple[Tensor, ...]
    """Logits of each frame, as above."""


def listen(
    model: "Tacotron2",
    dataset: PreparedDataset,
    utterances: Sequence[int],
    partners: Sequence[int],
    *,
    device: torch.device,
    seed: int,
    batch_size: int,
) -> TeacherForced:
    """Predict each frame from the recorded ones before it, once with the right text and once with a wrong one.

    Args:
        model: On `device`.
        dataset: Where the utterances are.
        utterances: To listen to.
        partners: For each of them the utterance whose text is the wrong one.
        device: Where to compute.
        seed: Of the dropout masks.
        batch_size: Utterances at once.
    """
    right, wrong = LossSums(), LossSums()
    alignments: list[Tensor] = []
    gates: list[Tensor] = []
    for start in range(0, len(utterances), batch_size):
        rows = slice(start, start + batch_size)
        batch = dataset.batch(utterances[rows]).to(device)
        other = dataset.batch(partners[rows]).to(device)
        swapped = replace(batch, text_BS=other.text_BS, text_lengths_B=other.text_lengths_B)
        for number in range(MASK_SEEDS):
            # The same masks for both: only the text may make the difference.
            masks = model.evaluation_masks(batch, seed * MASK_SEEDS + number)
            outputs = model(batch, masks)
            right += _losses(outputs, batch)
            wrong += _losses(model(swapped, masks), batch)
            if number == 0:
                alignments += _unpad(outputs)
                lengths = batch.mel_lengths_B.tolist()
                gates += [
                    gate_T[:frames].float().cpu()
                    for gate_T, frames in zip(outputs.gate_BT, lengths, strict=True)
                ]
    return TeacherForced(tuple(utterances), right, wrong, tuple(alignments), tuple(gates))


def judge(
    forced: TeacherForced, dataset: PreparedDataset, reduction_factor: int
) -> tuple[dict[str, float], stopping.Stopping]:
    """Turn it into metrics, and choose the gate threshold."""
    qualities = [alignment.assess(alignment_US) for alignment_US in forced.alignments]
    stops = stopping.choose_threshold(forced.gates, [dataset.mel_lengths[i] - 1 for i in forced.utterances])
    metrics = {
        "val_loss": forced.right.total,
        "mel_loss": forced.right.mel_loss,
        "alignment": _mean([quality.alignment for quality in qualities]),
        "alignment_focus": _mean([quality.focus for quality in qualities]),
        "alignment_coverage": _mean([quality.coverage for quality in qualities]),
        "alignment_monotonicity": _mean([quality.monotonicity for quality in qualities]),
        "swap_ratio": swap_ratio(forced.wrong.mel_loss, forced.right.mel_loss),
        "stop_f1": stops.f1,
    }
    hits = steps = 0
    for utterance, alignment_US in zip(forced.utterances, forced.alignments, strict=True):
        words = dataset.word_timings(utterance)
        if words is not None:
            counts = word_hits(
                alignment_US,
                words,
                reduction_factor=reduction_factor,
                seconds_per_frame=dataset.audio.seconds_per_frame,
            )
            hits, steps = hits + counts[0], steps + counts[1]
    if steps:
        metrics["word_hit_rate"] = hits / steps
    return metrics, stops


def _losses(outputs: "Outputs", batch: Batch) -> LossSums:
    return loss_sums(
        outputs.mel_BTM, outputs.mel_postnet_BTM, outputs.gate_BT, batch.mel_BTM, batch.mel_lengths_B
    )


def _unpad(outputs: "Outputs") -> list[Tensor]:
    sizes = zip(outputs.step_lengths_B.tolist(), outputs.text_lengths_B.tolist(), strict=True)
    return [
        alignment_US[:steps, :symbols].float().cpu()
        for alignment_US, (steps, symbols) in zip(outputs.alignment_BUS, sizes, strict=True)
    ]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
