"""A study's search space in Optuna's terms: distributions, the walk along conditions, and when two trials are equal."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from tacotune.api.search_space import Categorical, FloatRange, IntRange, Parameter, active_parameters
from tacotune.engine.observed import ParameterValue

Parameters = dict[str, ParameterValue]
Distribution = FloatDistribution | IntDistribution | CategoricalDistribution
Key = frozenset[tuple[str, str]]
"""The same for equal parameters."""


class SearchSpace:
    """The parameters of a study with their distributions."""

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self.parameters = tuple(parameters)
        self.distributions = {parameter.name: _distribution(parameter) for parameter in parameters}

    def suggest(self, trial: optuna.Trial) -> Parameters:
        """Suggest every parameter whose condition holds, in declared order."""
        chosen: Parameters = {}
        for parameter in active_parameters(self.parameters, chosen):
            chosen[parameter.name] = _suggest(trial, parameter.name, self.distributions[parameter.name])
        return chosen

    def active(self, parameters: Mapping[str, ParameterValue]) -> Parameters | None:
        """Those of the parameters whose condition holds; None when one is missing (the asking was cut off)."""
        chosen: Parameters = {}
        for parameter in active_parameters(self.parameters, chosen):
            if parameter.name not in parameters:
                return None
            chosen[parameter.name] = parameters[parameter.name]
        return chosen

    def key(self, parameters: Mapping[str, ParameterValue]) -> Key:
        """What makes two trials equal. On a grid the cell counts, not the last bits of its floating-point number."""
        return frozenset((name, self._cell(name, value)) for name, value in parameters.items())

    def fit(self, name: str, value: object) -> ParameterValue:
        """The nearest value that a parameter can take; None when there is none (a choice that is no longer offered)."""
        domain = self.distributions[name]
        if isinstance(domain, CategoricalDistribution):
            same = (choice for choice in domain.choices if type(choice) is type(value) and choice == value)
            return next(same, None)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        clipped = min(max(value, domain.low), domain.high)
        if domain.step is not None and not domain.log:
            clipped = domain.low + round((clipped - domain.low) / domain.step) * domain.step
        return round(clipped) if isinstance(domain, IntDistribution) else float(min(clipped, domain.high))

    def size(self, name: str) -> int | None:
        """How many values a parameter has, None when there is no end of them."""
        match self.distributions[name]:
            case CategoricalDistribution(choices=choices):
                return len(choices)
            case IntDistribution(low=low, high=high, step=step):
                return (high - low) // step + 1
            case FloatDistribution(low=low, high=high, step=None):
                return 1 if low == high else None
            case FloatDistribution(low=low, high=high, step=step):
                return round((high - low) / (step or 1.0)) + 1

    def values(self, name: str) -> Sequence[ParameterValue] | None:
        """Every value of a parameter, None when there is no end of them."""
        match self.distributions[name]:
            case CategoricalDistribution(choices=choices):
                return choices
            case IntDistribution(low=low, high=high, step=step):
                return range(low, high + 1, step)
            case FloatDistribution(low=low, high=high, step=None):
                return [low] if low == high else None
            case FloatDistribution(low=low, high=high, step=step):
                cells = range(self.size(name) or 0)
                return [float(Decimal(str(low)) + index * Decimal(str(step))) for index in cells]

    def _cell(self, name: str, value: ParameterValue) -> str:
        domain = self.distributions[name]
        if isinstance(domain, FloatDistribution) and domain.step is not None and isinstance(value, float):
            return str(round((value - domain.low) / domain.step))
        return repr(value)


def configurations(space: SearchSpace) -> Iterator[Parameters]:
    """Every configuration of a finite space, conditions observed, in declared order."""
    return _configurations(space, space.parameters, {})


def _configurations(
    space: SearchSpace, rest: Sequence[Parameter], chosen: Parameters
) -> Iterator[Parameters]:
    if not rest:
        yield chosen
        return
    first = rest[0]
    if not first.applies(chosen):
        yield from _configurations(space, rest[1:], chosen)
        return
    for value in space.values(first.name) or ():
        yield from _configurations(space, rest[1:], {**chosen, first.name: value})


def _distribution(parameter: Parameter) -> Distribution:
    match parameter.space:
        case FloatRange(low=low, high=high, log=log, step=step):
            if step is not None:
                # The highest value on the grid: Optuna would correct it too, with a warning at each suggestion.
                width, tick = Decimal(str(high)) - Decimal(str(low)), Decimal(str(step))
                high = float(Decimal(str(low)) + width // tick * tick)
            return FloatDistribution(low, high, log=log, step=step)
        case IntRange(low=low, high=high, log=log, step=step):
            return IntDistribution(low, high - (high - low) % (step or 1), log=log, step=step or 1)
        case Categorical(choices=choices):
            # No two of them are equal to Python, which is how Optuna compares them: the spec was validated.
            return CategoricalDistribution(choices)


def _suggest(trial: optuna.Trial, name: str, domain: Distribution) -> ParameterValue:
    match domain:
        case FloatDistribution():
            return trial.suggest_float(name, domain.low, domain.high, log=domain.log, step=domain.step)
        case IntDistribution():
            return trial.suggest_int(name, domain.low, domain.high, log=domain.log, step=domain.step)
        case CategoricalDistribution():
            return trial.suggest_categorical(name, domain.choices)
