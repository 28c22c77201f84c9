"""The parameter table: complete presets, one error for all mistakes."""

import json
import re
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest

from tacotrain.config import PARAMETERS, TrainConfig, schema
from tacotrain.errors import ConfigError, TrainerError
from tacotrain.presets import PRESETS

CONTRACT = Path(__file__).parents[2] / "docs" / "trial-contract.md"


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_names_every_parameter_once_and_within_bounds(preset: str) -> None:
    assert set(PRESETS[preset]) == set(PARAMETERS)
    assert [name for name, value in PRESETS[preset].items() if PARAMETERS[name].problem(value)] == []
    config = TrainConfig.resolve(preset, {})
    assert config.as_dict() == dict(PRESETS[preset])
    assert {name: type(value) for name, value in config.as_dict().items()} == {
        entry.name: entry.type for entry in fields(TrainConfig)
    }


def test_the_parameters_are_those_of_the_contract() -> None:
    text = CONTRACT.read_text(encoding="utf-8").split("## Parameters")[1].split("optimisation:")[1]
    assert set(re.findall(r"`([a-z_]+)`", text)) == set(PARAMETERS)


def test_tiny_is_the_measured_recipe() -> None:
    config = TrainConfig.resolve("tiny", {})
    assert (config.learning_rate, config.warmup_steps, config.gradient_clip, config.batch_size) == (
        2e-2,
        50,
        1.0,
        16,
    )
    assert (config.guided_attention_weight, config.guided_attention_sigma, config.reduction_factor) == (
        5.0,
        0.2,
        3,
    )
    assert (config.decoder_dropout_mode, config.decoder_dropout, config.attention_dropout) == (
        "output",
        0.1,
        0.0,
    )


def test_parameters_overlay_the_preset_and_take_the_type_of_their_field() -> None:
    config = TrainConfig.resolve("tiny", {"epochs": 8.0, "learning_rate": 1})
    assert (config.epochs, type(config.epochs), type(config.learning_rate)) == (8, int, float)
    assert config.batch_size == 16
    with pytest.raises(FrozenInstanceError):
        config.epochs = 9  # type: ignore[misc]


def test_all_mistakes_are_reported_at_once_with_the_nearest_name() -> None:
    wrong = {
        "learning_rat": 0.1,
        "zzz": 1,
        "epochs": 2.5,
        "batch_size": 0,
        "mel_loss": "l3",
        "learning_rate": "fast",
        "location_kernel": 16,
        "encoder_dim": 63,
        "weight_decay": float("nan"),
        "max_steps": True,
    }
    with pytest.raises(ConfigError) as caught:
        TrainConfig.resolve("tiny", wrong)
    assert str(caught.value).splitlines() == [
        "learning_rat: unknown parameter; did you mean learning_rate?",
        "zzz: unknown parameter; `tacotrain config schema` lists them",
        "epochs: must be a whole number, not 2.5",
        "batch_size: must lie in 1 .. 4096, not 0",
        "mel_loss: must be one of mse, l1, not 'l3'",
        "learning_rate: must be a number, not 'fast'",
        "location_kernel: must be odd, not 16",
        "encoder_dim: must be even, not 63",
        "weight_decay: must be finite, not nan",
        "max_steps: must be a number, not True",
    ]
    assert caught.value.exit_code == 64
    assert isinstance(caught.value, TrainerError)


def test_an_unknown_preset_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="preset 'huge' is unknown; choose one of tiny, small, base"):
        TrainConfig.resolve("huge", {})


def test_the_schema_is_json_with_a_default_for_each_preset() -> None:
    rows = {row["name"]: row for row in json.loads(json.dumps(schema()))["parameters"]}
    assert rows["learning_rate"] == {
        "name": "learning_rate",
        "kind": "float",
        "default": {"tiny": 0.02, "small": 0.001, "base": 0.001},
        "description": "Peak step size of AdamW.",
        "low": 1e-7,
        "high": 1.0,
    }
    assert rows["mel_loss"]["choices"] == ["mse", "l1"]
    assert (rows["location_kernel"]["low"], rows["location_kernel"]["step"]) == (1, 2)
    assert all(row["description"] for row in rows.values())
