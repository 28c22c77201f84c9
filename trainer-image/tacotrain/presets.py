"""The three recipes a study starts from: a value for every parameter of `config.TrainConfig`.

`tiny` was measured on one CPU thread: it aligns within half a minute and speaks within two (one-second clips, 24-letter texts).
`base` has the sizes, dropouts and optimizer of NVIDIA/tacotron2, whose published weights fit it. `small` lies between.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

Value = float | int | str

_EVERYWHERE: Final[Mapping[str, Value]] = {
    "accumulation_steps": 1,
    "max_steps": 0,
    "precision": "auto",
    "mel_loss": "mse",
    "postnet_loss_weight": 1.0,
    "gate_loss_weight": 1.0,
    # One frame in hundreds is the last one.
    "gate_pos_weight": 5.0,
    "prenet_dropout": 0.5,
    "frame_dropout": 0.0,
    "attention": "location",
    "encoder_kernel": 5,
    "postnet_kernel": 5,
    "evaluation_utterances": 32,
    "free_run_utterances": 32,
    "sample_utterances": 2,
    "griffin_lim_iterations": 60,
}

TINY: Final[Mapping[str, Value]] = MappingProxyType(
    {
        **_EVERYWHERE,
        # Right for these widths with Adam and clipping only; three times less is already slow.
        "learning_rate": 2e-2,
        "lr_schedule": "exponential",
        "lr_final_ratio": 0.1,
        "warmup_steps": 50,
        "weight_decay": 0.0,
        "gradient_clip": 1.0,
        "batch_size": 16,
        # 1,000 steps with 400 utterances.
        "epochs": 40,
        "ema_decay": 0.0,
        "guided_attention_weight": 5.0,
        "guided_attention_sigma": 0.2,
        "guided_attention_decay_steps": 0,
        "attention_dropout": 0.0,
        "decoder_dropout": 0.1,
        "encoder_dropout": 0.1,
        "postnet_dropout": 0.1,
        "decoder_dropout_mode": "output",
        "reduction_factor": 3,
        "embedding_dim": 48,
        "encoder_layers": 2,
        "encoder_dim": 64,
        "prenet_dim": 48,
        "attention_rnn_dim": 96,
        "attention_dim": 32,
        "location_filters": 8,
        "location_kernel": 15,
        "decoder_rnn_dim": 96,
        "postnet_layers": 3,
        "postnet_dim": 48,
        "evaluate_every_steps": 50,
    }
)

SMALL: Final[Mapping[str, Value]] = MappingProxyType(
    {
        **_EVERYWHERE,
        "learning_rate": 1e-3,
        "lr_schedule": "exponential",
        "lr_final_ratio": 0.05,
        "warmup_steps": 200,
        "weight_decay": 1e-6,
        "gradient_clip": 1.0,
        "batch_size": 32,
        "epochs": 100,
        "ema_decay": 0.0,
        "guided_attention_weight": 5.0,
        "guided_attention_sigma": 0.3,
        "guided_attention_decay_steps": 0,
        "attention_dropout": 0.1,
        "decoder_dropout": 0.1,
        "encoder_dropout": 0.3,
        "postnet_dropout": 0.3,
        "decoder_dropout_mode": "output",
        "reduction_factor": 2,
        "embedding_dim": 256,
        "encoder_layers": 3,
        "encoder_dim": 256,
        "prenet_dim": 128,
        "attention_rnn_dim": 256,
        "attention_dim": 64,
        "location_filters": 16,
        "location_kernel": 31,
        "decoder_rnn_dim": 256,
        "postnet_layers": 5,
        "postnet_dim": 128,
        "evaluate_every_steps": 200,
    }
)

BASE: Final[Mapping[str, Value]] = MappingProxyType(
    {
        **_EVERYWHERE,
        "learning_rate": 1e-3,
        "lr_schedule": "exponential",
        "lr_final_ratio": 0.01,
        "warmup_steps": 1000,
        "weight_decay": 1e-6,
        "gradient_clip": 1.0,
        "batch_size": 64,
        "epochs": 500,
        "ema_decay": 0.0,
        "guided_attention_weight": 1.0,
        "guided_attention_sigma": 0.4,
        "guided_attention_decay_steps": 20000,
        "attention_dropout": 0.1,
        "decoder_dropout": 0.1,
        "encoder_dropout": 0.5,
        "postnet_dropout": 0.5,
        "decoder_dropout_mode": "recurrent",
        "reduction_factor": 1,
        "embedding_dim": 512,
        "encoder_layers": 3,
        "encoder_dim": 512,
        "prenet_dim": 256,
        "attention_rnn_dim": 1024,
        "attention_dim": 128,
        "location_filters": 32,
        "location_kernel": 31,
        "decoder_rnn_dim": 1024,
        "postnet_layers": 5,
        "postnet_dim": 512,
        "evaluate_every_steps": 1000,
    }
)

PRESETS: Final[Mapping[str, Mapping[str, Value]]] = MappingProxyType(
    {"tiny": TINY, "small": SMALL, "base": BASE}
)
