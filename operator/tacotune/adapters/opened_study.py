"""Opening a study: create or load it, check that it is still the manifest's, and enqueue what is asked first, once."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.trial import TrialState, create_trial

from tacotune.adapters import attributes
from tacotune.adapters.enqueued import enqueued
from tacotune.adapters.finite import FiniteSpace
from tacotune.adapters.optuna_engine import Direction, OptunaEngine
from tacotune.adapters.proposals import FIXED, Proposer
from tacotune.adapters.pruners import PruneAdvisor
from tacotune.adapters.samplers import build_sampler, check_sampler
from tacotune.adapters.search import SearchSpace
from tacotune.adapters.storage_errors import translated
from tacotune.adapters.trial_view import TrialView
from tacotune.api.study import TTSStudySpec
from tacotune.api.study_key import StudyKey
from tacotune.ports import InvalidStudy


@dataclass(frozen=True, slots=True)
class OpenedStudy:
    """What is kept of a study between passes."""

    spec: TTSStudySpec
    storage: BaseStorage
    study_id: int
    study: optuna.Study
    space: SearchSpace
    view: TrialView
    advisor: PruneAdvisor
    proposer: Proposer


def open_study(engine: OptunaEngine, key: StudyKey, spec: TTSStudySpec, now: datetime) -> OpenedStudy:
    """Create or load a study.

    Raises:
        StorageUnavailable: the database stayed away.
        InvalidStudy: the stored study is another one, or the spec asks for what this installation lacks.
    """
    check_sampler(spec.sampler)
    space = SearchSpace(spec.search_space)
    directions: list[Direction] = [
        "minimize" if objective.direction == "Minimize" else "maximize" for objective in spec.all_objectives
    ]
    name = key.storage_name
    study_id = engine.open_study(name, directions)
    storage = engine.storage
    with translated(), engine.exclusive(name):
        _write_once(storage, study_id, key, spec, space=space, now=now)
        return OpenedStudy(
            spec=spec,
            storage=storage,
            study_id=study_id,
            study=optuna.load_study(study_name=name, storage=storage, sampler=build_sampler(spec.sampler, 0)),
            space=space,
            view=TrialView(space, minimize=directions[0] == "minimize"),
            advisor=PruneAdvisor(spec.pruner, storage, study_id, name),
            proposer=Proposer(storage, study_id, name, spec.sampler, space, FiniteSpace.of(space)),
        )


def _write_once(
    storage: BaseStorage,
    study_id: int,
    key: StudyKey,
    spec: TTSStudySpec,
    *,
    space: SearchSpace,
    now: datetime,
) -> None:
    """The facts of the study's beginning. Each is written when it is missing, so a cut-off opening is finished by the next."""
    written = storage.get_study_user_attrs(study_id)
    described = [p.model_dump(mode="json", by_alias=True, exclude_none=True) for p in spec.search_space]
    if attributes.SEARCH_SPACE not in written:
        storage.set_study_user_attr(study_id, attributes.SEARCH_SPACE, described)
    elif written[attributes.SEARCH_SPACE] != described:
        difference = _difference(written[attributes.SEARCH_SPACE], described)
        raise InvalidStudy(f"searchSpace cannot change once trials are compared in it: {difference}")
    if attributes.STARTED_AT not in written:
        storage.set_study_user_attr(study_id, attributes.STARTED_AT, now.isoformat())
    if attributes.ENQUEUED not in written:
        there = {
            t.user_attrs.get(attributes.ENQUEUED) for t in storage.get_all_trials(study_id, deepcopy=False)
        }
        for entry in enqueued(spec, space, storage, key.namespace, study_id):
            if entry.origin not in there:
                waiting = create_trial(
                    state=TrialState.WAITING,
                    system_attrs={FIXED: entry.parameters},
                    user_attrs={attributes.ENQUEUED: entry.origin},
                )
                storage.create_new_trial(study_id, waiting)
        storage.set_study_user_attr(study_id, attributes.ENQUEUED, True)


def _difference(stored: list[dict[str, Any]], described: list[dict[str, Any]]) -> str:
    """The first parameter that differs, in words."""
    before, after = ({parameter["name"]: parameter for parameter in space} for space in (stored, described))
    for name in (*after, *before):
        if before.get(name) != after.get(name):
            was, now = (space.get(name, "nothing") for space in (before, after))
            return (
                f"{name} is {now} in the manifest and {was} in the stored study; give the study another name"
            )
    return "its parameters stand in another order; give the study another name"
