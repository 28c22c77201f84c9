"""Tells everyone where the training is: the log, `progress.json`, `events.jsonl`, `metrics.jsonl`, the loggers, the reporter."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tacotrain.budget import Budget
from tacotrain.contract import Trial
from tacotrain.early_stopping import Rules
from tacotrain.events import Events, MetricsFile, ProgressFile
from tacotrain.files import finite_only
from tacotrain.loggers import RunLogger
from tacotrain.memory import resident_bytes
from tacotrain.monitor import Pressure
from tacotrain.report import Reporter
from tacotrain.samples import Samples
from tacotrain.state import TrainState
from tacotrain.step import Numbers

PHASES = ("alignment", "learning", "fine-tuning")
"""Names of the three usual phases, for people."""

log = logging.getLogger("tacotrain")


@dataclass(slots=True)
class Telemetry:
    """All the listeners of one attempt."""

    trial: Trial
    budget: Budget
    rules: Rules
    events: Events
    metrics: MetricsFile
    progress: ProgressFile
    loggers: Sequence[RunLogger]
    reporter: Reporter | None
    loss: float | None = None
    frames_per_second: float | None = None
    alarm: str = ""

    def trained(
        self,
        state: TrainState,
        numbers: Numbers,
        *,
        rate: float,
        seconds: float,
        memory: Mapping[str, float],
        alarm: str = "",
    ) -> None:
        """Some steps were made; `seconds` is what they took, `alarm` the memory that is nearly full."""
        self.alarm = alarm
        self.loss = numbers.losses["loss"]
        self.frames_per_second = numbers.frames / seconds if seconds > 0 else None
        self.publish(state, "training")
        log.info(
            "step %*d/%d  epoch %.1f  loss %.4f  gradient %.2f  rate %.2e  %.1fk frames/s  %d MB",
            len(str(self.budget.total_steps)),
            state.step,
            self.budget.total_steps,
            self.budget.epoch(state.step),
            self.loss,
            numbers.gradient_norm,
            rate,
            (self.frames_per_second or 0.0) / 1000,
            resident_bytes() // 10**6,
        )
        values = {f"loss/{name}": value for name, value in numbers.losses.items()}
        values |= {"training/gradient_norm": numbers.gradient_norm, "training/learning_rate": rate}
        values |= {f"resources/{name}": share for name, share in memory.items()}
        values["training/frames_per_second"] = self.frames_per_second or 0.0
        for logger in self.loggers:
            logger.scalars(state.step, finite_only(values))
        if numbers.bad_steps:
            self.warn(
                state,
                "not_finite",
                f"{numbers.bad_steps} of the last {numbers.steps} steps had a loss or gradient that is not finite; skipped",
            )

    def evaluated(
        self, state: TrainState, metrics: Mapping[str, float], samples: Samples, *, seconds: float
    ) -> None:
        """An evaluation was made."""
        value = state.last.value
        epoch = self.budget.epoch(state.step)
        self.metrics.append(step=state.step, epoch=epoch, seconds=state.seconds, metrics=metrics)
        self.events.record("evaluation", step=state.step, value=value, seconds=round(seconds, 3))
        if self.reporter is not None and value is not None:
            self.reporter.value(state.step, value)
        self.publish(state, "training")
        shown = ("tts_score", "val_loss", "alignment", "swap_ratio", "stop_f1", "failure_rate", "mcd_dtw")
        line = "  ".join(f"{name} {metrics[name]:.3f}" for name in shown if name in metrics)
        log.info("evaluation at step %d: %s  (%.1f s)", state.step, line, seconds)
        for logger in self.loggers:
            logger.scalars(
                state.step, {f"evaluation/{name}": number for name, number in finite_only(metrics).items()}
            )
            for number, path in enumerate(samples.alignments):
                logger.picture(state.step, f"alignment/{number}", path)
            for number, path in enumerate(samples.sounds):
                logger.sound(state.step, f"sample/{number}", path)

    def publish(self, state: TrainState, name: str) -> None:
        """Say where the training is."""
        stamped = self.progress.update(self._progress(state, name))
        if self.reporter is not None:
            self.reporter.progress(stamped)

    def saved(self, state: TrainState, path: Path, *, seconds: float) -> None:
        """A checkpoint was written."""
        self.events.record(
            "checkpoint", step=state.step, path=f"checkpoints/{path.name}", seconds=round(seconds, 3)
        )

    def finished(self, state: TrainState, end: str, message: str) -> None:
        """The result is written."""
        self.events.record("finished", step=state.step, state=end, message=message)
        self.publish(state, "finished")

    def interrupted(self, state: TrainState) -> None:
        """The attempt leaves with a checkpoint; the next one goes on from this step."""
        self.publish(state, "interrupted")

    def warn(self, state: TrainState, kind: str, message: str) -> None:
        """Something is not as it should be; training goes on."""
        log.warning("step %d: %s", state.step, message)
        self.events.record("warning", step=state.step, kind=kind, message=message)

    def memory_short(self, state: TrainState, pressure: Pressure) -> None:
        """Memory is nearly full."""
        self.events.record("warning", step=state.step, kind=pressure.usage.kind, message=pressure.message)

    def rolled_back(self, state: TrainState, *, left_at: int) -> None:
        """Too many bad steps in a row: training went back to an earlier step."""
        scale = state.recovery.rate_scale
        log.warning(
            "step %d: not finite too often; back to step %d with %g of the rate", left_at, state.step, scale
        )
        self.events.record("roll_back", step=state.step, leftAt=left_at, rateScale=scale)

    def _progress(self, state: TrainState, name: str) -> dict[str, Any]:
        return {
            "step": state.step,
            "totalSteps": self.budget.total_steps,
            "epoch": round(self.budget.epoch(state.step), 3),
            "loss": self.loss,
            "framesPerSecond": None if self.frames_per_second is None else round(self.frames_per_second, 1),
            "alignment": state.last.alignment,
            "value": state.last.value,
            "phase": self._phase(state.step),
            "memoryBytes": resident_bytes(),
            "alarm": self.alarm,
            "attempt": self.trial.attempt,
            "state": name,
        }

    def _phase(self, step: int) -> str:
        index = self.rules.phases.index(self.rules.phase(step))
        return PHASES[index] if len(self.rules.phases) == len(PHASES) else f"phase {index + 1}"
