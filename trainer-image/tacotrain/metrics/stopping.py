"""Does the voice stop where the sentence ends? The stop frame, never the accuracy of the gate.

A gate that never opens is right in 565 frames out of 566, so accuracy is not reported at all. What counts is one frame
per utterance: the first whose probability passes the threshold, against the last frame of the recording.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor

TOLERANCE_FRAMES = 5
"""A stop within that many frames of the true one is a hit: 58 ms at 22,050 Hz and a hop of 256."""

THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(2, 19))
"""Candidates for the gate threshold: 0.10 to 0.90."""


@dataclass(frozen=True, slots=True)
class Stopping:
    """How well one gate threshold finds the ends."""

    threshold: float
    f1: float
    """Of "stopped within the tolerance": a missed end and a wrong one both cost."""
    median_error_frames: float | None
    """Median distance to the true stop frame over the utterances that stopped; None when none did."""


def stop_frame(gate_T: Tensor, threshold: float) -> int | None:
    """First frame whose stop probability exceeds the threshold, or None.

    Args:
        gate_T: Logits of one utterance, without padding.
        threshold: A probability.
    """
    stops = (gate_T.detach().sigmoid() > threshold).nonzero()
    return int(stops[0]) if len(stops) else None


def stop_f1(predicted: Sequence[int | None], true: Sequence[int], tolerance: int = TOLERANCE_FRAMES) -> float:
    """F1 of the stop frames; a stop at a wrong frame is a false alarm and leaves the true one missed.

    Raises:
        ValueError: There is nothing to compare, or not one prediction per utterance.
    """
    if not true or len(predicted) != len(true):
        raise ValueError(f"{len(predicted)} predicted stop frames for {len(true)} utterances")
    hits = sum(p is not None and abs(p - t) <= tolerance for p, t in zip(predicted, true, strict=True))
    made = sum(p is not None for p in predicted)
    return 2 * hits / (made + len(true))


def judge_threshold(gates: Sequence[Tensor], true: Sequence[int], threshold: float) -> Stopping:
    """Stop every utterance with one threshold.

    Args:
        gates: Teacher-forced gate logits, one vector per utterance, without padding.
        true: Stop frame of each utterance: its last frame.
        threshold: A probability.
    """
    predicted = [stop_frame(gate_T, threshold) for gate_T in gates]
    errors = [abs(p - t) for p, t in zip(predicted, true, strict=True) if p is not None]
    return Stopping(
        threshold=threshold,
        f1=stop_f1(predicted, true),
        median_error_frames=float(median(errors)) if errors else None,
    )


def choose_threshold(gates: Sequence[Tensor], true: Sequence[int]) -> Stopping:
    """Pick the gate threshold after training, on the validation utterances.

    The highest F1 wins, then the smallest median error, then the value nearest to one half.

    Args:
        gates: As for `judge_threshold`.
        true: Stop frame of each utterance.

    Raises:
        ValueError: There is no utterance.
    """
    if not gates:
        raise ValueError("choosing a gate threshold needs at least one utterance")
    if not all(bool(torch.isfinite(gate_T).all()) for gate_T in gates):
        return Stopping(threshold=0.5, f1=float("nan"), median_error_frames=None)
    return max((judge_threshold(gates, true, threshold) for threshold in THRESHOLDS), key=_preference)


def _preference(stopping: Stopping) -> tuple[float, float, float]:
    error = stopping.median_error_frames
    return stopping.f1, -error if error is not None else -float("inf"), -abs(stopping.threshold - 0.5)
