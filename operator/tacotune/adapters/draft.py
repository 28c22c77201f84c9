"""A storage in which a trial can be drafted: it shows the study as it is, with one trial more that nobody else sees.

Samplers and pruners read and write through Optuna's storage interface. Here they read one snapshot, taken once, and write
into the draft. So a proposal can be thrown away (equal parameters are not run twice), and a trial reaches the database
with all its parameters in one transaction: no crash can come between the row and its parameters.
"""

import copy
from collections.abc import Container, Sequence
from typing import Any, NoReturn

from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from typing_extensions import override


class Draft(BaseStorage):
    """One study, a snapshot of its trials, and one trial that is being drafted in place of the one of its number."""

    def __init__(
        self, storage: BaseStorage, study_id: int, trials: Sequence[FrozenTrial], trial: FrozenTrial
    ) -> None:
        self._storage = storage
        self._study_id = study_id
        others = (other for other in trials if other.number != trial.number)
        self._trials = sorted([*others, trial], key=lambda t: t.number)
        self._study_attributes: dict[str, Any] | None = None
        self.trial = trial
        self.changed_study_attributes: dict[str, Any] = {}

    def save_new(self) -> None:
        """Write the drafted trial, in one transaction; it gets the next number, whatever the draft's is."""
        self._save_study_attributes()
        self._storage.create_new_trial(self._study_id, self.trial)

    def save_waiting(self, waiting: FrozenTrial) -> None:
        """Complete an enqueued trial: everything is there before its state says that it runs."""
        self._save_study_attributes()
        trial_id = self.trial._trial_id  # noqa: SLF001  Optuna's storages are addressed by it
        for name, distribution in self.trial.distributions.items():
            if name not in waiting.distributions:
                value = distribution.to_internal_repr(self.trial.params[name])
                self._storage.set_trial_param(trial_id, name, value, distribution)
        for key, value in self.trial.system_attrs.items():
            if waiting.system_attrs.get(key) != value:
                self._storage.set_trial_system_attr(trial_id, key, value)
        for key, value in self.trial.user_attrs.items():
            if waiting.user_attrs.get(key) != value:
                self._storage.set_trial_user_attr(trial_id, key, value)
        self._storage.set_trial_state_values(trial_id, TrialState.RUNNING)

    def set(self, name: str, value: object, distribution: BaseDistribution) -> None:
        """Give the drafted trial a parameter without asking a sampler."""
        self.trial.distributions = {**self.trial.distributions, name: distribution}
        self.trial.params = {**self.trial.params, name: value}

    def _save_study_attributes(self) -> None:
        for key, value in self.changed_study_attributes.items():
            self._storage.set_study_system_attr(self._study_id, key, value)

    @override
    def get_study_id_from_name(self, study_name: str) -> int:
        return self._study_id

    @override
    def get_study_name_from_id(self, study_id: int) -> str:
        return self._storage.get_study_name_from_id(study_id)

    @override
    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        return self._storage.get_study_directions(study_id)

    @override
    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        return self._storage.get_study_user_attrs(study_id)

    @override
    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        if self._study_attributes is None:
            self._study_attributes = self._storage.get_study_system_attrs(study_id)
        return self._study_attributes | self.changed_study_attributes

    @override
    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        self.changed_study_attributes[key] = value

    @override
    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        trials = [t for t in self._trials if states is None or t.state in states]
        return copy.deepcopy(trials) if deepcopy else trials

    @override
    def get_trial(self, trial_id: int) -> FrozenTrial:
        found = next((t for t in self._trials if t._trial_id == trial_id), None)  # noqa: SLF001  as above
        if found is None:
            raise KeyError(trial_id)
        return copy.deepcopy(found)

    @override
    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        self.set(param_name, distribution.to_external_repr(param_value_internal), distribution)

    @override
    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        self.trial.system_attrs = {**self.trial.system_attrs, key: value}

    @override
    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        self.trial.user_attrs = {**self.trial.user_attrs, key: value}

    # What neither sampler nor pruner has any business with.

    @override
    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        _refuse()

    @override
    def delete_study(self, study_id: int) -> None:
        _refuse()

    @override
    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        _refuse()

    @override
    def get_all_studies(self) -> NoReturn:
        _refuse()

    @override
    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        _refuse()

    @override
    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        _refuse()

    @override
    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        _refuse()


def _refuse() -> NoReturn:
    raise NotImplementedError(
        "a draft holds one trial, and only its parameters and attributes can be written"
    )
