"""The `TrialStore` port on Optuna's storage: ask, tell and remember, with one writer per study.

What makes it safe to stop anywhere:
- a new trial is written with all its parameters in one transaction (`draft`), under a lock on the study and only while its
  number is free;
- an enqueued trial gets its parameters before its state says that it runs;
- attributes are written before the state that ends a trial, because finished trials cannot be written any more;
- telling twice is one tell.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from tacotune.adapters import attributes
from tacotune.adapters.draft import Draft
from tacotune.adapters.opened_study import OpenedStudy, open_study
from tacotune.adapters.optuna_engine import OptunaEngine
from tacotune.adapters.storage_errors import translated
from tacotune.adapters.trial_view import STATES
from tacotune.api import names
from tacotune.api.study import TTSStudySpec
from tacotune.engine.observed import Attempt, ObservedTrial, Purpose, TrialState
from tacotune.ports import Clock, StorageUnavailable, StudyKey, StudyRecord

TO_OPTUNA: Mapping[TrialState, OptunaState] = {ours: theirs for theirs, ours in STATES.items()}


class OptunaStore:
    """Trials of one study.

    Args:
        engine: The process's only one for this database.
        key: Which study.
        clock: Says when the study was started.
    """

    def __init__(self, engine: OptunaEngine, key: StudyKey, clock: Clock) -> None:
        self._engine = engine
        self._key = key
        self._clock = clock
        self._opened: OpenedStudy | None = None

    def open(self, spec: TTSStudySpec) -> None:
        """Create or load the study, and enqueue what is to be asked first, once; cheap when already open."""
        if self._opened is None or (self._opened.spec is not spec and self._opened.spec != spec):
            with self._reading():
                self._opened = open_study(self._engine, self._key, spec, self._clock.now())

    def record(self) -> StudyRecord:
        """Facts about the study."""
        opened = self._get()
        with self._reading():
            return attributes.read_record(opened.storage.get_study_user_attrs(opened.study_id))

    def trials(self) -> Sequence[ObservedTrial]:
        """All trials by number, running ones with the pruner's advice; reads only what has not finished."""
        opened = self._get()
        with self._reading():
            trials = self._read(opened)
            return opened.view.observe(trials, opened.advisor.advise(trials))

    def ask(self, expected_number: int, spec_hash: str) -> int | None:
        """Ask for the trial of a number; None when nothing new is left in the space."""
        opened = self._get()
        with self._reading():
            trials = self._read(opened)
            there = next((trial for trial in trials if trial.number == expected_number), None)
            if there is not None and there.state is not OptunaState.WAITING:
                return expected_number
            draft = opened.proposer.propose(
                expected_number,
                trials,
                opened.view.visited(trials, but=expected_number),
                {names.ATTRIBUTE_SPEC_HASH: spec_hash},
                there,
            )
            # Sampling may take its time; the lock is for the moment of writing.
            with self._engine.exclusive(self._key.storage_name):
                number = self._save(opened, expected_number, there, draft)
        opened.advisor.begin(expected_number)
        return number

    def _save(
        self, opened: OpenedStudy, number: int, waiting: FrozenTrial | None, draft: Draft | None
    ) -> int | None:
        """Write what was proposed, unless another process has asked meanwhile."""
        now = self._find(opened, number)
        if now is not None and (waiting is None or now.state is not OptunaState.WAITING):
            return number
        if waiting is not None and draft is not None:
            draft.save_waiting(waiting)
            return number
        if waiting is not None:
            # Enqueued, but everything that agrees with its values has been asked by now.
            note = {names.ATTRIBUTE_MESSAGE: "not run: equal to an earlier trial"}
            self._finish(opened, waiting, OptunaState.PRUNED, note)
            return number
        if draft is not None:
            return draft.save_new()
        opened.storage.set_study_user_attr(opened.study_id, attributes.SPACE_EXHAUSTED, True)
        return None

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
        """Finish a trial; a finished one is left alone.

        Values that are no numbers never make a trial COMPLETE: it fails, whatever the caller took it for.
        """
        opened = self._get()
        objectives = len(opened.spec.all_objectives)
        if state is TrialState.COMPLETE and (
            len(values) != objectives or not all(map(math.isfinite, values))
        ):
            reason = f"no finite value for each of {objectives} objectives: {list(values)}"
            state, message = TrialState.FAIL, f"{message}; {reason}" if message else reason
        written = {
            names.ATTRIBUTE_MESSAGE: message,
            names.ATTRIBUTE_METRICS: {k: v for k, v in (metrics or {}).items() if math.isfinite(v)},
            names.ATTRIBUTE_CHECKPOINT: checkpoint,
            attributes.BEST_STEP: best_step,
        }
        with self._reading():
            self._finish(opened, self._trial(opened, number), TO_OPTUNA[state], written, values)

    def record_attempt(self, purpose: Purpose, trial: int, attempt: Attempt) -> None:
        """Keep an ended attempt; the same number again replaces it. A finished trial takes none any more."""
        opened = self._get()
        with self._reading():
            if purpose is Purpose.TRIAL:
                frozen = self._trial(opened, trial)
                known = attributes.read_attempts(frozen.user_attrs, names.ATTRIBUTE_ATTEMPTS)
                self._write(
                    opened, frozen, names.ATTRIBUTE_ATTEMPTS, attributes.write_attempts(known, attempt)
                )
                return
            key = attributes.PREPARE_ATTEMPTS if purpose is Purpose.PREPARE else attributes.FINAL_ATTEMPTS
            known = attributes.read_attempts(opened.storage.get_study_user_attrs(opened.study_id), key)
            opened.storage.set_study_user_attr(
                opened.study_id, key, attributes.write_attempts(known, attempt)
            )

    def request_prune(self, number: int, reason: str) -> None:
        """Leave the decision to prune where the trial's reporter reads it."""
        opened = self._get()
        with self._reading():
            frozen = self._trial(opened, number)
            if self._write(opened, frozen, names.ATTRIBUTE_PRUNE, reason):
                opened.advisor.settled(number, _id(frozen))

    def record_final(self, trial: int, result_json: str = "") -> None:
        """Fix the trial of the final training, or keep its result."""
        opened = self._get()
        with self._reading():
            opened.storage.set_study_user_attr(opened.study_id, attributes.FINAL_TRIAL, trial)
            if result_json:
                document = json.dumps(json.loads(result_json))
                opened.storage.set_study_user_attr(opened.study_id, attributes.FINAL_RESULT, document)

    def storage_trial_id(self, number: int) -> int:
        """Optuna's id of a trial."""
        opened = self._get()
        with self._reading():
            return opened.storage.get_trial_id_from_study_id_trial_number(opened.study_id, number)

    def delete(self) -> None:
        """Drop the study's rows; open makes it anew."""
        opened = self._get()
        with self._reading():
            self._engine.delete_study(self._key.storage_name, opened.study_id)
        self._opened = None

    def reset_token(self) -> str:
        """Of the last reset; empty when there was none."""
        opened = self._get()
        with self._reading():
            return str(opened.storage.get_study_user_attrs(opened.study_id).get(attributes.RESET, ""))

    def reset(self, token: str) -> None:
        """Drop all trials and begin anew, once for a token, however many ask for it at the same time."""
        opened, name = self._get(), self._key.storage_name
        with self._reading(), self._engine.exclusive(name):
            if opened.storage.get_study_user_attrs(opened.study_id).get(attributes.RESET) == token:
                return
            self._engine.delete_study(name, opened.study_id)
            directions = opened.study.directions
            study = optuna.create_study(
                study_name=name, storage=opened.storage, directions=directions, load_if_exists=True
            )
            study.set_user_attr(attributes.RESET, token)
        self._opened = None

    def _get(self) -> OpenedStudy:
        if self._opened is None:
            raise StorageUnavailable(f"study {self._key.storage_name} is not open")
        return self._opened

    def _read(self, opened: OpenedStudy) -> list[FrozenTrial]:
        return opened.storage.get_all_trials(opened.study_id, deepcopy=False)

    def _trial(self, opened: OpenedStudy, number: int) -> FrozenTrial:
        return opened.storage.get_trial(self.storage_trial_id(number))

    def _find(self, opened: OpenedStudy, number: int) -> FrozenTrial | None:
        """A trial as it is stored at this moment."""
        return next((trial for trial in self._read(opened) if trial.number == number), None)

    def _write(self, opened: OpenedStudy, trial: FrozenTrial, key: str, value: object) -> bool:
        """Write an attribute; False when the trial has finished and keeps what it has."""
        if trial.state.is_finished():
            return False
        try:
            opened.storage.set_trial_user_attr(_id(trial), key, value)
        except UpdateFinishedTrialError:
            return False
        return True

    def _finish(
        self,
        opened: OpenedStudy,
        trial: FrozenTrial,
        state: OptunaState,
        written: Mapping[str, object],
        values: Sequence[float] = (),
    ) -> None:
        for key, value in written.items():
            if value in ("", None, {}):
                continue
            if not self._write(opened, trial, key, value):
                return
        try:
            if trial.state is OptunaState.WAITING:
                # Optuna's tell wants a running trial; one that was never asked can only be crossed out.
                opened.storage.set_trial_state_values(_id(trial), state)
            else:
                told = list(values) if state is OptunaState.COMPLETE else None
                opened.study.tell(trial.number, told, state=state, skip_if_finished=True)
        except UpdateFinishedTrialError:
            return  # Another process was quicker, with the same verdict or an earlier one.

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Translate errors. Rows that are gone (somebody reset the study) make the next pass open it anew."""
        try:
            with translated():
                yield
        except KeyError as error:
            self._opened = None
            raise StorageUnavailable(
                f"study {self._key.storage_name} or one of its trials is no longer stored"
            ) from error


def _id(trial: FrozenTrial) -> int:
    return trial._trial_id  # noqa: SLF001  Optuna's storages are addressed by it
