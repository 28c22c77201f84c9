"""Writes what a person looks at and listens to after an evaluation: sounds, alignments and spectrograms."""

from dataclasses import dataclass
from pathlib import Path

import torch

from tacotrain.audio.griffinlim import griffin_lim
from tacotrain.audio.wav import write_wav
from tacotrain.config import TrainConfig
from tacotrain.data.shard import PreparedDataset
from tacotrain.evaluate import Evaluation, spread
from tacotrain.files import explain, make_directory
from tacotrain.free_run import Spoken
from tacotrain.metrics.alignment import assess
from tacotrain.pictures import alignment_png, mel_png


@dataclass(frozen=True, slots=True)
class Samples:
    """What was written, a path per sample sentence; the picture of each sound's spectrogram lies beside it."""

    sounds: tuple[Path, ...]
    alignments: tuple[Path, ...]


def write_samples(
    evaluation: Evaluation,
    dataset: PreparedDataset,
    config: TrainConfig,
    *,
    sounds: Path,
    alignments: Path,
    title: str,
) -> Samples:
    """Write `sample_utterances` of the sentences that were spoken freely, from short to long, the same at every step.

    Args:
        evaluation: With its free run.
        dataset: The one that was evaluated.
        config: How many samples, and the vocoder's iterations.
        sounds: Directory for `0.wav` and its spectrogram `0.png`, and so on; made if it is missing.
        alignments: Directory for `0.png` and so on; made if it is missing.
        title: First words of each picture, such as "trial 7, step 250".

    Raises:
        CannotCreate: A directory cannot be made.
        WriteError: The disk is full.
    """
    spoken = evaluation.spoken
    chosen = spread(range(len(spoken)), [len(s.recorded_TM) for s in spoken], config.sample_utterances)
    make_directory(sounds)
    make_directory(alignments)
    for number, place in enumerate(chosen):
        sentence = spoken[place]
        heading = f"{title}: {dataset.text(sentence.utterance)}"
        _write(alignments / f"{number}.png", _draw_alignment(sentence, dataset, config, heading))
        _write(sounds / f"{number}.png", _draw_mels(sentence, dataset, heading))
        samples = griffin_lim(
            torch.from_numpy(sentence.mel_TM),
            dataset.statistics,
            dataset.audio,
            iterations=config.griffin_lim_iterations,
        )
        write_wav(sounds / f"{number}.wav", samples.numpy(), dataset.audio.sample_rate)
    return Samples(
        sounds=tuple(sounds / f"{number}.wav" for number in range(len(chosen))),
        alignments=tuple(alignments / f"{number}.png" for number in range(len(chosen))),
    )


def _draw_alignment(sentence: Spoken, dataset: PreparedDataset, config: TrainConfig, heading: str) -> bytes:
    quality = assess(torch.from_numpy(sentence.alignment_US))
    verdict = "failed" if sentence.failed else "complete"
    symbols = [dataset.symbols.symbols[symbol] for symbol in dataset.ids(sentence.utterance)]
    return alignment_png(
        sentence.alignment_US,
        title=f"{heading}  ({quality.alignment:.2f}, {verdict})",
        seconds_per_step=config.reduction_factor * dataset.audio.seconds_per_frame,
        symbols=symbols,
    )


def _draw_mels(sentence: Spoken, dataset: PreparedDataset, heading: str) -> bytes:
    plain = dataset.statistics.denormalize
    return mel_png(
        {"spoken": plain(sentence.mel_TM), "recorded": plain(sentence.recorded_TM)},
        title=heading,
        seconds_per_frame=dataset.audio.seconds_per_frame,
    )


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise explain(error, path) from error
