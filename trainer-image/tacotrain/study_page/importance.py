"""How much each parameter mattered, by Optuna's PED-ANOVA; or why that cannot be said yet. Called by `make`."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

FEWEST: Final = 8
"""Complete trials below which an importance would be noise."""
STEADY: Final = 50
"""From so many on the estimate is steady: five trials in the best tenth."""


@dataclass(frozen=True, slots=True)
class Importance:
    """Shares that sum to 1, the largest first; none where `reason` says why."""

    shares: Mapping[str, float] = field(default_factory=dict)
    trials: int = 0
    best: float = 0.1
    """What part of the trials counts as the best: which parameters set them apart is what is measured."""
    reason: str = ""


def importance(trials: Sequence[FrozenTrial], directions: Sequence[StudyDirection]) -> Importance:
    """Judge the parameters of complete trials; with several objectives, by how they lead to the Pareto front."""
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE and trial.params]
    count = len(complete)
    if count < FEWEST:
        return Importance(
            trials=count, reason=f"{count} complete trials say nothing yet; it takes {FEWEST} at least."
        )
    # It loads scikit-learn where that is installed, which takes seconds and is not needed for fewer trials.
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances  # noqa: PLC0415

    # It says of each study that it was made.
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    best = min(0.5, max(0.1, 5 / count))
    with warnings.catch_warnings():
        # What it tells its callers is said on the page, or does not concern us.
        warnings.simplefilter("ignore")
        study = optuna.create_study(directions=list(directions), storage=None)
        study.add_trials([_bare(trial) for trial in complete])
        evaluator = PedAnovaImportanceEvaluator(target_quantile=best)
        # Shares are made here: Optuna would give equal ones where there is nothing to share.
        found = get_param_importances(study, evaluator=evaluator, normalize=False)
    total = sum(found.values())
    if total <= 0:
        return Importance(
            trials=count, best=best, reason="No parameter sets the best trials apart from the others."
        )
    order = sorted(found, key=lambda name: -found[name])
    return Importance({name: found[name] / total for name in order}, count, best)


def _bare(trial: FrozenTrial) -> FrozenTrial:
    """Without what was reported on the way and noted beside it: neither is looked at, and both are copied."""
    return optuna.trial.create_trial(
        state=trial.state, values=trial.values, params=trial.params, distributions=trial.distributions
    )
