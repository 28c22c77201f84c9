"""Those who attend a training from start to end, whichever way it ends: the reporter and the loggers.

Of several workers only the leader has them.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from tacotrain.contract import Trial
from tacotrain.loggers import RunLogger, build_loggers
from tacotrain.report import Reporter, reporter_for
from tacotrain.run import Run


@contextmanager
def reporting(trial: Trial, *, leads: bool) -> Iterator[Reporter | None]:
    """Report into Optuna's storage, where the trial asks for it; what waits at the end is delivered."""
    report = trial.report
    if not leads or report.storage_url_env is None or report.storage_trial_id is None:
        yield None
        return
    reporter = reporter_for(
        report.storage_url_env, report.storage_trial_id, every_seconds=report.every_seconds
    )
    try:
        yield reporter
    finally:
        reporter.close()


class Ending:
    """How the run ended, for the loggers."""

    def __init__(self) -> None:
        self.state = "failed"


@contextmanager
def logging_to(run: Run) -> Iterator[Ending]:
    """Log to TensorBoard and MLflow, where the trial asks for it."""
    resumed = run.state.step or None
    loggers: tuple[RunLogger, ...] = ()
    if run.workers.leads:
        loggers = tuple(build_loggers(run.trial, run.config.as_dict(), resume_step=resumed))
    run.telemetry.loggers = loggers
    end = Ending()
    try:
        yield end
    finally:
        if run.interruption.reason is not None and end.state == "failed":
            end.state = "interrupted"
        for logger in loggers:
            logger.close(end.state)
