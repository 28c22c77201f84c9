"""A prepared dataset of a few made-up utterances, in milliseconds and without sound."""

from pathlib import Path
from typing import Any

import numpy as np

from tacotrain.audio.config import AudioConfig
from tacotrain.data.writer import Utterance, write_dataset
from tacotrain.text.symbols import character_table

AUDIO = AudioConfig(sample_rate=8000, n_fft=256, hop_length=128, n_mels=20, f_max=4000.0)

SMALLEST: dict[str, float | int | str] = {
    "embedding_dim": 8,
    "encoder_layers": 1,
    "encoder_dim": 8,
    "prenet_dim": 8,
    "attention_rnn_dim": 8,
    "attention_dim": 4,
    "location_filters": 2,
    "location_kernel": 3,
    "decoder_rnn_dim": 8,
    "postnet_layers": 2,
    "postnet_dim": 8,
    "batch_size": 4,
    "warmup_steps": 2,
    "learning_rate": 0.01,
    "evaluation_utterances": 2,
    "free_run_utterances": 2,
    "sample_utterances": 0,
    "griffin_lim_iterations": 1,
}
"""Parameters over preset tiny that make a training step take milliseconds."""


def make_dataset(directory: Path, *, utterances: int = 14, validation: int = 4, seed: int = 0) -> Path:
    """Write a dataset whose frames depend on their letters."""
    rng = np.random.default_rng(seed)
    symbols = character_table("en")
    sounds = rng.normal(size=(len(symbols), AUDIO.n_mels))
    texts = ["".join(rng.choice(list("abcdefgh "), size=rng.integers(3, 7))) + "." for _ in range(utterances)]
    ids = [symbols.encode(text) for text in texts]
    mels = [
        (np.repeat(sounds[row], 2, axis=0) + 0.1 * rng.normal(size=(2 * len(row), AUDIO.n_mels))).astype(
            np.float32
        )
        for row in ids
    ]
    directory.mkdir(parents=True)
    write_dataset(
        directory,
        utterances=[
            Utterance(name=f"u{number}", written=text, text=text, ids=tuple(row))
            for number, (text, row) in enumerate(zip(texts, ids, strict=True))
        ],
        mels=mels,
        validation=range(validation),
        language="en",
        phonemes=False,
        symbols=symbols,
        audio=AUDIO,
        inputs="made up",
    )
    return directory


def trial_document(directory: Path, data: Path, **changes: Any) -> dict[str, Any]:
    """The smallest trial; `parameters` are laid over `SMALLEST`."""
    document: dict[str, Any] = {
        "contract": "tacotune.dev/trial/v1",
        "study": {"name": "study", "namespace": "default", "uid": "0"},
        "trial": 7,
        "attempt": 1,
        "specHash": "sha256:test",
        "preset": "tiny",
        "seed": 1,
        "dataset": {"path": str(data)},
        "objectives": [{"metric": "tts_score", "direction": "Minimize"}],
        "checkpoints": {"everySteps": 5, "keep": 2},
        "directory": str(directory),
        "report": {"tensorboard": False},
        "device": "cpu",
        "threads": 1,
    }
    parameters = {
        **SMALLEST,
        "max_steps": 10,
        "epochs": 1000,
        "evaluate_every_steps": 5,
        **changes.pop("parameters", {}),
    }
    return document | {"parameters": parameters} | changes
