"""Optuna's trials as the engine sees them, each finished one translated once."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from tacotune.adapters import attributes
from tacotune.adapters.search import Key, SearchSpace
from tacotune.api import names
from tacotune.engine.observed import ObservedTrial, TrialState

STATES: Mapping[OptunaState, TrialState] = {
    OptunaState.WAITING: TrialState.WAITING,
    OptunaState.RUNNING: TrialState.RUNNING,
    OptunaState.COMPLETE: TrialState.COMPLETE,
    OptunaState.PRUNED: TrialState.PRUNED,
    OptunaState.FAIL: TrialState.FAIL,
}


class TrialView:
    """Remembers finished trials: they do not change any more, and a long study has many."""

    def __init__(self, space: SearchSpace, *, minimize: bool) -> None:
        self._space = space
        self._minimize = minimize
        self._finished: dict[int, ObservedTrial] = {}
        self._keys: dict[int, Key | None] = {}

    def observe(self, trials: Sequence[FrozenTrial], advice: Mapping[int, str]) -> list[ObservedTrial]:
        """All trials by number."""
        return [self._observe(trial, advice.get(trial.number, "")) for trial in trials]

    def visited(self, trials: Sequence[FrozenTrial], but: int) -> set[Key]:
        """Keys of all trials but one."""
        keys = (self._key(trial) for trial in trials if trial.number != but)
        return {key for key in keys if key is not None}

    def _key(self, trial: FrozenTrial) -> Key | None:
        if trial.number in self._keys:
            return self._keys[trial.number]
        chosen = self._space.active(trial.params)
        key = None if chosen is None else self._space.key(chosen)
        if chosen is not None or trial.state.is_finished():
            self._keys[trial.number] = key
        return key

    def _observe(self, trial: FrozenTrial, advice: str) -> ObservedTrial:
        known = self._finished.get(trial.number)
        if known is not None:
            return known
        observed = observe(trial, self._space, minimize=self._minimize, advice=advice)
        if observed.state.finished:
            self._finished[trial.number] = observed
        return observed


def observe(trial: FrozenTrial, space: SearchSpace, *, minimize: bool, advice: str = "") -> ObservedTrial:
    """One trial."""
    written: Mapping[str, Any] = trial.user_attrs
    reports = trial.intermediate_values
    last = max(reports, default=None)
    finite = {step: value for step, value in reports.items() if math.isfinite(value)}
    # Of equal values the earlier one is the best: what came later brought nothing.
    best = min(finite, key=lambda step: (finite[step] if minimize else -finite[step], step), default=None)
    parameters = space.active(trial.params)
    state = STATES[trial.state]
    return ObservedTrial(
        number=trial.number,
        state=state,
        parameters=trial.params if parameters is None else parameters,
        values=tuple(trial.values) if state is TrialState.COMPLETE and trial.values is not None else (),
        last_report=None if last is None else (last, reports[last]),
        best_report=None if best is None else (best, finite[best]),
        attempts=attributes.read_attempts(written, names.ATTRIBUTE_ATTEMPTS),
        parameters_complete=state is TrialState.WAITING or parameters is not None,
        prune_advised="" if state.finished else advice,
        prune_requested=str(written.get(names.ATTRIBUTE_PRUNE, "")),
        spec_hash=str(written.get(names.ATTRIBUTE_SPEC_HASH, "")),
        started_at=_utc(trial.datetime_start),
        ended_at=_utc(trial.datetime_complete),
        metrics=written.get(names.ATTRIBUTE_METRICS, {}),
        checkpoint=str(written.get(names.ATTRIBUTE_CHECKPOINT, "")),
        best_step=written.get(attributes.BEST_STEP),
        progress=attributes.read_progress(written),
    )


def _utc(moment: datetime | None) -> datetime | None:
    """Optuna gives local times without a zone."""
    return None if moment is None else moment.astimezone(UTC)
