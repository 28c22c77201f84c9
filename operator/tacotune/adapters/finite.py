"""Finite search spaces by index: the grid sampler, and the last resort of the others when they propose nothing new."""

from collections.abc import Collection, Mapping
from itertools import islice
from math import prod

import numpy as np

from tacotune.adapters.search import Key, Parameters, SearchSpace, configurations
from tacotune.engine.observed import ParameterValue

LARGEST = 100_000
"""Configurations of a space that is still looked through."""


class FiniteSpace:
    """All configurations of a space that holds a manageable number of them."""

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._axes = [(p.name, space.values(p.name) or ()) for p in space.parameters]
        self._listed: list[Parameters] | None = None
        if any(parameter.when is not None for parameter in space.parameters):
            self._listed = list(islice(configurations(space), LARGEST + 1))

    @classmethod
    def of(cls, space: SearchSpace) -> "FiniteSpace | None":
        """The space as a finite one; None when it is infinite or too large to be looked through."""
        sizes = [space.size(parameter.name) for parameter in space.parameters]
        if any(size is None or size > LARGEST for size in sizes):
            return None
        finite = cls(space)
        return finite if len(finite) <= LARGEST else None

    def __len__(self) -> int:
        return (
            len(self._listed) if self._listed is not None else prod(len(values) for _, values in self._axes)
        )

    def __getitem__(self, index: int) -> Parameters:
        if self._listed is not None:
            return self._listed[index]
        chosen: Parameters = {}
        for name, values in self._axes:
            index, digit = divmod(index, len(values))
            chosen[name] = values[digit]
        return chosen

    def unvisited(
        self, visited: Collection[Key], fixed: Mapping[str, ParameterValue], seed: int
    ) -> Parameters | None:
        """The first configuration in a seeded order that agrees with `fixed` and was not visited."""
        for index in np.random.RandomState(seed).permutation(len(self)):
            configuration = self[int(index)]
            agrees = all(configuration.get(name, value) == value for name, value in fixed.items())
            if agrees and self._space.key(configuration) not in visited:
                return configuration
        return None
