"""Every parameter of a training: its kind, bounds and meaning in one table, its value per preset in `presets`.

`TrainConfig` *is* the table: each field carries its bounds and its description, and `schema()` prints them as JSON. Whoever
starts a training calls `TrainConfig.resolve(preset, parameters)` and gets either a complete configuration or one error that
lists everything that is wrong.
"""

import difflib
import math
from collections.abc import Mapping
from dataclasses import Field, asdict, dataclass, field, fields
from types import MappingProxyType
from typing import Any, Final, Literal, Self

from tacotrain.errors import ConfigError
from tacotrain.presets import PRESETS, Value

Kind = Literal["float", "int", "categorical"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """What one parameter may be."""

    kind: Kind
    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    parity: Literal["odd", "even"] | None = None
    """Kernels are centred, so their width is odd; what two LSTM directions share is even."""

    def problem(self, value: object) -> str | None:
        """Say what is wrong with a value, or None."""
        if self.kind == "categorical":
            return (
                None if value in self.choices else f"must be one of {', '.join(self.choices)}, not {value!r}"
            )
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"must be a number, not {value!r}"
        requirement = self._violated(value)
        return f"must {requirement}, not {value!r}" if requirement else None

    def _violated(self, value: float) -> str | None:
        assert self.low is not None
        assert self.high is not None
        if not math.isfinite(value):
            return "be finite"
        if self.kind == "int" and value != int(value):
            return "be a whole number"
        if not self.low <= value <= self.high:
            return f"lie in {self.low:g} .. {self.high:g}"
        if self.parity is not None and value % 2 != (self.parity == "odd"):
            return f"be {self.parity}"
        return None

    def convert(self, value: Any) -> Any:
        """Give a valid value the type of its field: 2.0 epochs are 2, learning rate 1 is 1.0."""
        if self.kind == "int":
            return int(value)
        return float(value) if self.kind == "float" else value


def _number(low: float, high: float, description: str) -> Any:
    return field(metadata={"parameter": Parameter("float", description, low, high)})


def _count(low: int, high: int, description: str, parity: Literal["odd", "even"] | None = None) -> Any:
    return field(metadata={"parameter": Parameter("int", description, low, high, parity=parity)})


def _choice(description: str, *choices: str) -> Any:
    return field(metadata={"parameter": Parameter("categorical", description, choices=choices)})


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """All parameters of one training, checked; each field's description stands beside it."""

    # Optimization.
    learning_rate: float = _number(1e-7, 1.0, "Peak step size of AdamW.")
    lr_schedule: str = _choice(
        "How the step size falls after the warm-up.", "constant", "exponential", "cosine"
    )
    lr_final_ratio: float = _number(1e-6, 1.0, "Step size at the last step as a part of the peak.")
    warmup_steps: int = _count(0, 1_000_000, "Optimizer steps of linear warm-up.")
    weight_decay: float = _number(0.0, 1.0, "AdamW's decoupled weight decay.")
    gradient_clip: float = _number(1e-3, 1e6, "Largest norm of the whole gradient.")
    batch_size: int = _count(1, 4096, "Utterances of one forward pass, of all workers together.")
    accumulation_steps: int = _count(1, 1024, "Batches whose gradients make one optimizer step.")
    epochs: int = _count(1, 1_000_000, "Passes over the training set.")
    max_steps: int = _count(
        0, 100_000_000, "Optimizer steps to stop after, whatever the epochs; 0: no limit."
    )
    ema_decay: float = _number(
        0.0, 0.999999, "Decay of the averaged weights that are evaluated; 0: no averaging."
    )
    precision: str = _choice(
        "Arithmetic of the dense layers; auto takes what is fast.", "auto", "float32", "bfloat16"
    )

    # Loss.
    mel_loss: str = _choice("Distance of mel frames.", "mse", "l1")
    postnet_loss_weight: float = _number(
        0.0, 100.0, "Weight of the mel loss after the postnet; before it: 1."
    )
    gate_loss_weight: float = _number(0.0, 100.0, "Weight of the stop loss.")
    gate_pos_weight: float = _number(
        0.01, 1000.0, "Weight of an utterance's last frame among its others in the stop loss."
    )
    guided_attention_weight: float = _number(
        0.0, 1000.0, "Weight of the guided attention loss at step 0; 0: none."
    )
    guided_attention_sigma: float = _number(
        0.01, 10.0, "Width of the free diagonal, as a part of the utterance."
    )
    guided_attention_decay_steps: int = _count(
        0, 100_000_000, "Optimizer steps in which the guided attention weight halves; 0: it stays."
    )

    # Regularization.
    prenet_dropout: float = _number(0.0, 0.9, "Prenet dropout; stays on when speaking.")
    attention_dropout: float = _number(
        0.0, 0.9, "Dropout of the attention LSTM's output, on its recurrent path."
    )
    decoder_dropout: float = _number(0.0, 0.9, "Dropout of the decoder LSTM's output.")
    encoder_dropout: float = _number(0.0, 0.9, "Dropout after each encoder convolution.")
    postnet_dropout: float = _number(0.0, 0.9, "Dropout after each postnet convolution.")
    decoder_dropout_mode: str = _choice(
        "recurrent: the dropped output goes to the next step, as NVIDIA has it; output: it only leaves the LSTM, which is faster.",
        "recurrent",
        "output",
    )
    frame_dropout: float = _number(0.0, 0.9, "Share of teacher frames replaced by the mean frame.")

    # Model.
    reduction_factor: int = _count(1, 10, "Mel frames per decoder step.")
    embedding_dim: int = _count(1, 4096, "Width of a symbol's embedding.")
    encoder_layers: int = _count(1, 10, "Encoder convolutions.")
    encoder_kernel: int = _count(1, 63, "Width of an encoder convolution, in symbols.", "odd")
    encoder_dim: int = _count(2, 4096, "Encoder channels, and both directions of its LSTM together.", "even")
    prenet_dim: int = _count(1, 4096, "Width of both prenet layers.")
    attention: str = _choice("Kind of attention.", "location")
    attention_rnn_dim: int = _count(1, 8192, "Cells of the attention LSTM.")
    attention_dim: int = _count(1, 4096, "Width of the attention's energy layer.")
    location_filters: int = _count(1, 512, "Filters over the attention weights so far.")
    location_kernel: int = _count(1, 255, "Width of those filters, in symbols.", "odd")
    decoder_rnn_dim: int = _count(1, 8192, "Cells of the decoder LSTM.")
    postnet_layers: int = _count(2, 20, "Postnet convolutions.")
    postnet_kernel: int = _count(1, 63, "Width of a postnet convolution, in frames.", "odd")
    postnet_dim: int = _count(1, 4096, "Postnet channels.")

    # Evaluation.
    evaluate_every_steps: int = _count(1, 100_000_000, "Optimizer steps between evaluations.")
    evaluation_utterances: int = _count(1, 100_000, "Held-out utterances of a teacher-forced evaluation.")
    free_run_utterances: int = _count(0, 100_000, "Held-out utterances spoken freely at an evaluation.")
    sample_utterances: int = _count(0, 1000, "Utterances written as wav and picture at an evaluation.")
    griffin_lim_iterations: int = _count(1, 10_000, "Iterations of the vocoder that makes the samples.")

    @classmethod
    def resolve(cls, preset: str, parameters: Mapping[str, object]) -> Self:
        """Lay parameters over a preset.

        Raises:
            ConfigError: Lists every unknown name, wrong type and value out of bounds at once.
        """
        if preset not in PRESETS:
            raise ConfigError(f"preset {preset!r} is unknown; choose one of {', '.join(PRESETS)}")
        problems = [
            f"{name}: {problem}" for name, value in parameters.items() if (problem := _problem(name, value))
        ]
        if problems:
            raise ConfigError("\n".join(problems))
        merged: dict[str, Any] = {**PRESETS[preset], **parameters}
        return cls(**{name: PARAMETERS[name].convert(value) for name, value in merged.items()})

    def as_dict(self) -> dict[str, Value]:
        """Give all parameters by name, for JSON: `resolve` of any preset with them is this configuration again."""
        return asdict(self)


def _parameter(entry: Field[Any]) -> Parameter:
    parameter = entry.metadata["parameter"]
    assert isinstance(parameter, Parameter)
    return parameter


PARAMETERS: Final[Mapping[str, Parameter]] = MappingProxyType(
    {entry.name: _parameter(entry) for entry in fields(TrainConfig)}
)


def _problem(name: str, value: object) -> str | None:
    if name not in PARAMETERS:
        near = difflib.get_close_matches(name, PARAMETERS, n=1, cutoff=0.5)
        return "unknown parameter" + (
            f"; did you mean {near[0]}?" if near else "; `tacotrain config schema` lists them"
        )
    return PARAMETERS[name].problem(value)


def schema() -> dict[str, Any]:
    """Describe every parameter for JSON: kind, default per preset, bounds or choices, description."""
    return {"parameters": [_row(name, parameter) for name, parameter in PARAMETERS.items()]}


def _row(name: str, parameter: Parameter) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": name,
        "kind": parameter.kind,
        "default": {preset: parameter.convert(values[name]) for preset, values in PRESETS.items()},
        "description": parameter.description,
    }
    if parameter.kind == "categorical":
        return row | {"choices": list(parameter.choices)}
    convert = int if parameter.kind == "int" else float
    assert parameter.low is not None
    assert parameter.high is not None
    return (
        row
        | {"low": convert(parameter.low), "high": convert(parameter.high)}
        | ({"step": 2} if parameter.parity else {})
    )
