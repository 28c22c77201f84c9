"""What a model says alone, fed with its own frames: what a listener would get.

`tacotrain.evaluate` calls it; the model is in evaluation mode.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tacotrain.data.shard import PreparedDataset
from tacotrain.metrics.alignment import assess
from tacotrain.metrics.mcd import mcd_dtw, unrelated

if TYPE_CHECKING:
    from tacotrain.model.tacotron2 import Tacotron2

LONGEST = 1.5
"""Speech is cut at that many times the longest recording; the sentence has then failed."""
LENGTH_RATIO = 1.4
"""Speech that is longer or shorter than the recording by more than this factor has failed."""
LEAST_COVERAGE = 0.9
"""Speech that reads less of its text has failed: words are missing."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """One sentence, spoken freely."""

    utterance: int
    mel_TM: NDArray[np.float32]
    """Normalized."""
    alignment_US: NDArray[np.float32]
    recorded_TM: NDArray[np.float32]
    """The recording, normalized."""
    stopped: bool
    failed: bool
    """Did not stop, skipped text, did not arrive at its end, or took far too long or short."""


def speak_freely(
    model: "Tacotron2",
    dataset: PreparedDataset,
    utterances: Sequence[int],
    *,
    gate_threshold: float,
    device: torch.device,
    seed: int,
    batch_size: int,
) -> tuple[Spoken, ...]:
    """Speak the texts of utterances.

    Args:
        model: On `device`.
        dataset: Where the utterances are.
        utterances: Whose texts to speak.
        gate_threshold: Probability that stops.
        device: Where to compute.
        seed: Of the prenet's dropout.
        batch_size: Utterances at once.
    """
    factor = model.config.reduction_factor
    spoken: list[Spoken] = []
    for start in range(0, len(utterances), batch_size):
        rows = utterances[start : start + batch_size]
        batch = dataset.batch(rows)
        heard = model.infer(
            batch.text_BS.to(device),
            batch.text_lengths_B,
            max_frames=ceil(LONGEST * int(batch.mel_lengths_B.max())),
            gate_threshold=gate_threshold,
            generator=_generator(seed, start),
        )
        for row, utterance in enumerate(rows):
            frames = int(heard.mel_lengths_B[row])
            steps = -(-frames // factor)
            alignment_US = heard.alignment_BUS[row, :steps, : dataset.text_lengths[utterance]].float().cpu()
            stopped = bool(heard.stopped_B[row])
            recorded_TM = dataset.mel(utterance)
            spoken.append(
                Spoken(
                    utterance=utterance,
                    mel_TM=heard.mel_BTM[row, :frames].float().cpu().numpy(),
                    alignment_US=alignment_US.numpy(),
                    recorded_TM=recorded_TM,
                    stopped=stopped,
                    failed=not stopped or _broken(alignment_US, frames, len(recorded_TM)),
                )
            )
    return tuple(spoken)


def judge(spoken: Sequence[Spoken], dataset: PreparedDataset, partners: Sequence[int]) -> dict[str, float]:
    """Turn it into metrics.

    Args:
        spoken: At least one utterance.
        dataset: Where the recordings are.
        partners: For each utterance another one, as the reference for the distance.
    """
    plain = dataset.statistics.denormalize
    recorded = [plain(sentence.recorded_TM) for sentence in spoken]
    return {
        "failure_rate": _mean([float(sentence.failed) for sentence in spoken]),
        "stop_rate": _mean([float(sentence.stopped) for sentence in spoken]),
        "mcd_dtw": _mean(mcd_dtw([plain(sentence.mel_TM) for sentence in spoken], recorded)),
        "mcd_floor": unrelated([plain(dataset.mel(partner)) for partner in partners], recorded),
        "length_ratio": _mean([_ratio(len(s.mel_TM), len(s.recorded_TM)) for s in spoken]),
    }


def _broken(alignment_US: Tensor, frames: int, recorded_frames: int) -> bool:
    """Whether speech that stopped by itself is still unusable."""
    if frames == 0:
        return True
    quality = assess(alignment_US)
    # Asked this way round, because nothing is true of nan.
    complete = quality.coverage >= LEAST_COVERAGE and quality.end
    return not complete or _ratio(frames, recorded_frames) > LENGTH_RATIO


def _ratio(a: int, b: int) -> float:
    """Longer by shorter."""
    return max(a, b) / min(a, b) if min(a, b) else float("nan")


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _generator(seed: int, start: int) -> torch.Generator:
    """One generator per batch, unrelated to those of its neighbors."""
    state = np.random.SeedSequence((seed, start)).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state) % 2**63)
