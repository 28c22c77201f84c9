"""TensorBoard, MLflow and Prometheus behind one small protocol. All are optional: without them training is the same."""

import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from tacotrain.contract import MLflow, Trial
from tacotrain.exposition import exposition

CLOSE_SECONDS: Final = 10.0
"""Longest wait for a server at the end."""
_QUEUE: Final = 200

log = logging.getLogger(__name__)


class RunLogger(Protocol):
    """Where the course of a training can be looked at."""

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Log numbers."""

    def picture(self, step: int, name: str, path: Path) -> None:
        """Log a PNG."""

    def sound(self, step: int, name: str, path: Path) -> None:
        """Log a WAV."""

    def close(self, state: str) -> None:
        """Finish with the state of the result, or `interrupted` or `failed`."""


class TensorBoard:
    """Event files in a directory."""

    def __init__(self, directory: Path, *, resume_step: int | None) -> None:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - optional, and half a second to load

        # Points of an earlier attempt behind the checkpoint are made again: hide the old ones.
        self._writer: Any = SummaryWriter(str(directory), purge_step=resume_step, flush_secs=30)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Log numbers."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def picture(self, step: int, name: str, path: Path) -> None:
        """Log a PNG."""
        import numpy as np  # noqa: PLC0415
        from PIL import Image  # noqa: PLC0415

        with Image.open(path) as image:
            self._writer.add_image(name, np.asarray(image.convert("RGB")), step, dataformats="HWC")

    def sound(self, step: int, name: str, path: Path) -> None:
        """Log a WAV."""
        from tacotrain.audio.wav import read_wav  # noqa: PLC0415

        samples, rate = read_wav(path)
        self._writer.add_audio(name, samples[None], step, sample_rate=rate)
        # Sounds come with evaluations: a good moment to let readers see all of it.
        self._writer.flush()

    def close(self, state: str) -> None:  # noqa: ARG002 - event files have no end state
        """Finish."""
        self._writer.close()


class MLflowRun:
    """A run on an MLflow server; every call is a request and may take long."""

    def __init__(self, settings: MLflow, trial: Trial, parameters: Mapping[str, object]) -> None:
        import mlflow  # noqa: PLC0415 - optional

        self._metric: Any = mlflow.entities.Metric
        self._client: Any = mlflow.MlflowClient(tracking_uri=settings.tracking_uri)
        experiment = self._client.get_experiment_by_name(settings.experiment)
        experiment_id = (
            experiment.experiment_id if experiment else self._client.create_experiment(settings.experiment)
        )
        name = f"{trial.study.name}-{trial.trial}-{trial.attempt}"
        tags = {
            "mlflow.runName": name,
            "tacotune.trial": str(trial.trial),
            "tacotune.attempt": str(trial.attempt),
        }
        if settings.parent_run:
            tags["mlflow.parentRunId"] = settings.parent_run
        self._run_id = self._client.create_run(experiment_id, run_name=name, tags=tags).info.run_id
        entries = [mlflow.entities.Param(key, str(value)) for key, value in parameters.items()]
        self._client.log_batch(self._run_id, params=entries)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Log numbers."""
        now = int(time.time() * 1000)
        metrics = [self._metric(name, value, now, step) for name, value in values.items()]
        # One request, however many numbers.
        self._client.log_batch(self._run_id, metrics=metrics)

    def picture(self, step: int, name: str, path: Path) -> None:
        """Log a PNG."""
        self._client.log_artifact(self._run_id, str(path), f"{name}/{step}")

    def sound(self, step: int, name: str, path: Path) -> None:
        """Log a WAV."""
        self._client.log_artifact(self._run_id, str(path), f"{name}/{step}")

    def close(self, state: str) -> None:
        """Finish."""
        status = {"failed": "FAILED", "diverged": "FAILED", "interrupted": "KILLED", "pruned": "KILLED"}
        self._client.set_terminated(self._run_id, status.get(state, "FINISHED"))


class InBackground:
    """Runs a logger in a thread of its own: a slow or dead server costs log entries, never training time.

    Args:
        connect: Makes the logger, in the thread.
        name: For messages.
    """

    def __init__(self, connect: Callable[[], RunLogger], *, name: str) -> None:
        self._connect = connect
        self._name = name
        self._queue: queue.Queue[Callable[[RunLogger], None] | None] = queue.Queue(_QUEUE)
        self._lost = 0
        self._thread = threading.Thread(target=self._run, name=f"tacotrain-{name}", daemon=True)
        self._thread.start()

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Log numbers."""
        kept = dict(values)
        self._put(lambda logger: logger.scalars(step, kept))

    def picture(self, step: int, name: str, path: Path) -> None:
        """Log a PNG."""
        self._put(lambda logger: logger.picture(step, name, path))

    def sound(self, step: int, name: str, path: Path) -> None:
        """Log a WAV."""
        self._put(lambda logger: logger.sound(step, name, path))

    def close(self, state: str) -> None:
        """Finish, within a time."""
        self._put(lambda logger: logger.close(state))
        self._put(None)
        self._thread.join(CLOSE_SECONDS)
        if self._lost:
            log.warning("%s: %d entries were not logged", self._name, self._lost)

    def _put(self, entry: Callable[[RunLogger], None] | None) -> None:
        try:
            self._queue.put_nowait(entry)
        except queue.Full:
            self._lost += 1

    def _run(self) -> None:
        logger: RunLogger | None = None
        while (entry := self._queue.get()) is not None:
            try:
                logger = logger or self._connect()
                entry(logger)
            except Exception as error:  # noqa: BLE001 - whatever the server does, training goes on
                if not self._lost:
                    log.warning(
                        "%s does not answer as it should (%s); training goes on",
                        self._name,
                        type(error).__name__,
                    )
                self._lost += 1


def build_loggers(
    trial: Trial, parameters: Mapping[str, object], *, resume_step: int | None
) -> Sequence[RunLogger]:
    """The loggers that a trial asks for, as far as their libraries are installed, and one for Prometheus where a port is named."""
    loggers: list[RunLogger] = []
    if (exposed := exposition(os.environ)) is not None:
        loggers.append(exposed)
    if trial.report.tensorboard:
        try:
            loggers.append(TensorBoard(trial.directory / "tensorboard", resume_step=resume_step))
        except ImportError:
            log.warning(
                "report.tensorboard: tensorboard is not installed; add it with: pip install tacotrain[tensorboard]"
            )
    if (settings := trial.report.mlflow) is not None:
        try:
            import mlflow  # noqa: F401, PLC0415 - asked here, so that its absence is told at once
        except ImportError:
            log.warning("report.mlflow: mlflow is not installed; add it with: pip install tacotrain[mlflow]")
        else:
            loggers.append(InBackground(lambda: MLflowRun(settings, trial, parameters), name="mlflow"))
    return loggers
