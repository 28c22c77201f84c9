"""What the trainer knows: its parameters with their bounds, and its metrics with the direction that is better.

`trainer_parameters.json` is a copy of what `tacotrain config schema` prints; a test keeps the two equal. A study is checked
against it before anything runs, so that a misspelled parameter costs a second and not a night of trials.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

from tacotune.api.findings import Finding, Loc, did_you_mean
from tacotune.api.search_space import Categorical, FloatRange, IntRange, Parameter
from tacotune.api.study import TermName, TTSStudySpec

METRICS: Final[Mapping[str, Literal["Minimize", "Maximize"]]] = MappingProxyType(
    {
        "tts_score": "Minimize",
        "val_loss": "Minimize",
        "mel_loss": "Minimize",
        "alignment": "Maximize",
        "alignment_focus": "Maximize",
        "alignment_coverage": "Maximize",
        "alignment_monotonicity": "Maximize",
        "swap_ratio": "Maximize",
        "word_hit_rate": "Maximize",
        "stop_f1": "Maximize",
        "failure_rate": "Minimize",
        "stop_rate": "Maximize",
        "mcd_dtw": "Minimize",
        "length_ratio": "Minimize",
    }
)

UNWEIGHTED: Final = frozenset(["word_hits"])
"""Terms of tts_score that weigh nothing unless a study says so."""
LIST_HINT: Final = "`tacotrain config schema` lists all"


@dataclass(frozen=True, slots=True)
class TrainerParameter:
    """What one parameter of the trainer may be."""

    name: str
    kind: Literal["float", "int", "categorical"]
    description: str
    default: Mapping[str, str | int | float] = field(default_factory=dict)
    """By preset."""
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    step: int | None = None
    """Distance of admissible whole numbers, counted from `low`: 2 for kernels, whose width is odd."""

    def problem(self, value: object) -> str:
        """What is wrong with a value; empty when nothing is."""
        if self.kind == "categorical":
            return "" if value in self.choices else f"{value!r} is not one of {', '.join(self.choices)}"
        whole = self.kind == "int"
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"must be a {'whole ' if whole else ''}number, not {value!r}"
        if not math.isfinite(value) or (whole and value != int(value)):
            return f"must be a {'whole' if whole else 'finite'} number, not {value!r}"
        if self.excludes(value):
            return f"{value:g} is outside the trainer's {_number(self.low)} to {_number(self.high)}"
        if self.step is not None and self.low is not None and (value - self.low) % self.step:
            return f"{value:g} is not one of {self.steps}"
        return ""

    def excludes(self, value: float) -> bool:
        """Whether a number lies outside the bounds."""
        return (self.low is not None and value < self.low) or (self.high is not None and value > self.high)

    @property
    def steps(self) -> str:
        """`1, 3, 5, …`."""
        assert self.low is not None, "a step is counted from low"
        assert self.step is not None, "asked only where there is one"
        return ", ".join(_number(self.low + i * self.step) for i in range(3)) + ", …"


@cache
def trainer_parameters() -> Mapping[str, TrainerParameter]:
    """The trainer's parameters by name, in its order."""
    text = resources.files("tacotune.api").joinpath("trainer_parameters.json").read_text("utf-8")
    return load(json.loads(text))


def load(schema: Mapping[str, Any]) -> Mapping[str, TrainerParameter]:
    """Read what `tacotrain config schema` prints."""
    rows = (
        TrainerParameter(**{**row, "choices": tuple(row.get("choices", ()))}) for row in schema["parameters"]
    )
    return MappingProxyType({row.name: row for row in rows})


def trainer_findings(
    spec: TTSStudySpec, table: Mapping[str, TrainerParameter] | None = None
) -> Iterator[Finding]:
    """What the trainer would refuse; places are counted from the spec.

    initialTrials need no look of their own: they must lie in the search space, and that is looked at.
    """
    table = trainer_parameters() if table is None else table
    for index, parameter in enumerate(spec.search_space):
        yield from _searched(("searchSpace", index), parameter, table)
    for name, value in spec.fixed_parameters.items():
        yield from _given(("fixedParameters", name), name, value, table)
    for name, value in spec.final_training.parameters.items():
        yield from _given(("finalTraining", "parameters", name), name, value, table)
    yield from _metric_findings(spec)
    if not any(spec.weights.get(term, term not in UNWEIGHTED) for term in get_args(TermName)):
        yield Finding(("weights",), "all terms of tts_score have weight 0", "give one a positive weight")


def _given(loc: Loc, name: str, value: object, table: Mapping[str, TrainerParameter]) -> Iterator[Finding]:
    if name not in table:
        yield unknown_parameter(loc, name, table)
    elif problem := table[name].problem(value):
        yield Finding(loc, problem, table[name].description)


def _searched(loc: Loc, parameter: Parameter, table: Mapping[str, TrainerParameter]) -> Iterator[Finding]:
    if parameter.name not in table:
        yield unknown_parameter((*loc, "name"), parameter.name, table)
        return
    known = table[parameter.name]
    match parameter.space:
        case Categorical(choices=choices):
            for index, choice in enumerate(choices):
                if problem := known.problem(choice):
                    yield Finding((*loc, "categorical", "choices", index), problem, known.description)
        case FloatRange() | IntRange() as space:
            yield from _range_findings(loc, space, known)


def _range_findings(loc: Loc, space: FloatRange | IntRange, known: TrainerParameter) -> Iterator[Finding]:
    kind = "float" if isinstance(space, FloatRange) else "int"
    place: Loc = (*loc, kind)
    if known.kind == "categorical":
        choices = ", ".join(known.choices)
        yield Finding(place, f"{known.name} is not a number", f"write categorical: {{choices: [{choices}]}}")
        return
    if known.kind == "int" and kind == "float":
        yield Finding(place, f"{known.name} is a whole number", "write int instead of float")
        return
    for end, value in (("low", space.low), ("high", space.high)):
        if known.excludes(value):
            yield Finding((*place, end), known.problem(value), known.description)
            return
    if known.step is not None and known.low is not None:
        even = (space.step or 1) % known.step == 0 or space.low == space.high
        if not even or (space.low - known.low) % known.step:
            yield Finding(
                place,
                f"{known.name} is one of {known.steps}",
                f"begin at one of them and give step: {known.step}",
            )


def _metric_findings(spec: TTSStudySpec) -> Iterator[Finding]:
    for index, objective in enumerate(spec.all_objectives):
        loc: Loc = ("objective",) if spec.objectives is None else ("objectives", index)
        if objective.metric not in METRICS:
            near = did_you_mean(objective.metric, METRICS)
            yield Finding(
                (*loc, "metric"),
                f"the trainer reports no metric {objective.metric}",
                near or f"choose one of {', '.join(METRICS)}",
            )
        elif objective.direction != METRICS[objective.metric]:
            better = METRICS[objective.metric]
            way = "greater" if better == "Maximize" else "smaller"
            yield Finding(
                (*loc, "direction"),
                f"{objective.metric} is better when {way}",
                f"write direction: {better}",
            )


def unknown_parameter(loc: Loc, name: str, table: Mapping[str, TrainerParameter]) -> Finding:
    """A name that the trainer does not know, with the nearest one."""
    return Finding(loc, f"the trainer has no parameter {name}", did_you_mean(name, table) or LIST_HINT)


def _number(value: float | None) -> str:
    return "any" if value is None else f"{int(value)}" if float(value).is_integer() else f"{value:g}"
