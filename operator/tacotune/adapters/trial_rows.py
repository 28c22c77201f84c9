"""Rows of trials, each deed in one transaction. Called by `optuna_store`.

Optuna's API takes a transaction for every attribute and several reads for every write. A slot of a study stands empty for that
long, so what happens between two trials is written here, in Optuna's own tables: all of it or nothing.
"""

import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from optuna.storages._rdb import models
from optuna.trial import TrialState
from sqlalchemy import Connection, Table, select, update
from sqlalchemy.dialects.postgresql import insert

_TRIALS: Final[Table] = models.TrialModel.__table__
_VALUES: Final[Table] = models.TrialValueModel.__table__
_ATTRIBUTES: Final[Table] = models.TrialUserAttributeModel.__table__
_REPORTS: Final[Table] = models.TrialIntermediateValueModel.__table__
_FINITE_VALUE: Final = models.TrialValueModel.TrialValueType.FINITE
_FINITE_REPORT: Final = models.TrialIntermediateValueModel.TrialIntermediateValueType.FINITE


def state_of(connection: Connection, study_id: int, number: int) -> TrialState | None:
    """What a trial is at this moment; None when there is none of that number."""
    wanted = (_TRIALS.c.study_id == study_id) & (_TRIALS.c.number == number)
    state: TrialState | None = connection.execute(select(_TRIALS.c.state).where(wanted)).scalar()
    return state


def read_attribute(connection: Connection, trial_id: int, key: str) -> Any:
    """A user attribute; None when it was never written."""
    wanted = (_ATTRIBUTES.c.trial_id == trial_id) & (_ATTRIBUTES.c.key == key)
    text = connection.execute(select(_ATTRIBUTES.c.value_json).where(wanted)).scalar()
    return None if text is None else json.loads(text)


def write_attributes(connection: Connection, trial_id: int, attributes: Mapping[str, object]) -> bool:
    """Write user attributes.

    Returns:
        False when the trial has finished: it keeps what it has.

    Raises:
        KeyError: There is no such trial.
    """
    if _lock(connection, trial_id).is_finished():
        return False
    _upsert(connection, trial_id, attributes)
    return True


def finish(
    connection: Connection,
    trial_id: int,
    state: TrialState,
    values: Sequence[float],
    attributes: Mapping[str, object],
    *,
    ended: datetime,
    objectives: int = 1,
) -> bool:
    """End a trial as `optuna.Study.tell` does, with its attributes.

    Args:
        connection: In a transaction.
        trial_id: Optuna's.
        state: COMPLETE, PRUNED or FAIL.
        values: Finite, one for an objective, of a complete trial; others get none. A pruned one of a study with one
            objective gets its last report.
        attributes: User attributes to write with it.
        ended: When, with its zone.
        objectives: Of the study.

    Returns:
        False when it had finished already: it is left as it is.

    Raises:
        KeyError: There is no such trial.
    """
    if _lock(connection, trial_id).is_finished():
        return False
    _upsert(connection, trial_id, attributes)
    if state is TrialState.PRUNED and objectives == 1:
        last = _last_report(connection, trial_id)
        values = [] if last is None else [last]
    if values:
        rows = [
            {"trial_id": trial_id, "objective": objective, "value": value, "value_type": _FINITE_VALUE}
            for objective, value in enumerate(values)
        ]
        connection.execute(insert(_VALUES), rows)
    # Optuna keeps local times without a zone.
    changes = {"state": state, "datetime_complete": ended.astimezone().replace(tzinfo=None)}
    connection.execute(update(_TRIALS).where(_TRIALS.c.trial_id == trial_id).values(changes))
    return True


def _lock(connection: Connection, trial_id: int) -> TrialState:
    query = select(_TRIALS.c.state).where(_TRIALS.c.trial_id == trial_id).with_for_update()
    state: TrialState | None = connection.execute(query).scalar()
    if state is None:
        raise KeyError(trial_id)
    return state


def _upsert(connection: Connection, trial_id: int, attributes: Mapping[str, object]) -> None:
    rows = [
        {"trial_id": trial_id, "key": key, "value_json": json.dumps(value)}
        for key, value in attributes.items()
    ]
    if rows:
        statement = insert(_ATTRIBUTES).values(rows)
        changed = {"value_json": statement.excluded.value_json}
        connection.execute(statement.on_conflict_do_update(index_elements=["trial_id", "key"], set_=changed))


def _last_report(connection: Connection, trial_id: int) -> float | None:
    columns = (_REPORTS.c.intermediate_value, _REPORTS.c.intermediate_value_type)
    query = select(*columns).where(_REPORTS.c.trial_id == trial_id).order_by(_REPORTS.c.step.desc()).limit(1)
    found = connection.execute(query).first()
    if found is None or found[1] is not _FINITE_REPORT or not math.isfinite(found[0]):
        return None
    return float(found[0])
