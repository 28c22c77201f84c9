"""A study's rows in Optuna's storage, read once; `make` is the only caller. Nothing is written, not even a table.

Attempts and results are documents that the operator left in user attributes. What is of another version, or was changed by
other hands, is left out rather than guessed.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from tacotrain.dashboards.reading import open_storage
from tacotrain.errors import ConfigError, DatabaseAway, InputMissing
from tacotrain.report import redact
from tacotrain.study_page.facts import Attempt, FinalTraining, Objective, Parameter, State, Study, Trial
from tacotrain.study_page.manifest import Manifest

ATTEMPTS: Final = "tacotune:attempts"
CHECKPOINT: Final = "tacotune:checkpoint"
MESSAGE: Final = "tacotune:message"
METRICS: Final = "tacotune:metrics"
FINAL_ATTEMPTS: Final = "tacotune:finalAttempts"
FINAL_RESULT: Final = "tacotune:finalResult"
FINAL_TRIAL: Final = "tacotune:finalTrial"
PREPARE_ATTEMPTS: Final = "tacotune:prepareAttempts"
STARTED: Final = "tacotune:startedAt"
UNREAD: Final = (
    "The database role may not read the study's own attributes: preparation and final training are missing on this page. "
    "`tacotune migrate` grants it."
)
_STATES: Final[Mapping[TrialState, State]] = {
    TrialState.WAITING: State.WAITING,
    TrialState.RUNNING: State.RUNNING,
    TrialState.COMPLETE: State.COMPLETE,
    TrialState.PRUNED: State.PRUNED,
    TrialState.FAIL: State.FAIL,
}


@dataclass(frozen=True, slots=True)
class Rows:
    """A study as the storage has it."""

    directions: tuple[StudyDirection, ...]
    trials: tuple[FrozenTrial, ...]
    attributes: Mapping[str, Any]
    notes: tuple[str, ...] = ()


def read_rows(url: str, name: str) -> Rows:
    """Read all rows of a study.

    Args:
        url: Of Optuna's database.
        name: The study's name there.

    Raises:
        InputMissing: There is no such study.
        DatabaseAway: The database does not answer, or has no tables.
        ConfigError: Its tables are of another version of Optuna.
    """
    try:
        storage = open_storage(url, "tacotrain-report")
        try:
            study = storage.get_study_id_from_name(name)
        except KeyError as error:
            raise InputMissing(f"study {name!r} is not in the database") from error
        directions = tuple(storage.get_study_directions(study))
        trials = tuple(storage.get_all_trials(study, deepcopy=False))
    except (StorageInternalError, SQLAlchemyError) as error:
        cause = str(error.__cause__ or error).strip().partition("\n")[0]
        raise DatabaseAway(f"the database does not answer: {redact(cause, url)}") from error
    except RuntimeError as error:
        raise ConfigError(f"the database cannot be read: {redact(str(error), url)}") from error
    attributes, notes = _attributes(storage, study)
    return Rows(directions, trials, attributes, notes)


def _attributes(storage: BaseStorage, study: int) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """The study's own attributes; a role of an older installation may not read them."""
    try:
        return storage.get_study_user_attrs(study), ()
    except (StorageInternalError, SQLAlchemyError):
        return {}, (UNREAD,)


def study_of(rows: Rows, name: str, taken: datetime, manifest: Manifest) -> Study:
    """The facts of a study's rows.

    Args:
        rows: As read.
        name: The study's in the storage; shown when the manifest has none.
        taken: When they were read.
        manifest: What is known of the manifest.
    """
    attributes = rows.attributes
    started = attributes.get(STARTED)
    return Study(
        name=manifest.name or name,
        objectives=_objectives(rows.directions, manifest),
        taken=taken,
        trials=tuple(map(_trial, rows.trials)),
        parameters=_parameters(rows.trials),
        prepare_attempts=parse_attempts(attributes.get(PREPARE_ATTEMPTS)),
        final=_final(attributes),
        started=_time(started),
        settings=manifest.settings,
        notes=rows.notes,
    )


def parse_attempts(value: object) -> tuple[Attempt, ...]:
    """Attempts as the operator writes them; what is none is left out."""
    return tuple(map(_attempt, filter(_is_object, value))) if isinstance(value, list) else ()


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _attempt(document: Mapping[str, Any]) -> Attempt:
    started, ended = _time(document.get("started_at")), _time(document.get("ended_at"))
    exit_code = document.get("exit_code")
    return Attempt(
        number=int(_number(document.get("number"))),
        cause=_text(document.get("cause")) or "Unknown",
        outcome=_text(document.get("outcome")),
        message=_text(document.get("message")),
        exit_code=exit_code if isinstance(exit_code, int) else None,
        seconds=max((ended - started).total_seconds(), 0.0) if started and ended else 0.0,
        gpu_seconds=_number(document.get("gpu_seconds")),
        ended=ended,
    )


def _trial(row: FrozenTrial) -> Trial:
    steps = [step for step, value in row.intermediate_values.items() if math.isfinite(value)]
    return Trial(
        number=row.number,
        state=_STATES[row.state],
        parameters=dict(row.params),
        values=tuple(row.values or ()) if row.state is TrialState.COMPLETE else (),
        last=(max(steps), row.intermediate_values[max(steps)]) if steps else None,
        attempts=parse_attempts(row.user_attrs.get(ATTEMPTS)),
        metrics=_metrics(row.user_attrs.get(METRICS)),
        checkpoint=_text(row.user_attrs.get(CHECKPOINT)),
        message=_text(row.user_attrs.get(MESSAGE)),
    )


def _objectives(directions: Iterable[StudyDirection], manifest: Manifest) -> tuple[Objective, ...]:
    """Directions as stored; names only the manifest knows."""
    found = [direction is not StudyDirection.MAXIMIZE for direction in directions]
    names: tuple[str, ...] = manifest.metrics
    if len(names) != len(found):
        names = ("objective",) if len(found) == 1 else tuple(f"objective {i + 1}" for i in range(len(found)))
    return tuple(Objective(name, minimize) for name, minimize in zip(names, found, strict=True))


def _parameters(rows: Iterable[FrozenTrial]) -> tuple[Parameter, ...]:
    """All that any trial has, in the order in which they appear."""
    found: dict[str, Parameter] = {}
    for row in rows:
        for name, distribution in row.distributions.items():
            if isinstance(distribution, CategoricalDistribution):
                found.setdefault(name, Parameter(name, choices=tuple(distribution.choices)))
            elif isinstance(distribution, FloatDistribution | IntDistribution):
                found.setdefault(name, Parameter(name, log=distribution.log))
    return tuple(found.values())


def _final(attributes: Mapping[str, Any]) -> FinalTraining | None:
    trial = attributes.get(FINAL_TRIAL)
    if not isinstance(trial, int):
        return None
    try:
        result = json.loads(_text(attributes.get(FINAL_RESULT)) or "{}")
    except ValueError:
        result = {}
    values = result.get("values") if isinstance(result, dict) else None
    return FinalTraining(
        trial=trial,
        attempts=parse_attempts(attributes.get(FINAL_ATTEMPTS)),
        values=tuple(float(v) for v in values if _is_number(v)) if isinstance(values, list) else (),
        metrics=_metrics(result.get("metrics") if isinstance(result, dict) else None),
    )


def _metrics(value: object) -> dict[str, float]:
    if not isinstance(value, dict):
        return {}
    return {str(name): float(number) for name, number in value.items() if _is_number(number)}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else 0.0


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _time(value: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(_text(value))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
