"""Text to sound with a trained voice."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tacotrain.audio.config import AudioConfig, MelStatistics
from tacotrain.audio.griffinlim import griffin_lim
from tacotrain.errors import ConfigError
from tacotrain.text.symbols import SymbolTable
from tacotrain.voice import LoadedVoice

BATCH = 32
"""Sentences at once."""
SECONDS_TO_BEGIN, SECONDS_PER_SYMBOL = 1.0, 0.25
"""Longest speech: four to six times what readers take, so only a voice that does not stop is cut."""
Vocoder = Callable[[Tensor, MelStatistics, AudioConfig], Tensor]
"""From normalized mel frames, their statistics and definition to samples in [-1, 1]."""


@dataclass(frozen=True, slots=True)
class Speech:
    """One spoken sentence."""

    text: str
    samples: NDArray[np.float32]
    """In [-1, 1]."""
    sample_rate: int
    mel_TM: NDArray[np.float32]
    """Normalized."""
    alignment_US: NDArray[np.float32]
    stopped: bool
    """False when speech was cut at its longest; the voice did not find the end."""


def speak(
    voice: LoadedVoice,
    texts: Sequence[str],
    *,
    seed: int = 0,
    max_seconds: float | None = None,
    griffin_lim_iterations: int = 60,
    vocoder: Vocoder | None = None,
) -> tuple[Speech, ...]:
    """Speak sentences, several at once; equal arguments give equal sounds on one machine.

    Args:
        voice: See `tacotrain.voice.load_voice`.
        texts: As the front-end reads them (normalized, or phonemes).
        seed: Of the prenet's dropout, which is part of how the voice speaks, and of the vocoder's first phase.
        max_seconds: Cut after that; by default by the number of symbols of the longest sentence.
        griffin_lim_iterations: Of the vocoder that needs no training.
        vocoder: Another one in its place.

    Raises:
        ConfigError: A text is empty, or holds characters that the voice has never seen; names all of them.
    """
    ids = [_encode(text, voice.symbols) for text in texts]
    # Neighbors in length share a batch, so that short ones do not wait for long ones.
    order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
    spoken: dict[int, Speech] = {}
    for start in range(0, len(order), BATCH):
        group = order[start : start + BATCH]
        generator = torch.Generator().manual_seed(seed + start)
        heard = _infer(voice, [ids[index] for index in group], max_seconds, generator)
        for index, (mel, alignment, stopped) in zip(group, heard, strict=True):
            mel_TM, statistics, audio = torch.from_numpy(mel), voice.statistics, voice.audio
            if vocoder is None:
                samples = griffin_lim(mel_TM, statistics, audio, iterations=griffin_lim_iterations, seed=seed)
            else:
                samples = vocoder(mel_TM, statistics, audio)
            spoken[index] = Speech(
                text=texts[index],
                samples=samples.numpy(),
                sample_rate=voice.audio.sample_rate,
                mel_TM=mel,
                alignment_US=alignment,
                stopped=stopped,
            )
    return tuple(spoken[index] for index in range(len(texts)))


def _encode(text: str, symbols: SymbolTable) -> list[int]:
    if not text.strip():
        raise ConfigError("there is no text to speak; give at least one letter")
    if unknown := sorted({character for character in text if character not in symbols}):
        raise ConfigError(
            f"the voice cannot read {', '.join(map(repr, unknown))} in {text!r}; it was trained on other letters"
        )
    return symbols.encode(text)


def _infer(
    voice: LoadedVoice, ids: Sequence[list[int]], max_seconds: float | None, generator: torch.Generator
) -> list[tuple[NDArray[np.float32], NDArray[np.float32], bool]]:
    longest = max(map(len, ids))
    seconds = SECONDS_TO_BEGIN + SECONDS_PER_SYMBOL * longest if max_seconds is None else max_seconds
    text_BS = torch.tensor([row + [0] * (longest - len(row)) for row in ids])
    with torch.no_grad():
        heard = voice.model.infer(
            text_BS.to(next(voice.model.parameters()).device),
            torch.tensor([len(row) for row in ids]),
            max_frames=max(1, ceil(seconds / voice.audio.seconds_per_frame)),
            gate_threshold=voice.gate_threshold,
            generator=generator,
        )
    result = []
    for row, symbols in enumerate(ids):
        frames = int(heard.mel_lengths_B[row])
        steps = -(-frames // voice.config.reduction_factor)
        mel = heard.mel_BTM[row, :frames].float().cpu().numpy()
        alignment = heard.alignment_BUS[row, :steps, : len(symbols)].float().cpu().numpy()
        result.append((mel, alignment, bool(heard.stopped_B[row])))
    return result
