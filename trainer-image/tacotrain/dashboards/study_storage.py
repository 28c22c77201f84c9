"""Optuna's storage as a page about one study may see it: that study alone, read-only, with the artifacts of its folder.

The Optuna Dashboard reads everything again every few seconds, for each viewer. Here all share one cached storage, which asks
the database for what has changed: finished trials come once. Whatever would write raises, and each transaction is a
read-only one, so that on one machine the owner's own URL does as well as the reader's.
"""

import copy
import logging
import threading
import time
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from typing import Any, Final

from bottle import HTTPError  # type: ignore[import-untyped]
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from tacotrain.dashboards.artifacts import Artifacts
from tacotrain.dashboards.reading import open_storage
from tacotrain.dashboards.refusing import ReadOnlyStorage
from tacotrain.report import redact

AWAY: Final = "The study's database does not answer at the moment; this page goes on by itself when it does."

STUDY_SECONDS: Final = 1.0
"""How long what is known of the study itself does for all viewers."""
RETRY_SECONDS: Final = 5.0
"""Between two tries to reach a database that is away: requests that wait for one would leave no thread for the page itself."""

log = logging.getLogger(__name__)


class OneStudy(ReadOnlyStorage):
    """One study of a storage, opened at the first look and again after each failure to open it.

    What goes wrong is raised as bottle's `HTTPError`: the dashboard passes its sentence on to the page.

    Args:
        url: Of the database.
        name: The study's, as Optuna's storage has it.
        artifacts: Of its folder.
        connect: Opens the storage.
        clock: In seconds.
    """

    def __init__(
        self,
        url: str,
        name: str,
        artifacts: Artifacts,
        connect: Callable[[str], BaseStorage] = open_storage,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._name = name
        self._artifacts = artifacts
        self._connect = connect
        self._clock = clock
        self._lock = threading.Lock()
        self._opened: BaseStorage | None = None
        self._study: tuple[float, list[FrozenStudy]] = (float("-inf"), [])
        self._failed_at: float | None = None

    def get_all_studies(self) -> list[FrozenStudy]:
        """The one study, or none while it is not there."""
        read_at, found = self._study
        if self._clock() - read_at >= STUDY_SECONDS:
            with self._reading() as storage:
                found = self._read_study(storage)
            self._study = self._clock(), found
        return found

    def _read_study(self, storage: BaseStorage) -> list[FrozenStudy]:
        try:
            study_id = storage.get_study_id_from_name(self._name)
            return [
                FrozenStudy(
                    self._name,
                    None,
                    storage.get_study_user_attrs(study_id),
                    storage.get_study_system_attrs(study_id) | self._artifacts.of_study(),
                    study_id,
                    directions=storage.get_study_directions(study_id),
                )
            ]
        except KeyError:  # Not asked for yet, or deleted.
            return []

    def get_study_id_from_name(self, study_name: str) -> int:
        """The study's id; of no other one."""
        for study in self.get_all_studies():
            if study.study_name == study_name:
                return int(study._study_id)  # noqa: SLF001 - Optuna has no public name for it
        raise _unknown("study")

    def get_study_name_from_id(self, study_id: int) -> str:
        """The study's name, if the id is its."""
        return self._the_study(study_id).study_name

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """One for each objective."""
        return list(self._the_study(study_id).directions)

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """As they are."""
        return self._the_study(study_id).user_attrs

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """With the artifacts of the best voice."""
        return self._the_study(study_id).system_attrs

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """All trials with their artifacts; only what has changed is read from the database."""
        self._the_study(study_id)
        with self._reading() as storage:
            trials = storage.get_all_trials(study_id, deepcopy=deepcopy, states=states)
        return [self._with_artifacts(trial) for trial in trials]

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """One of the study's trials."""
        for study in self.get_all_studies():
            for trial in self.get_all_trials(study._study_id, deepcopy=False):  # noqa: SLF001
                if trial._trial_id == trial_id:  # noqa: SLF001
                    return trial
        raise _unknown("trial")

    def get_trial_id_from_study_id_trial_number(self, study_id: int, trial_number: int) -> int:
        """The id of a trial."""
        for trial in self.get_all_trials(study_id, deepcopy=False):
            if trial.number == trial_number:
                return int(trial._trial_id)  # noqa: SLF001
        raise _unknown("trial")

    def _the_study(self, study_id: int) -> FrozenStudy:
        for study in self.get_all_studies():
            if study._study_id == study_id:  # noqa: SLF001
                return study
        raise _unknown("study")

    def _with_artifacts(self, trial: FrozenTrial) -> FrozenTrial:
        found = self._artifacts.of_trial(trial)
        if not found:
            return trial
        # A copy: the trial itself is the cache's.
        shown = copy.copy(trial)
        shown._system_attrs = {**trial._system_attrs, **found}  # noqa: SLF001
        return shown

    @contextmanager
    def _reading(self) -> Iterator[BaseStorage]:
        if self._failed_at is not None and self._clock() - self._failed_at < RETRY_SECONDS:
            raise HTTPError(503, AWAY)
        try:
            with self._lock:
                if self._opened is None:
                    self._opened = self._connect(self._url)
            yield self._opened
        except (StorageInternalError, SQLAlchemyError) as error:
            self._note_failure(error)
            raise HTTPError(503, AWAY) from error
        except RuntimeError as error:
            # Optuna's own words tell which side is to be upgraded.
            self._note_failure(error)
            raise HTTPError(503, f"The study's database cannot be read: {error}") from error
        if self._failed_at is not None:
            self._failed_at = None
            log.info("optuna: the database answers again")

    def _note_failure(self, error: Exception) -> None:
        """Log the first one of an absence, not each."""
        if self._failed_at is None:
            cause = str(error.__cause__ or error).strip().partition("\n")[0]
            log.warning("optuna: the database does not answer: %s", redact(cause, self._url))
        self._failed_at = self._clock()


def _unknown(what: str) -> HTTPError:
    return HTTPError(404, f"There is no such {what} on this page.")
