"""Which of the processes that train one voice this is, by the environment that torchrun and `tacotrain launch` give.

Light on purpose: the command line asks before torch is loaded.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from tacotrain.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Place:
    """A worker's number among all and among those of its machine; by default it is alone."""

    rank: int = 0
    """Number among all workers; 0 leads."""
    size: int = 1
    """Workers of the training."""
    local_rank: int = 0
    """Number on this machine, and so the GPU it takes."""
    local_size: int = 1
    """Workers on this machine."""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Read RANK, WORLD_SIZE, LOCAL_RANK and LOCAL_WORLD_SIZE; without WORLD_SIZE, or with 1, there are no others.

        Raises:
            ConfigError: One is missing, no number, or does not fit the others.
        """
        size = _number(environment, "WORLD_SIZE", default=1)
        if size == 1:
            return cls()
        names = ("RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
        rank, local_rank, local_size = (_number(environment, name) for name in names)
        if not (0 <= rank < size and 0 <= local_rank < local_size <= size):
            raise ConfigError(
                f"RANK {rank} of WORLD_SIZE {size}, LOCAL_RANK {local_rank} of LOCAL_WORLD_SIZE {local_size}: "
                "no such place; start workers with `tacotrain launch` or torchrun"
            )
        return cls(rank, size, local_rank, local_size)

    @property
    def alone(self) -> bool:
        """Whether one process does everything."""
        return self.size == 1

    @property
    def leads(self) -> bool:
        """Whether this is the one that reports, evaluates and writes."""
        return self.rank == 0


ALONE = Place()


def _number(environment: Mapping[str, str], name: str, default: int | None = None) -> int:
    text = environment.get(name, "" if default is None else str(default))
    try:
        return int(text)
    except ValueError as error:
        raise ConfigError(
            f"{name} is {text!r}, but WORLD_SIZE says that there are several workers; start them with "
            "`tacotrain launch` or torchrun"
        ) from error
