"""A TrialStore that says how long each call took, answered or not. Made by `handlers.session`, around the real one."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from tacotune.api.study import TTSStudySpec
from tacotune.engine.observed import Attempt, ObservedTrial, Purpose, TrialState
from tacotune.ports import StudyRecord, TrialStore

Timing = Callable[[str, float], None]
"""Told the method's name and its seconds."""


class TimedStore:
    """The store within, watched.

    Args:
        store: Does the work.
        timing: Told of each call; from the thread that made it.
        monotonic: Seconds.
    """

    def __init__(
        self, store: TrialStore, timing: Timing, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._timing = timing
        self._monotonic = monotonic

    @contextmanager
    def _timed(self, operation: str) -> Iterator[None]:
        began = self._monotonic()
        try:
            yield
        finally:
            self._timing(operation, self._monotonic() - began)

    def open(self, spec: TTSStudySpec) -> None:
        """As the store's."""
        with self._timed("open"):
            self._store.open(spec)

    def record(self) -> StudyRecord:
        """As the store's."""
        with self._timed("record"):
            return self._store.record()

    def trials(self) -> Sequence[ObservedTrial]:
        """As the store's."""
        with self._timed("trials"):
            return self._store.trials()

    def ask(self, expected_number: int, spec_hash: str) -> int | None:
        """As the store's."""
        with self._timed("ask"):
            return self._store.ask(expected_number, spec_hash)

    def tell(
        self,
        number: int,
        state: TrialState,
        values: Sequence[float],
        *,
        message: str = "",
        metrics: Mapping[str, float] | None = None,
        checkpoint: str = "",
        best_step: int | None = None,
    ) -> None:
        """As the store's."""
        with self._timed("tell"):
            self._store.tell(
                number,
                state,
                values,
                message=message,
                metrics=metrics,
                checkpoint=checkpoint,
                best_step=best_step,
            )

    def record_attempt(self, purpose: Purpose, trial: int, attempt: Attempt) -> None:
        """As the store's."""
        with self._timed("record_attempt"):
            self._store.record_attempt(purpose, trial, attempt)

    def request_prune(self, number: int, reason: str) -> None:
        """As the store's."""
        with self._timed("request_prune"):
            self._store.request_prune(number, reason)

    def record_final(self, trial: int, result_json: str = "") -> None:
        """As the store's."""
        with self._timed("record_final"):
            self._store.record_final(trial, result_json)

    def storage_trial_id(self, number: int) -> int:
        """As the store's."""
        with self._timed("storage_trial_id"):
            return self._store.storage_trial_id(number)

    def delete(self) -> None:
        """As the store's."""
        with self._timed("delete"):
            self._store.delete()
