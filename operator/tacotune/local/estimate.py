"""What a study can cost at the most: steps, hours and bytes, each with what it was worked out from. Pure.

`tacotune plan` prints it. A number that cannot be worked out is None and never guessed; `sources` says where the others come from.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from tacotune.api.parameters import TrainerParameter, trainer_parameters
from tacotune.api.search_space import Categorical, Parameter
from tacotune.api.study import TTSStudySpec

SYMBOLS: Final = 100
"""Embedded symbols, generously; their part of the weights is small."""
MEL_BANDS: Final = 80
FLOAT_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class Measured:
    """What earlier runs of the study have shown."""

    seconds_per_step: float | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Upper bounds; None where something needed is not known."""

    trials: int
    utterances: int | None
    steps_per_trial: int | None
    """Optimizer steps of the longest trial."""
    repeated_steps: int | None
    """Steps that the last counted retry can have done again in vain, all attempts together."""
    trial_seconds: float | None
    study_seconds: float | None
    """From the first trial to the last, final training included."""
    busy_seconds: float | None
    """Of all trials together: what they would take one after the other."""
    parameters: int
    """Weights of the largest model that the space holds."""
    checkpoint_bytes: int
    disk_bytes: int
    sources: tuple[str, ...]


def estimate(
    spec: TTSStudySpec,
    *,
    utterances: int | None,
    utterances_source: str = "",
    measured: Measured | None = None,
    configurations: int | None = None,
) -> Estimate:
    """Work out the worst case.

    Args:
        spec: The study.
        utterances: Of the training set; None when it is not known.
        utterances_source: Where that number comes from.
        measured: Speed seen before.
        configurations: How many unequal trials the space holds; None when there is no end of them.
    """
    measured = measured or Measured()
    trials = spec.max_trials if configurations is None else min(spec.max_trials, configurations)
    sources = [
        f"trials: maxTrials {spec.max_trials}"
        + (f", the space holds {configurations} configurations" if trials < spec.max_trials else "")
    ]
    steps = _steps(spec, utterances)
    if steps is not None:
        sources.append(f"steps: {_steps_source(spec, utterances, utterances_source)}")
    repeated = None
    if steps is not None:
        repeated = (spec.retry.max_attempts - 1) * min(spec.checkpoints.every_steps, steps)
        sources.append(
            f"repeated steps: {spec.retry.max_attempts - 1} counted retries, each from a checkpoint at most "
            f"{spec.checkpoints.every_steps} steps old; disruptions are not counted"
        )
    pace = measured.seconds_per_step
    trial_seconds = (
        (steps + repeated) * pace if steps is not None and repeated is not None and pace is not None else None
    )
    study_seconds, busy_seconds = _times(spec, trials, steps, trial_seconds, pace)
    if pace is not None:
        sources.append(
            f"time: {pace:.4g} seconds a step, {measured.source}; nothing pruned, nothing stopped early"
        )
    sources += _limits(spec)
    parameters = model_parameters(_largest(spec))
    averaged = _extreme(spec, "ema_decay", max) > 0
    checkpoint = parameters * FLOAT_BYTES * (4 if averaged else 3)
    folders = trials + spec.final_training.enabled
    sources.append(
        f"checkpoint: {parameters:,} weights as float32, twice more for AdamW"
        + (", once more for their average" if averaged else "")
        + f"; at most {spec.checkpoints.keep} newest and the best of {folders} trainings, and the published one"
    )
    return Estimate(
        trials=trials,
        utterances=utterances,
        steps_per_trial=steps,
        repeated_steps=repeated,
        trial_seconds=trial_seconds,
        study_seconds=study_seconds,
        busy_seconds=busy_seconds,
        parameters=parameters,
        checkpoint_bytes=checkpoint,
        disk_bytes=checkpoint * (folders * (spec.checkpoints.keep + 1) + 1),
        sources=tuple(sources),
    )


def _times(
    spec: TTSStudySpec, trials: int, steps: int | None, trial_seconds: float | None, pace: float | None
) -> tuple[float | None, float | None]:
    if trial_seconds is None or steps is None or pace is None:
        limit = spec.active_deadline_seconds
        return (float(limit), None) if limit is not None else (None, None)
    final = 0.0
    if spec.final_training.enabled:
        longer = (
            1.0
            if spec.final_training.epochs is None
            else spec.final_training.epochs / _extreme(spec, "epochs", max)
        )
        final = trial_seconds * longer
    study = math.ceil(trials / spec.parallelism) * trial_seconds + final
    if spec.active_deadline_seconds is not None:
        study = min(study, float(spec.active_deadline_seconds))
    return study, min(trials * trial_seconds + final, study * spec.parallelism)


