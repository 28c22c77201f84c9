"""Parameters and their feasible space: exactly one of `float`, `int`, `categorical`, and perhaps a condition.

- {name: learning_rate, float: {low: 5.0e-5, high: 2.0e-3, log: true}}
- {name: location_kernel, categorical: {choices: [15, 31]}, when: {parameter: attention, in: [location]}}
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Self

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr, model_validator

from tacotune.api.base import ApiModel

Scalar = StrictBool | StrictInt | StrictFloat | Annotated[StrictStr, Field(max_length=253)]
ParameterName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=63)]


class FloatRange(ApiModel):
    """An interval of real numbers, both ends included."""

    low: float
    high: float
    log: bool = False
    """Sample the logarithm evenly."""
    step: float | None = Field(default=None, gt=0)
    """Grid of the values, counted from `low`; not together with `log`."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low {self.low:g} is greater than high {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"log needs low > 0, low is {self.low:g}")
        if self.log and self.step is not None:
            raise ValueError("log and step exclude each other")
        return self


class IntRange(ApiModel):
    """An interval of whole numbers, both ends included."""

    low: int
    high: int
    log: bool = False
    """Sample the logarithm evenly."""
    step: int | None = Field(default=None, ge=1)
    """Grid of the values, counted from `low`; not together with `log`."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low {self.low} is greater than high {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"log needs low > 0, low is {self.low}")
        if self.log and self.step not in {None, 1}:
            raise ValueError("log and step exclude each other")
        return self


class Categorical(ApiModel):
    """A finite set of values."""

    choices: list[Scalar] = Field(min_length=1, max_length=100)

    @model_validator(mode="after")
    def _check(self) -> Self:
        for index, choice in enumerate(self.choices):
            if choice in self.choices[:index]:
                earlier = self.choices[self.choices.index(choice)]
                same = type(earlier) is type(choice)
                raise ValueError(
                    f"choice {choice!r} stands twice"
                    if same
                    else f"choices {earlier!r} and {choice!r} are one to Optuna; write one of them as text"
                )
        return self


class When(ApiModel):
    """The parameter exists only where an earlier one took one of these values."""

    parameter: ParameterName
    in_: list[Scalar] = Field(alias="in", min_length=1, max_length=100)


class Parameter(ApiModel):
    """One tuned parameter of the trainer."""

    name: ParameterName
    """The trainer's name for it: `tacotrain config schema` lists them."""
    float_: FloatRange | None = Field(default=None, alias="float")
    int_: IntRange | None = Field(default=None, alias="int")
    categorical: Categorical | None = None
    when: When | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        kinds = [k for k in (self.float_, self.int_, self.categorical) if k is not None]
        if len(kinds) != 1:
            raise ValueError(
                f"{self.name}: exactly one of float, int, categorical is needed, found {len(kinds)}"
            )
        return self

    @property
    def space(self) -> FloatRange | IntRange | Categorical:
        """The one feasible space that is given."""
        space = self.float_ or self.int_ or self.categorical
        assert space is not None, "validated"
        return space

    def contains(self, value: object) -> bool:
        """Whether a value lies in the space, on its grid where it has one."""
        match self.space:
            case FloatRange(low=low, high=high, step=step):
                if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
                    return False
                ticks = (value - low) / step if step is not None else 0.0
                return math.isclose(ticks, round(ticks), abs_tol=1e-6)
            case IntRange(low=low, high=high, step=step):
                if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                    return False
                return (value - low) % (step or 1) == 0
            case Categorical(choices=choices):
                return any(type(c) is type(value) and c == value for c in choices)

    def applies(self, chosen: Mapping[str, object]) -> bool:
        """Whether the condition holds for the values chosen so far (absent parent: it does not)."""
        if self.when is None:
            return True
        if self.when.parameter not in chosen:
            return False
        value = chosen[self.when.parameter]
        return any(type(c) is type(value) and c == value for c in self.when.in_)


def active_parameters(space: Sequence[Parameter], chosen: Mapping[str, object]) -> Iterator[Parameter]:
    """Parameters whose conditions hold, in declared order; `chosen` may grow while this is walked."""
    for parameter in space:
        if parameter.applies(chosen):
            yield parameter


def cells(space: Sequence[Parameter]) -> int | None:
    """How many unequal trials a space without conditions holds, None when it is infinite or conditional."""
    count = 1
    for parameter in space:
        match parameter.space:
            case Categorical(choices=choices):
                size = len(choices)
            case IntRange(low=low, high=high, step=step):
                size = (high - low) // (step or 1) + 1
            case FloatRange(step=None, low=low, high=high):
                if low != high:
                    return None
                size = 1
            case FloatRange(low=low, high=high, step=step):
                size = int((high - low) / (step or 1) + 1e-9) + 1
        if parameter.when is not None:
            return None
        count *= size
    return count
