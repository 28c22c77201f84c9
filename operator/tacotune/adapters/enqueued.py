"""What is asked before the sampler speaks: the user's initial trials, then the best of earlier studies (`warmStart`)."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from tacotune.adapters.search import Parameters, SearchSpace
from tacotune.api.study import TTSStudySpec
from tacotune.ports import InvalidStudy


@dataclass(frozen=True, slots=True)
class Enqueued:
    """Values of a trial to come; the sampler fills in what is missing."""

    origin: str
    parameters: Parameters


def enqueued(
    spec: TTSStudySpec, space: SearchSpace, storage: BaseStorage, namespace: str, own_study: int
) -> list[Enqueued]:
    """Everything to be asked first, in order, without repetitions.

    Raises:
        InvalidStudy: an earlier study is not in the storage, or has other objectives.
    """
    found: list[Enqueued] = []
    for candidate in (*_initial(spec, space), *_warm(spec, space, storage, namespace, own_study)):
        if candidate.parameters and all(candidate.parameters != known.parameters for known in found):
            found.append(candidate)
    return found


def _initial(spec: TTSStudySpec, space: SearchSpace) -> Iterator[Enqueued]:
    """The user's own; they lie in the space, the spec was validated. Fitting gives whole numbers their parameter's kind."""
    for index, values in enumerate(spec.initial_trials):
        yield Enqueued(
            f"initialTrials[{index}]", {name: space.fit(name, value) for name, value in values.items()}
        )


def _warm(
    spec: TTSStudySpec, space: SearchSpace, storage: BaseStorage, namespace: str, own_study: int
) -> Iterator[Enqueued]:
    """The best trials of earlier studies, clipped to this one's space."""
    if spec.warm_start is None:
        return
    directions = [
        StudyDirection.MINIMIZE if objective.direction == "Minimize" else StudyDirection.MAXIMIZE
        for objective in spec.all_objectives
    ]
    pool: list[tuple[str, FrozenTrial]] = []
    for name in spec.warm_start.from_studies:
        study = _newest(storage, namespace, name, own_study)
        if study is None:
            raise InvalidStudy(
                f"warmStart.fromStudies: namespace {namespace} has no study {name!r} in this database"
            )
        if storage.get_study_directions(study) != directions:
            raise InvalidStudy(f"warmStart.fromStudies: study {name!r} has other objectives than this one")
        complete = storage.get_all_trials(study, deepcopy=False, states=(TrialState.COMPLETE,))
        pool += [(f"{name}/{trial.number}", trial) for trial in complete]
    best = sorted(pool, key=lambda entry: _rank(entry[1], directions))
    for origin, trial in best[: spec.warm_start.top_trials]:
        fitted = {
            p.name: space.fit(p.name, trial.params[p.name])
            for p in space.parameters
            if p.name in trial.params
        }
        yield Enqueued(origin, {name: value for name, value in fitted.items() if value is not None})


def _rank(trial: FrozenTrial, directions: Sequence[StudyDirection]) -> float:
    """By the first objective."""
    value: float = trial.values[0]
    return value if directions[0] is StudyDirection.MINIMIZE else -value


def _newest(storage: BaseStorage, namespace: str, name: str, own_study: int) -> int | None:
    """Id of the newest study of a name: its uid is not in the manifest, and a re-created study has another one."""
    pattern = re.compile(re.escape(f"{namespace}.{name}.") + r"[^.]{0,8}")
    ids = [
        study._study_id  # noqa: SLF001  Optuna shows it nowhere else
        for study in storage.get_all_studies()
        if pattern.fullmatch(study.study_name)
    ]
    return max((study for study in ids if study != own_study), default=None)
