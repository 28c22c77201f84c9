"""The table of the trainer's parameters and metrics: a true copy, and what is checked against it."""

import json
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tacotune.api.parameters as module
from support.manifests import manifest
from tacotrain.config import TrainConfig, schema
from tacotrain.errors import ConfigError
from tacotrain.metrics.score import DEFAULT_WEIGHTS
from tacotrain.metrics.score import METRICS as TRAINER_METRICS
from tacotune.api.manifest import read_manifest
from tacotune.api.parameters import METRICS, UNWEIGHTED, load, trainer_findings, trainer_parameters
from tacotune.api.study import TermName

COPY = Path(module.__file__).with_name("trainer_parameters.json")


def test_the_table_is_what_the_trainer_prints() -> None:
    """When this fails: tacotrain config schema > operator/tacotune/api/trainer_parameters.json"""
    assert json.loads(COPY.read_text("utf-8")) == json.loads(json.dumps(schema()))


def test_metrics_directions_and_terms_are_the_trainers() -> None:
    assert dict(METRICS) == {name: metric.direction for name, metric in TRAINER_METRICS.items()}
    assert set(get_args(TermName)) == set(DEFAULT_WEIGHTS)
    assert {name for name, weight in DEFAULT_WEIGHTS.items() if weight == 0} == UNWEIGHTED


@given(
    st.sampled_from(sorted(trainer_parameters())),
    st.one_of(
        st.integers(-10, 10_000), st.floats(-2, 2), st.sampled_from(["l1", "mse", "auto", "x"]), st.booleans()
    ),
)
def test_a_value_is_refused_here_exactly_when_the_trainer_refuses_it(name: str, value: str | float) -> None:
    try:
        TrainConfig.resolve("tiny", {name: value})
    except ConfigError:
        refused = True
    else:
        refused = False
    assert bool(trainer_parameters()[name].problem(value)) == refused


def test_a_table_of_another_trainer_may_be_given() -> None:
    spec = read_manifest(manifest()).spec
    table = load(
        {"parameters": [{"name": "x", "kind": "int", "default": {}, "low": 1, "high": 9, "description": ""}]}
    )
    (finding,) = trainer_findings(spec, table)
    assert str(finding) == (
        "searchSpace[0].name: the trainer has no parameter learning_rate (`tacotrain config schema` lists all)"
    )


@pytest.mark.parametrize(
    "space", ["int: {low: 15, high: 31, step: 2}", "int: {low: 15, high: 15}", "categorical: {choices: [31]}"]
)
def test_odd_kernels_only(space: str) -> None:
    assert read_manifest(manifest(space=f"  - {{name: location_kernel, {space}}}\n")).spec.search_space
