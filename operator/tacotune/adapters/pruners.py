"""The pruner's advice about running trials: evaluated here, on the cached storage, so that no trainer reads the whole study.

Median and percentile look at a trial's newest step only. So every new step is judged in its order, on the trial as it was
then; passes that come late change nothing.
"""

import copy
import warnings
from collections.abc import Sequence
from typing import Any

from optuna import pruners
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from tacotune.adapters.draft import Draft
from tacotune.api.tuning import Pruner


def build_pruner(spec: Pruner) -> pruners.BasePruner | None:
    """Optuna's pruner; None when nothing is to be pruned."""
    when = {"n_warmup_steps": spec.warmup_steps, "interval_steps": spec.interval_steps}
    median = pruners.MedianPruner(n_startup_trials=spec.startup_trials, **when)
    pruner: pruners.BasePruner | None
    match spec.name:
        case "median":
            pruner = median
        case "percentile":
            pruner = pruners.PercentilePruner(spec.percentile, n_startup_trials=spec.startup_trials, **when)
        case "hyperband":
            # Given by the spec, for Optuna's "auto" is found out anew by each process.
            assert spec.max_resource is not None, "validated"
            pruner = pruners.HyperbandPruner(
                min_resource=spec.min_resource,
                max_resource=spec.max_resource,
                reduction_factor=spec.reduction_factor,
            )
        case "successiveHalving":
            pruner = pruners.SuccessiveHalvingPruner(
                min_resource=spec.min_resource, reduction_factor=spec.reduction_factor
            )
        case "patient":
            pruner = pruners.PatientPruner(median, patience=spec.patience, min_delta=spec.min_delta)
        case "threshold":
            pruner = pruners.ThresholdPruner(lower=spec.lower, upper=spec.upper, **when)
        case "none":
            pruner = None
    return pruner


class PruneAdvisor:
    """Judges each new intermediate value of each running trial once.

    Successive halving keeps which rungs a trial has passed in its system attributes. Those of a trial that goes on are
    written at once. Those of one that shall end wait for `settled`: until the decision is in the storage, the question
    must be asked again by whoever comes after a crash.
    """

    def __init__(self, spec: Pruner, storage: BaseStorage, study_id: int, study_name: str) -> None:
        self._spec = spec
        self._pruner = build_pruner(spec)
        self._storage = storage
        self._study_id = study_id
        self._study_name = study_name
        self._judged: dict[int, int] = {}
        self._advice: dict[int, str] = {}
        self._rungs: dict[int, dict[str, Any]] = {}

    def begin(self, number: int) -> None:
        """A trial that begins now: all its steps are to be judged."""
        self._judged.setdefault(number, -1)

    def advise(self, trials: Sequence[FrozenTrial]) -> dict[int, str]:
        """Reasons by trial number, for the running trials that should end."""
        if self._pruner is None:
            return {}
        running = [trial for trial in trials if trial.state is TrialState.RUNNING]
        for trial in running:
            self._judge(self._pruner, trial, trials)
        return {t.number: self._advice[t.number] for t in running if t.number in self._advice}

    def settled(self, number: int, trial_id: int) -> None:
        """The decision to prune is in the storage: now others may compete with the trial's last rung."""
        for key, value in self._rungs.pop(number, {}).items():
            self._storage.set_trial_system_attr(trial_id, key, value)

    def _judge(self, pruner: pruners.BasePruner, trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> None:
        steps = sorted(trial.intermediate_values)
        if not steps:
            return
        # A trial met in mid-course was judged by the process before this one, all but perhaps its newest step.
        before = self._judged.get(trial.number, steps[-1] - 1)
        new = [step for step in steps if step > before]
        if not new:
            return
        self._advice.pop(trial.number, None)
        passed = dict(trial.system_attrs)
        for step in new:
            pruned, rungs = self._prune(pruner, trial, step, passed, trials)
            if pruned:
                reached = trial.intermediate_values[step]
                self._advice[trial.number] = f"{self._spec.name}: {reached:.4g} at step {step}"
                self._rungs[trial.number] = rungs
                break
            for key, value in rungs.items():
                self._storage.set_trial_system_attr(trial._trial_id, key, value)  # noqa: SLF001  as Optuna addresses it
            passed |= rungs
        self._judged[trial.number] = steps[-1]

    def _prune(
        self,
        pruner: pruners.BasePruner,
        trial: FrozenTrial,
        step: int,
        passed: dict[str, Any],
        trials: Sequence[FrozenTrial],
    ) -> tuple[bool, dict[str, Any]]:
        then = copy.copy(trial)
        then.intermediate_values = {s: v for s, v in trial.intermediate_values.items() if s <= step}
        then.system_attrs = dict(passed)
        draft = Draft(self._storage, self._study_id, trials, then)
        study = Study(self._study_name, draft, pruner=pruner)
        with warnings.catch_warnings():
            # NumPy remarks on a trial that has reported nothing but NaN; the pruner ends it, as it should.
            warnings.simplefilter("ignore", RuntimeWarning)
            pruned = pruner.prune(study, copy.copy(then))
        rungs = {key: value for key, value in draft.trial.system_attrs.items() if key not in passed}
        return pruned, rungs
