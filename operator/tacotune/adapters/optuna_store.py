"""The `TrialStore` port on Optuna's storage: ask, tell and remember, with one writer per study.

What makes it safe to stop anywhere:
- a new trial is written with all its parameters in one transaction (`draft`), under a lock on the study and only while its
  number is free;
- an enqueued trial gets its parameters before its state says that it runs;
- attributes are written with the state that ends a trial, in one transaction: finished trials cannot be written any more;
- telling twice is one tell.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import optuna
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from tacotune.adapters import attributes, trial_rows
from tacotune.adapters.draft import Draft
from tacotune.adapters.opened_study import OpenedStudy, open_study
from tacotune.adapters.optuna_engine import OptunaEngine
from tacotune.adapters.storage_errors import translated
from tacotune.adapters.trial_view import STATES
from tacotune.api import names
from tacotune.api.study import TTSStudySpec
from tacotune.api.study_key import StudyKey
from tacotune.engine.observed import Attempt, ObservedTrial, Purpose, TrialState
from tacotune.ports import Clock, StorageUnavailable, StudyRecord

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
            with self._engine.exclusive(self._key.storage_name) as connection:
                now = trial_rows.state_of(connection, opened.study_id, expected_number)
                number = self._save(opened, expected_number, now, there, draft)
        opened.advisor.begin(expected_number)
        return number

    def _save(
        self,
        opened: OpenedStudy,
        number: int,
        now: OptunaState | None,
        waiting: FrozenTrial | None,
        draft: Draft | None,
    ) -> int | None:
        """Write what was proposed, unless another process has asked meanwhile (`now` is the trial's state at this moment)."""
        if now is not None and (waiting is None or now is not OptunaState.WAITING):
            return number
        if waiting is not None and draft is not None:
            draft.save_waiting(waiting)
            return number
        if waiting is not None:
            # Enqueued, but everything that agrees with its values has been asked by now.
            note = {names.ATTRIBUTE_MESSAGE: "not run: equal to an earlier trial"}
            self._finish(opened, number, OptunaState.PRUNED, note)
            return number
        if draft is not None:
            draft.save_new()
            return number
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
            self._finish(opened, number, TO_OPTUNA[state], written, values)

    def record_attempt(self, purpose: Purpose, trial: int, attempt: Attempt) -> None:
        """Keep an ended attempt; the same number again replaces it. A finished trial takes none any more."""
        opened = self._get()
        with self._reading():
            if purpose is Purpose.TRIAL:
                key, trial_id = names.ATTRIBUTE_ATTEMPTS, self.storage_trial_id(trial)
                with self._engine.transaction() as connection:
                    written = trial_rows.read_attribute(connection, trial_id, key)
                    known = attributes.read_attempts({} if written is None else {key: written}, key)
                    together = attributes.write_attempts(known, attempt)
                    trial_rows.write_attributes(connection, trial_id, {key: together})
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
            trial_id = self.storage_trial_id(number)
            with self._engine.transaction() as connection:
                written = trial_rows.write_attributes(connection, trial_id, {names.ATTRIBUTE_PRUNE: reason})
            if written:
                opened.advisor.settled(number, trial_id)

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

    def _finish(
        self,
        opened: OpenedStudy,
        number: int,
        state: OptunaState,
        written: Mapping[str, object],
        values: Sequence[float] = (),
    ) -> None:
        """End a trial; one that another process has ended keeps that process's verdict."""
        told = list(values) if state is OptunaState.COMPLETE else []
        kept = {key: value for key, value in written.items() if value not in ("", None, {})}
        trial_id = self.storage_trial_id(number)
        with self._engine.transaction() as connection:
            trial_rows.finish(
                connection,
                trial_id,
                state,
                told,
                kept,
                ended=self._clock.now(),
                objectives=len(opened.spec.all_objectives),
            )

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
