"""When the next attempt may start: computed from recorded attempts, so that a restart forgets nothing and nobody sleeps.

Called by `retry`. The jitter comes from the Job's name: the same in every pass, another for every Job.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from tacotune.api.tuning import Backoff
from tacotune.engine.observed import Attempt, Cause

COUNTED = frozenset({Cause.OUT_OF_MEMORY, Cause.TRANSIENT, Cause.PERMANENT})
"""Causes that use up one of `retry.maxAttempts`."""

JITTER = 0.1
"""At most this part of a delay is added, so that Jobs that failed together do not return together."""

FREE_DISRUPTIONS = 3
"""So many short disruptions in a row are resumed at once; the next ones wait, or a broken node would spin for ever."""

SHORT = timedelta(seconds=60)
"""A disruption that comes sooner after the start than this is a short one."""


def jitter(name: str) -> float:
    """A number from 0 up to 1 that belongs to a name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big") / 2**48


def delay(backoff: Backoff, failures: int, name: str) -> timedelta:
    """Wait before the attempt that follows `failures` (at least one) of them: initial·factorⁿ⁻¹, never above `maxSeconds`."""
    if failures < 1 or backoff.initial_seconds == 0:
        return timedelta()
    try:
        seconds = backoff.initial_seconds * backoff.factor ** (failures - 1)
    except OverflowError:
        seconds = backoff.max_seconds
    spread = JITTER * jitter(name)
    if seconds * (1 + spread) > backoff.max_seconds:
        # At the cap the jitter goes downward, so that waits stay unequal there too.
        return timedelta(seconds=min(seconds, backoff.max_seconds) * (1 - spread))
    return timedelta(seconds=seconds * (1 + spread))


def due_at(attempts: Sequence[Attempt], backoff: Backoff, name: str) -> datetime | None:
    """When the attempt called `name` may start after these; None: at once.

    Args:
        attempts: Ended attempts in order.
        backoff: The study's.
        name: Name of the Job to come.
    """
    if not attempts:
        return None
    last = attempts[-1]
    match last.cause:
        case Cause.DISRUPTION:
            wait = delay(backoff, _short_disruptions(attempts) - FREE_DISRUPTIONS, name)
        case Cause.FINISHED:
            # Its result was lost with its Job: the next attempt finds result.json and hands it over at once.
            return None
        case Cause.OUT_OF_MEMORY | Cause.TRANSIENT | Cause.PERMANENT:
            wait = delay(backoff, sum(a.cause in COUNTED for a in attempts), name)
    return last.ended_at + wait


def _short_disruptions(attempts: Sequence[Attempt]) -> int:
    """How many attempts at the end of the row were disrupted soon after their start (or before it)."""
    count = 0
    for attempt in reversed(attempts):
        if attempt.cause is not Cause.DISRUPTION:
            break
        if attempt.started_at is not None and attempt.ended_at - attempt.started_at >= SHORT:
            break
        count += 1
    return count
