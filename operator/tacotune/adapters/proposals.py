"""Propose the next trial: the sampler's word, unless it was said before.

The order of resorts: the sampler itself, a few times with other seeds; then, in a finite space, any configuration that is
left; then plain random draws. When all that brings nothing new the space is exhausted.
"""

import copy
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from optuna.samplers import BaseSampler, RandomSampler
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from tacotune.adapters.draft import Draft
from tacotune.adapters.finite import FiniteSpace
from tacotune.adapters.samplers import ask_seed, build_sampler
from tacotune.adapters.search import Key, Parameters, SearchSpace
from tacotune.api.tuning import Sampler

SAMPLER_DRAWS = 8
RANDOM_DRAWS = 100
FIXED = "fixed_params"
"""Optuna's system attribute with the values of an enqueued trial."""


@dataclass(frozen=True, slots=True)
class Proposer:
    """What proposing needs to know of one study."""

    storage: BaseStorage
    study_id: int
    study_name: str
    sampler: Sampler
    space: SearchSpace
    finite: FiniteSpace | None

    def propose(
        self,
        number: int,
        trials: Sequence[FrozenTrial],
        visited: AbstractSet[Key],
        attributes: Mapping[str, object],
        waiting: FrozenTrial | None = None,
    ) -> Draft | None:
        """Draft the trial of a number, unequal to all that were visited; None when nothing of that kind is left.

        Args:
            number: Of the trial.
            trials: All trials so far, read only.
            visited: Keys of all other trials.
            attributes: User attributes that the trial is to have from its first moment.
            waiting: The enqueued trial to complete; None for a new one.
        """
        blank = _blank(number, waiting, attributes)
        fixed = blank.system_attrs.get(FIXED, {}) | blank.params
        if self.sampler.name == "grid" and self.finite is not None:
            return self._configuration(trials, blank, visited, fixed, self.sampler.seed)
        if self.finite is None or len(visited) < len(self.finite):
            carried: dict[str, object] = {}
            for draw in range(SAMPLER_DRAWS):
                seed = ask_seed(self.sampler.seed, number, draw)
                draft, new = self._draw(trials, blank, build_sampler(self.sampler, seed), visited, carried)
                if new:
                    return draft
                # qmc keeps its place in the sequence there: the next draw is the next point.
                carried = draft.changed_study_attributes
        if self.finite is not None:
            seed = ask_seed(self.sampler.seed, number, SAMPLER_DRAWS)
            return self._configuration(trials, blank, visited, fixed, seed)
        for draw in range(SAMPLER_DRAWS, SAMPLER_DRAWS + RANDOM_DRAWS):
            sampler = RandomSampler(seed=ask_seed(self.sampler.seed, number, draw))
            draft, new = self._draw(trials, blank, sampler, visited, {})
            if new:
                return draft
        return None

    def _draw(
        self,
        trials: Sequence[FrozenTrial],
        blank: FrozenTrial,
        sampler: BaseSampler,
        visited: AbstractSet[Key],
        study_attributes: Mapping[str, object],
    ) -> tuple[Draft, bool]:
        """One proposal, and whether it is new."""
        draft = Draft(self.storage, self.study_id, trials, copy.deepcopy(blank))
        draft.changed_study_attributes.update(study_attributes)
        study = Study(self.study_name, draft, sampler=sampler)
        chosen = self.space.suggest(Trial(study, draft.trial._trial_id))  # noqa: SLF001  as Optuna addresses it
        return draft, self.space.key(chosen) not in visited

    def _configuration(
        self,
        trials: Sequence[FrozenTrial],
        blank: FrozenTrial,
        visited: AbstractSet[Key],
        fixed: Parameters,
        seed: int,
    ) -> Draft | None:
        assert self.finite is not None
        configuration = self.finite.unvisited(visited, fixed, seed)
        if configuration is None:
            return None
        draft = Draft(self.storage, self.study_id, trials, copy.deepcopy(blank))
        for name, value in configuration.items():
            distribution = self.space.distributions[name]
            draft.set(name, value, distribution)
        return draft


def _blank(number: int, waiting: FrozenTrial | None, attributes: Mapping[str, object]) -> FrozenTrial:
    trial = create_trial(state=TrialState.RUNNING) if waiting is None else copy.deepcopy(waiting)
    trial.number = number
    trial.state = TrialState.RUNNING
    trial.user_attrs = {**trial.user_attrs, **attributes}
    return trial
