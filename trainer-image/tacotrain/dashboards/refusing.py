"""The half of Optuna's storage interface that writes, refused: what `study_storage` builds its reading half upon."""

from typing import Any, Final, NoReturn

from bottle import HTTPError  # type: ignore[import-untyped]
from optuna.storages import BaseStorage

READ_ONLY: Final = "This page only shows the study: nothing can be changed here."


class ReadOnlyStorage(BaseStorage):
    """A storage that nobody can write to."""

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise HTTPError(405, READ_ONLY)

    create_new_study = _refuse
    delete_study = _refuse
    set_study_user_attr = _refuse
    set_study_system_attr = _refuse
    create_new_trial = _refuse
    set_trial_param = _refuse
    set_trial_state_values = _refuse
    set_trial_intermediate_value = _refuse
    set_trial_user_attr = _refuse
    set_trial_system_attr = _refuse
