"""What a study's sampler would ask first, without a database: behind `tacotune plan`.

The proposals come from the code that asks in earnest, on a storage in memory. No trial has a result here, so they are the
real ones as long as the sampler has not learned from results (its `startupTrials`), and a sketch of the space afterwards.
"""

from collections.abc import Iterator

import optuna
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState, create_trial

from tacotune.adapters.enqueued import enqueued
from tacotune.adapters.finite import FiniteSpace
from tacotune.adapters.proposals import FIXED, Proposer
from tacotune.adapters.samplers import check_sampler
from tacotune.adapters.search import Parameters, SearchSpace
from tacotune.api.study import TTSStudySpec


def preview(spec: TTSStudySpec, count: int) -> Iterator[Parameters]:
    """The first parameter sets, fewer when the space is exhausted; warm starts need a database and are left out.

    Raises:
        InvalidStudy: the spec asks for what this installation lacks.
    """
    # As OptunaEngine does: Optuna prints a line per study and trial otherwise.
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    check_sampler(spec.sampler)
    space = SearchSpace(spec.search_space)
    storage = InMemoryStorage()
    directions = [
        optuna.study.StudyDirection.MINIMIZE
        if o.direction == "Minimize"
        else optuna.study.StudyDirection.MAXIMIZE
        for o in spec.all_objectives
    ]
    study_id = storage.create_new_study(directions, "preview")
    alone = spec.model_copy(update={"warm_start": None})
    waiting = [
        create_trial(state=TrialState.WAITING, system_attrs={FIXED: entry.parameters})
        for entry in enqueued(alone, space, storage, "", study_id)
    ]
    proposer = Proposer(storage, study_id, "preview", spec.sampler, space, FiniteSpace.of(space))
    for number in range(count):
        trials = storage.get_all_trials(study_id)
        visited = {space.key(trial.params) for trial in trials}
        draft = proposer.propose(
            number, trials, visited, {}, waiting[number] if number < len(waiting) else None
        )
        if draft is None:
            return
        draft.save_new()
        yield dict(draft.trial.params)


def configurations(spec: TTSStudySpec) -> int | None:
    """How many unequal trials there can be; None when there is no end of them."""
    finite = FiniteSpace.of(SearchSpace(spec.search_space))
    return None if finite is None else len(finite)
