"""Evaluates a model on held-out sentences: every metric of the trial contract, from one place.

Two views of the same sentences. *Teacher-forced*: the model hears the recording up to each frame; this measures the loss,
the attention, and whether the text matters. *Free-running*: it speaks alone; this measures what a listener would get.

Equal weights and an equal seed give equal numbers on one machine: the prenet's dropout, which stays on when speaking, is
drawn from generators of our own, the same for all trials of a study, and the global random state is neither read nor moved.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from tacotrain import free_run as free_running
from tacotrain import teacher_forced
from tacotrain.config import TrainConfig
from tacotrain.data.shard import PreparedDataset
from tacotrain.metrics.score import merge_weights, tts_score
from tacotrain.metrics.stopping import Stopping
from tacotrain.metrics.text_use import wrong_texts

if TYPE_CHECKING:
    from tacotrain.model.tacotron2 import Tacotron2

BATCH = 32
"""Utterances at once; bounds memory. Teacher-forced numbers do not depend on it beyond rounding."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one evaluation found."""

    metrics: dict[str, float]
    """By the names of `tacotrain.metrics.score.METRICS`, and `mcd_floor`; what broke is nan."""
    stopping: Stopping
    """The gate threshold that suits these weights, and how well it stops."""
    alignments: tuple[NDArray[np.float32], ...]
    """Teacher-forced, one per utterance."""
    spoken: tuple[free_running.Spoken, ...]
    """Free-running; empty without it."""

    @property
    def gate_threshold(self) -> float:
        """To speak with these weights."""
        return self.stopping.threshold


def evaluate(
    model: "Tacotron2",
    dataset: PreparedDataset,
    config: TrainConfig,
    *,
    device: torch.device,
    seed: int,
    free_run: bool = True,
    weights: Mapping[str, float] | None = None,
) -> Evaluation:
    """Measure a model; it is left in the mode it came in.

    Args:
        model: On `device`.
        dataset: Its validation utterances are used.
        config: How many utterances, and the reduction factor.
        device: Where to compute.
        seed: Of the dropout masks and of the wrong texts: one per study, not per trial, so that trials differ by themselves.
        free_run: Also speak freely. Without it, what depends on it is missing, `tts_score` included.
        weights: Of the terms of `tts_score`.

    Raises:
        ConfigError: The weights are wrong.
    """
    merge_weights(weights)  # A mistake in them should not cost an evaluation first.
    chosen = spread(dataset.validation, dataset.mel_lengths, config.evaluation_utterances)
    partners = _partners(dataset, chosen, seed)
    with _evaluating(model):
        forced = teacher_forced.listen(
            model, dataset, chosen, partners, device=device, seed=seed, batch_size=BATCH
        )
        metrics, stops = teacher_forced.judge(forced, dataset, config.reduction_factor)
        spoken: tuple[free_running.Spoken, ...] = ()
        if free_run and config.free_run_utterances:
            aloud = spread(chosen, dataset.mel_lengths, config.free_run_utterances)
            spoken = free_running.speak_freely(
                model,
                dataset,
                aloud,
                gate_threshold=stops.threshold,
                device=device,
                seed=seed,
                batch_size=BATCH,
            )
            metrics |= free_running.judge(spoken, dataset, _partners(dataset, aloud, seed))
            metrics["tts_score"] = tts_score(metrics, weights)
    return Evaluation(
        metrics=metrics,
        stopping=stops,
        alignments=tuple(alignment_US.numpy() for alignment_US in forced.alignments),
        spoken=spoken,
    )


def spread(utterances: Sequence[int], lengths: Sequence[int], count: int) -> tuple[int, ...]:
    """Choose utterances of all lengths, evenly, always the same; shortest first."""
    ordered = sorted(utterances, key=lambda utterance: (lengths[utterance], utterance))
    count = min(count, len(ordered))
    return tuple(ordered[(2 * place + 1) * len(ordered) // (2 * count)] for place in range(count))


def _partners(dataset: PreparedDataset, utterances: Sequence[int], seed: int) -> tuple[int, ...]:
    """For each utterance another one that says something else; a training one if only one is held out."""
    pool = utterances if len(utterances) > 1 else (*utterances, dataset.train[0])
    wrong = wrong_texts([dataset.ids(utterance).tolist() for utterance in pool], seed)
    return tuple(pool[partner] for partner in wrong[: len(utterances)])


@contextmanager
def _evaluating(model: torch.nn.Module) -> Iterator[None]:
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(was_training)
