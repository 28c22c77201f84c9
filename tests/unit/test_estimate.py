"""The worst case of a study, piece by piece."""

import pytest

from support.manifests import manifest
from tacotrain.config import TrainConfig
from tacotrain.model.tacotron2 import Tacotron2
from tacotune.api.manifest import read_manifest
from tacotune.local.estimate import SYMBOLS, Estimate, Measured, estimate, model_parameters


def worst(
    *lines: str, utterances: int | None = 400, seconds: float | None = 1.0, space: str | None = None
) -> Estimate:
    text = (
        manifest("trainer: {preset: tiny}", *lines)
        if space is None
        else manifest("trainer: {preset: tiny}", *lines, space=space)
    )
    return estimate(
        read_manifest(text).spec,
        utterances=utterances,
        utterances_source="test",
        measured=Measured(seconds, "test"),
    )


@pytest.mark.parametrize("preset", ["tiny", "small", "base"])
@pytest.mark.parametrize(
    "parameters",
    [{}, {"reduction_factor": 4, "encoder_layers": 1, "postnet_layers": 2, "location_kernel": 7}],
)
def test_weights_are_counted_as_the_model_has_them(preset: str, parameters: dict[str, int]) -> None:
    config = TrainConfig.resolve(preset, parameters)
    model = Tacotron2(config, symbols=SYMBOLS)
    sizes = {name: value for name, value in config.as_dict().items() if not isinstance(value, str)}
    assert model_parameters(sizes) == sum(weight.numel() for weight in model.parameters())


def test_the_longest_trial_of_the_space_counts() -> None:
    space = (
        "  - {name: batch_size, categorical: {choices: [32, 8]}}\n"
        "  - {name: epochs, int: {low: 5, high: 20}}\n"
        "  - {name: accumulation_steps, int: {low: 2, high: 4}, when: {parameter: batch_size, in: [8]}}\n"
    )
    # 400 utterances in batches of 8; where the condition does not hold, the preset's accumulation of 1 counts.
    assert worst(space=space).steps_per_trial == 50 * 20


def test_max_steps_bounds_a_trial_only_where_every_trial_has_it() -> None:
    assert worst("fixedParameters: {max_steps: 30}").steps_per_trial == 30
    assert worst("fixedParameters: {max_steps: 30}", utterances=None).steps_per_trial == 30
    assert worst("fixedParameters: {max_steps: 0}").steps_per_trial == 25 * 40
    assert worst(space="  - {name: max_steps, int: {low: 0, high: 30}}\n").steps_per_trial == 25 * 40


def test_time_needs_steps_and_speed_or_a_deadline() -> None:
    assert worst(seconds=None).study_seconds is None
    assert worst(utterances=None).study_seconds is None
    assert worst("activeDeadlineSeconds: 99", seconds=None).study_seconds == 99
    assert worst("activeDeadlineSeconds: 99").study_seconds == 99


def test_retries_and_final_training_are_part_of_the_worst_case() -> None:
    common = (
        "fixedParameters: {epochs: 4}",
        "checkpoints: {everySteps: 10}",
        "maxTrials: 3",
        "parallelism: 2",
    )
    plain = worst(*common, "retry: {maxAttempts: 1}")
    assert (plain.repeated_steps, plain.trial_seconds, plain.study_seconds, plain.busy_seconds) == (
        0,
        100,
        200,
        300,
    )
    retried = worst(*common, "retry: {maxAttempts: 3}")
    assert (retried.repeated_steps, retried.trial_seconds) == (20, 120)
    final = worst(*common, "retry: {maxAttempts: 1}", "finalTraining: {enabled: true, epochs: 8}")
    assert final.study_seconds == 200 + 200
    assert final.disk_bytes == final.checkpoint_bytes * (4 * 3 + 1)


def test_averaged_weights_are_saved_too() -> None:
    assert worst("fixedParameters: {ema_decay: 0.99}").checkpoint_bytes == worst().checkpoint_bytes * 4 // 3
