"""The parts of one attempt, and the small things the loop does with them: count time, save, go back, bring workers together."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from tacotrain.budget import Budget
from tacotrain.checkpoint import CheckpointStore
from tacotrain.checkpoint_files import Saved
from tacotrain.config import TrainConfig
from tacotrain.contract import Trial
from tacotrain.data.shard import PreparedDataset
from tacotrain.early_stopping import Rules
from tacotrain.interruption import Interruption
from tacotrain.monitor import Monitor
from tacotrain.recovery import Recovery
from tacotrain.schedule import Schedule
from tacotrain.state import TrainState
from tacotrain.step import Stepper, Tally
from tacotrain.telemetry import Telemetry
from tacotrain.workers import Sent, Workers


@dataclass(slots=True)
class Run:
    """All that training needs. Only the last four fields change."""

    trial: Trial
    config: TrainConfig
    dataset: PreparedDataset
    device: torch.device
    budget: Budget
    schedule: Schedule
    rules: Rules
    store: CheckpointStore
    metadata: dict[str, Any]
    """Common to all checkpoints."""
    telemetry: Telemetry
    monitor: Monitor
    interruption: Interruption
    workers: Workers
    begin: Callable[[], tuple[TrainState, Stepper]]
    """Makes the state before the first step; always the same one."""
    state: TrainState
    stepper: Stepper
    tally: Tally
    saved_at: int | None = None
    """Step of the checkpoint that was written or read last."""
    lap_began: float = field(default_factory=time.monotonic)

    def lap(self) -> float:
        """Seconds since the last call; they are added to the training's time."""
        now = time.monotonic()
        seconds, self.lap_began = now - self.lap_began, now
        self.state.seconds += seconds
        return seconds

    @property
    def directory(self) -> Path:
        """The trial directory."""
        return self.trial.directory


def save(run: Run) -> None:
    """Write a checkpoint of the current step, unless there is one; of several workers the leader does.

    Raises:
        WriteError: The disk is full.
    """
    state = run.state
    if not run.workers.leads or run.saved_at == state.step:
        return
    if not state.weights_finite():
        run.telemetry.warn(
            state, "weights_not_finite", "no checkpoint was written: the weights are not finite"
        )
        return
    run.lap()
    run.telemetry.publish(state, "saving")
    metadata = run.metadata | {
        "epoch": run.budget.epoch(state.step),
        "gateThreshold": state.last.gate_threshold,
        # One that was taken between bad steps serves to resume, not to go back to.
        "good": state.recovery.bad_in_a_row == 0,
    }
    path = run.store.save(state.step, state.files(), metadata)
    run.saved_at = state.step
    if state.best is not None and state.best.step == state.step:
        run.store.write_best(state.best)
    run.telemetry.saved(state, path, seconds=run.lap())


def adopt(run: Run, saved: Saved) -> None:
    """Become what a checkpoint holds, and make the files in the trial directory agree with it."""
    run.state.restore(saved, run.device)
    run.saved_at = run.state.step
    best = run.state.best
    if best is not None and run.store.read(best.step) is None:
        # A later evaluation was better, this one's checkpoint was removed, and then the later checkpoint was lost:
        # training makes that evaluation again.
        run.state.best = None
    run.store.write_best(run.state.best)
    run.telemetry.metrics.rewind(run.state.step)
    run.tally = Tally.empty(run.device, run.state.recovery.bad_in_a_row)


def unite(run: Run) -> None:
    """Make every worker's state the leader's; alone there is nothing to do.

    Over the network, not over the volume: another machine may see what was just written there only later.
    """
    if run.workers.size == 1:
        return
    content = run.workers.share(Sent.pack(run.state.files()) if run.workers.leads else b"")
    if not run.workers.leads:
        run.state.restore(Sent.unpack(content), run.device)
        run.tally = Tally.empty(run.device, run.state.recovery.bad_in_a_row)


def roll_back(run: Run, recovery: Recovery) -> None:
    """Go back to the last good checkpoint, or to the start where there is none."""
    if run.workers.leads:
        _go_back(run, recovery)
    unite(run)


def _go_back(run: Run, recovery: Recovery) -> None:
    left_at, seconds = run.state.step, run.state.seconds
    saved = run.store.newest_good()
    if saved is None:
        run.state, run.stepper = run.begin()
        run.tally = Tally.empty(run.device)
        run.store.write_best(None)
        run.telemetry.metrics.rewind(0)
    else:
        adopt(run, saved)
    run.store.discard_after(run.state.step)
    run.state.seconds = seconds
    run.state.recovery = recovery
    run.telemetry.rolled_back(run.state, left_at=left_at)
    # Saved at once: a kill must not give the training a second chance to go back.
    run.saved_at = None
    save(run)
