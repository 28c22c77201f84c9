"""A trial of the store as one row for people and scripts; `report` and `kubectl tacotune` show the same."""

from tacotune.engine.observed import ObservedTrial
from tacotune.local.rundir import TrialRow


def trial_row(trial: ObservedTrial) -> TrialRow:
    """The row of a trial, without what lies in its folder."""
    last = trial.last_report
    elapsed = (
        (trial.ended_at - trial.started_at).total_seconds() if trial.started_at and trial.ended_at else 0.0
    )
    return TrialRow(
        number=trial.number,
        state=trial.state.value,
        value=trial.values[0] if trial.values else (last[1] if last else None),
        values=tuple(trial.values),
        parameters=dict(trial.parameters),
        metrics=dict(trial.metrics),
        attempts=len(trial.attempts),
        steps=last[0] if last else 0,
        seconds=elapsed,
        checkpoint=f"trials/{trial.number:04d}/{trial.checkpoint}" if trial.checkpoint else "",
        message=trial.attempts[-1].message if trial.attempts else "",
        started_at=trial.started_at,
        ended_at=trial.ended_at,
    )
