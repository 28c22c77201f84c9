"""Which utterances make the next batch: bucketed by length, seeded, and resumable in the middle of an epoch.

The plan of an epoch is a pure function of lengths, settings, seed and epoch number; a state is therefore only where
in which plan the sampler stands. Utterances of similar length share a batch, so little work goes into padding; the
lengths are jittered before sorting, so batches differ between epochs.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from tacotrain.errors import ConfigError, DataError

_JITTER = 0.05

Plan = tuple[tuple[int, ...], ...]
Segment = dict[str, int | None]
"""A part of an epoch: its batch size, and how many `batches` of its plan were served."""


@dataclass(frozen=True, slots=True)
class BatchSize:
    """How large a batch may be: a number of utterances, or a number of mel frames with their padding."""

    utterances: int | None = None
    frames: int | None = None

    def __post_init__(self) -> None:
        if (self.utterances is None) == (self.frames is None):
            raise ConfigError("batch_size, frames_per_batch: give exactly one of them")
        if self.limit < 1:
            raise ConfigError(f"batch_size, frames_per_batch: {self.limit} is below 1")

    @property
    def limit(self) -> int:
        """The one number that is given."""
        return (self.utterances if self.utterances is not None else self.frames) or 0

    def cost(self, utterances: int, longest: int) -> int:
        """What a batch takes of the limit."""
        return utterances if self.frames is None else utterances * longest

    def first(self, utterances: int, rng: np.random.Generator) -> int:
        """Limit of the first batch: cuts are not always at the same places, nor the longest ones always left over."""
        if self.utterances is None:
            return int(rng.integers(1, self.limit, endpoint=True))
        remainder = utterances % self.utterances
        return remainder if remainder and rng.random() < 0.5 else self.limit


def plan_batches(
    utterances: Sequence[int], lengths: Sequence[int], size: BatchSize, seed: Sequence[int]
) -> Plan:
    """Put each utterance into exactly one batch, in an order that only the seed decides."""
    rng = np.random.default_rng(seed)
    jitter = rng.uniform(1 - _JITTER, 1 + _JITTER, len(utterances))
    ordered = np.argsort(np.asarray([lengths[i] for i in utterances]) * jitter, kind="stable")
    limit = size.first(len(utterances), rng)
    batches: list[list[int]] = [[]]
    longest = 0
    for i in (utterances[place] for place in ordered):
        longest = max(longest, lengths[i])
        if batches[-1] and size.cost(len(batches[-1]) + 1, longest) > limit:
            batches.append([])
            longest, limit = lengths[i], size.limit
        batches[-1].append(i)
    return tuple(tuple(batches[place]) for place in rng.permutation(len(batches)))


class BatchSampler:
    """An endless iterator over batches of utterances; every epoch serves each utterance exactly once."""

    def __init__(
        self,
        lengths: Sequence[int],
        *,
        batch_size: int | None = None,
        frames_per_batch: int | None = None,
        seed: int = 0,
        utterances: Sequence[int] | None = None,
    ) -> None:
        """Plan the first epoch.

        Args:
            lengths: Mel frames of every utterance of the dataset.
            batch_size: Utterances per batch.
            frames_per_batch: Or: mel frames per batch, padding included; an utterance longer than it goes alone.
            seed: Of the order.
            utterances: Those to serve, such as `dataset.train`; all by default.

        Raises:
            ConfigError: Not exactly one of the two sizes, or one below 1.
            DataError: No utterances.
        """
        self._lengths = tuple(int(length) for length in lengths)
        self._utterances = tuple(range(len(self._lengths)) if utterances is None else map(int, utterances))
        if not self._utterances:
            raise DataError("the dataset has no utterances to train on")
        self._size = BatchSize(batch_size, frames_per_batch)
        if seed < 0:
            raise ConfigError(f"seed: {seed} is below 0")
        self._seed = seed
        self._epoch = 0
        self._position = 0
        # More than one batch size within an epoch: what was served with the earlier ones.
        self._segments: list[Segment] = []
        self._plan = self._replan(self._utterances, self._size)

    @property
    def epoch(self) -> int:
        """Complete epochs that were served."""
        return self._epoch

    @property
    def cursor(self) -> int:
        """Batches of the current epoch that were served."""
        return self._served + self._position

    @property
    def batches_in_epoch(self) -> int:
        """Batches of the current epoch, at least 1; the same in every epoch when `batch_size` is given."""
        return self._served + len(self._plan)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> tuple[int, ...]:
        batch = self._plan[self._position]
        self._position += 1
        if self._position == len(self._plan):
            self._epoch, self._position, self._segments = self._epoch + 1, 0, []
            self._plan = self._replan(self._utterances, self._size)
        return batch

    def state_dict(self) -> dict[str, Any]:
        """Where the sampler stands, as plain JSON values."""
        return {
            "seed": self._seed,
            "epoch": self._epoch,
            "segments": [*self._segments, self._segment(self._position)],
            "fingerprint": self._fingerprint(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where the state was taken: exactly the same batches follow.

        With another batch size (after running out of memory) the utterances that are left in the epoch are planned
        anew, so that still each is served once.

        Raises:
            DataError: The state is of another dataset.
        """
        if state["fingerprint"] != self._fingerprint():
            raise DataError(
                "the checkpoint's batches are of another dataset; train on that one or start anew"
            )
        self._seed, self._epoch, self._segments = state["seed"], state["epoch"], []
        *earlier, last = state["segments"]
        if BatchSize(last["utterances"], last["frames"]) != self._size:
            earlier, last = [*earlier, last], self._segment(0)
        remaining: Sequence[int] = self._utterances
        for segment in earlier:
            remaining = self._repeat(remaining, segment)
        self._plan = self._replan(remaining, self._size)
        self._position = last["batches"]

    def _repeat(self, remaining: Sequence[int], segment: Segment) -> Sequence[int]:
        """Take away what was served with an earlier batch size."""
        plan = self._replan(remaining, BatchSize(segment["utterances"], segment["frames"]))
        served = {i for batch in plan[: segment["batches"]] for i in batch}
        if served:
            self._segments.append(segment)
        return [i for i in remaining if i not in served]

    @property
    def _served(self) -> int:
        return sum(segment["batches"] or 0 for segment in self._segments)

    def _replan(self, remaining: Sequence[int], size: BatchSize) -> Plan:
        return plan_batches(remaining, self._lengths, size, (self._seed, self._epoch, len(self._segments)))

    def _segment(self, batches: int) -> Segment:
        return {"utterances": self._size.utterances, "frames": self._size.frames, "batches": batches}

    def _fingerprint(self) -> str:
        values = np.asarray([*self._lengths, -1, *self._utterances], dtype="<i8")
        return hashlib.sha256(values.tobytes()).hexdigest()