def _limits(spec: TTSStudySpec) -> list[str]:
    found = []
    if spec.active_deadline_seconds is not None:
        found.append(f"time: activeDeadlineSeconds {spec.active_deadline_seconds} ends the study in any case")
    if spec.gpu_hours is not None:
        found.append(f"GPU hours: gpuHours {spec.gpu_hours:g} ends the asking in any case")
    return found


def _steps(spec: TTSStudySpec, utterances: int | None) -> int | None:
    """Optimizer steps of the longest trial the space holds."""
    limit = _extreme(spec, "max_steps", max)
    lowest = _extreme(spec, "max_steps", min)
    bound = int(limit) if lowest > 0 else None
    if utterances is None:
        return bound
    batch = _extreme(spec, "batch_size", min) * _extreme(spec, "accumulation_steps", min)
    steps = math.ceil(utterances / batch) * int(_extreme(spec, "epochs", max))
    return steps if bound is None else min(steps, bound)


def _steps_source(spec: TTSStudySpec, utterances: int | None, source: str) -> str:
    if utterances is None:
        return "max_steps"
    names = ("epochs", "batch_size", "accumulation_steps")
    epochs, batch, accumulation = (_extreme(spec, n, max if n == "epochs" else min) for n in names)
    return (
        f"{utterances} utterances ({source}), {epochs:g} epochs, batches of {batch:g}"
        + (f" times {accumulation:g}" if accumulation > 1 else "")
        + ", the longest that the space holds"
    )


def _largest(spec: TTSStudySpec) -> dict[str, float]:
    return {
        name: _extreme(spec, name, max)
        for name, known in trainer_parameters().items()
        if known.kind != "categorical"
    }


def _extreme(spec: TTSStudySpec, name: str, pick: Callable[[Sequence[float]], float]) -> float:
    """The largest or smallest value that a numeric parameter can have in this study."""
    searched = next((p for p in spec.search_space if p.name == name), None)
    known = trainer_parameters()[name]
    if searched is not None:
        values = _ends(searched)
        return pick(values if searched.when is None else [*values, _default(known, spec)])
    fixed = spec.fixed_parameters.get(name)
    return float(fixed) if isinstance(fixed, int | float) else _default(known, spec)


def _default(known: TrainerParameter, spec: TTSStudySpec) -> float:
    return float(known.default[spec.trainer.preset])


def _ends(parameter: Parameter) -> list[float]:
    space = parameter.space
    if isinstance(space, Categorical):
        return [float(choice) for choice in space.choices if isinstance(choice, int | float)]
    return [float(space.low), float(space.high)]


def model_parameters(size: Mapping[str, float]) -> int:
    """Weights of a Tacotron 2 of these sizes; a test compares it with the trainer's model."""
    n = {name: int(value) for name, value in size.items()}
    frames = MEL_BANDS * n["reduction_factor"]
    encoder, postnet = n["encoder_dim"], n["postnet_dim"]
    embedding = SYMBOLS * n["embedding_dim"]
    convolutions = _convolutions([n["embedding_dim"], *[encoder] * n["encoder_layers"]], n["encoder_kernel"])
    bidirectional = 2 * _lstm(encoder, encoder // 2)
    prenet = (MEL_BANDS + n["prenet_dim"]) * n["prenet_dim"]
    attention_rnn = _lstm(n["prenet_dim"] + encoder, n["attention_rnn_dim"])
    attention = (
        n["attention_dim"] * (n["attention_rnn_dim"] + encoder + 1 + n["location_filters"])
        + n["location_filters"] * 2 * n["location_kernel"]
    )
    decoder_rnn = _lstm(n["attention_rnn_dim"] + encoder, n["decoder_rnn_dim"])
    out = n["decoder_rnn_dim"] + encoder + 1
    projection = out * (frames + n["reduction_factor"])
    smoothing = _convolutions(
        [MEL_BANDS, *[postnet] * (n["postnet_layers"] - 1), MEL_BANDS], n["postnet_kernel"]
    )
    return (
        embedding
        + convolutions
        + bidirectional
        + prenet
        + attention_rnn
        + attention
        + decoder_rnn
        + projection
        + smoothing
    )


def _lstm(inputs: int, cells: int) -> int:
    return 4 * cells * (inputs + cells + 2)


def _convolutions(widths: Sequence[int], kernel: int) -> int:
    """With bias and batch normalization."""
    return sum(out * (width * kernel + 3) for width, out in pairwise(widths))
