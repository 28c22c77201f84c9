"""Feasible spaces: what lies in them, when a parameter applies, how many configurations there are."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacotune.api.search_space import Parameter, active_parameters, cells


def parameter(name: str = "a", **space: Any) -> Parameter:
    return Parameter.model_validate({"name": name, **space})


@pytest.mark.parametrize(
    ("space", "inside", "outside"),
    [
        ({"float": {"low": 0.1, "high": 1}}, [0.1, 0.5, 1], [0.09, 1.01, True, "0.5", None]),
        ({"float": {"low": 0.1, "high": 0.9, "step": 0.2}}, [0.1, 0.3, 0.7000000000000001], [0.2, 1.1]),
        ({"int": {"low": 1, "high": 8}}, [1, 8], [0, 9, 1.0, True, "1"]),
        ({"int": {"low": 15, "high": 31, "step": 2}}, [15, 31], [16, 33]),
        ({"categorical": {"choices": ["a", 1, True, None][:2]}}, ["a", 1], ["b", 1.0, True]),
    ],
)
def test_what_lies_in_a_space(space: dict[str, Any], inside: list[object], outside: list[object]) -> None:
    assert [v for v in inside if not parameter(**space).contains(v)] == []
    assert [v for v in outside if parameter(**space).contains(v)] == []


def test_a_condition_holds_for_the_values_it_names_and_their_kind() -> None:
    child = parameter("child", int={"low": 1, "high": 2}, when={"parameter": "parent", "in": [1, "x"]})
    assert child.applies({"parent": 1})
    assert child.applies({"parent": "x"})
    assert not child.applies({"parent": True})
    assert not child.applies({"parent": 2})
    assert not child.applies({})


def test_conditions_are_followed_along_what_was_chosen() -> None:
    space = [
        parameter("a", categorical={"choices": [1, 2]}),
        parameter("b", categorical={"choices": [1, 2]}, when={"parameter": "a", "in": [1]}),
        parameter("c", int={"low": 0, "high": 9}, when={"parameter": "b", "in": [2]}),
    ]
    walks = []
    for first, second in ((1, 2), (1, 1), (2, 2)):
        chosen: dict[str, object] = {}
        for item in active_parameters(space, chosen):
            chosen[item.name] = {"a": first, "b": second, "c": 0}[item.name]
        walks.append(list(chosen))
    assert walks == [["a", "b", "c"], ["a", "b"], ["a"]]


@given(st.integers(-50, 50), st.integers(0, 60), st.integers(1, 7), st.integers(1, 5))
def test_cells_count_what_a_loop_would(low: int, width: int, step: int, choices: int) -> None:
    space = [
        parameter("a", int={"low": low, "high": low + width, "step": step}),
        parameter("b", categorical={"choices": list(range(choices))}),
    ]
    assert cells(space) == len(range(low, low + width + 1, step)) * choices


def test_an_endless_or_conditional_space_has_no_count() -> None:
    assert cells([parameter(float={"low": 0, "high": 1})]) is None
    assert cells([parameter(float={"low": 1, "high": 1})]) == 1
    assert cells([parameter(float={"low": 0, "high": 0.3, "step": 0.1})]) == 4
    assert cells([parameter(int={"low": 0, "high": 1}, when={"parameter": "b", "in": [1]})]) is None
