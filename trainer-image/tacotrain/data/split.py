"""Which utterances are held out for validation."""

from collections.abc import Sequence

import numpy as np

VALIDATION_UTTERANCES = 32


def validation_count(utterances: int) -> int:
    """Utterances to hold out: 32, or a tenth of a small dataset, never none and never all."""
    return min(VALIDATION_UTTERANCES, max(1, utterances // 10))


def stratified_split(lengths: Sequence[int], count: int, seed: int = 0) -> tuple[int, ...]:
    """Draw one utterance from each of `count` equal groups of similar length; sorted by number."""
    rng = np.random.default_rng(seed)
    groups = np.array_split(np.argsort(np.asarray(lengths), kind="stable"), count)
    return tuple(sorted(int(rng.choice(group)) for group in groups))
