"""The training loop on one screen: step, read, evaluate, checkpoint, until something says that it is over.

Who calls it: `train`, which builds the parts and writes the result. What it leaves: an `Outcome`, or `Interrupted` with a
checkpoint on disk. It waits for the device only where numbers are due, and never for a database. Several workers walk through it
side by side: what decides which way to go is agreed, and the leader alone evaluates and saves.
"""

import contextlib
import time
from dataclasses import dataclass
from typing import Final, NoReturn

from tacotrain.checkpoint import Best
from tacotrain.contract import State
from tacotrain.early_stopping import Verdict
from tacotrain.errors import Interrupted
from tacotrain.evaluate import Evaluation, evaluate
from tacotrain.files import finite_only
from tacotrain.metrics.score import value_of
from tacotrain.parts import Part
from tacotrain.recovery import Remedy
from tacotrain.run import Run, roll_back, save
from tacotrain.samples import Samples, write_samples
from tacotrain.state import LastEvaluation
from tacotrain.step import Tally, Work, read

LOG_STEPS: Final = 10
"""Optimizer steps between two log lines …"""
LOG_SECONDS: Final = 5.0
"""… or seconds, whichever comes first: a slow training must not look like a stalled one."""
EVALUATION_SEED: Final = 0
"""Of the masks that all trials of a study are judged under."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How training ended."""

    state: State
    message: str


def fit(run: Run) -> Outcome:
    """Train until the budget is spent or something ends it sooner.

    Raises:
        Interrupted: A signal or the deadline; the checkpoint is on disk.
        WriteError: The disk is full; the earlier checkpoints are whole.
        WorkerLost: Another worker is gone; the checkpoints are whole.
    """
    run.lap()
    while run.state.step < run.budget.total_steps:
        interrupted, unwanted = run.interruption.reason, _prune_reason(run)
        leave, prune = run.workers.agree(interrupted is not None, unwanted is not None)
        if leave:
            _leave(run, interrupted or "another worker was asked to stop")
        if prune:
            save(run)
            return Outcome("pruned", unwanted or "the leader was told to stop")
        rate = _train_step(run)
        remedy = _look(run, rate)
        if remedy is Remedy.ROLL_BACK:
            continue
        if remedy is Remedy.GIVE_UP:
            return Outcome("diverged", "the loss was not finite again after going back with half the rate")
        if _evaluation_is_due(run) and (over := _evaluated(run)) is not None:
            save(run)
            return Outcome("early_stopped", over)
        if _checkpoint_is_due(run):
            save(run)
    return Outcome("complete", f"trained {run.state.step} of {run.budget.total_steps} steps")


def _leave(run: Run, reason: str) -> NoReturn:
    save(run)
    # A worker that ended before the checkpoint is there would have the others ended with it.
    run.workers.share(b"")
    run.telemetry.interrupted(run.state)
    raise Interrupted(
        f"{reason}: stopped at step {run.state.step} of {run.budget.total_steps} with a checkpoint; "
        "start the same again to go on"
    )


def _prune_reason(run: Run) -> str | None:
    reporter = run.telemetry.reporter
    return None if reporter is None else reporter.stop_reason


def _train_step(run: Run) -> float:
    """Make one optimizer step; its learning rate."""
    state = run.state
    rate = run.schedule.rate(state.step) * state.recovery.rate_scale
    # Lists, not a generator: if a batch cannot be made, no gradient of the others is left behind.
    work = [_next_work(run) for _ in range(run.config.accumulation_steps)]
    run.tally = run.stepper(work, state.masks, run.tally, step=state.step, rate=rate)
    state.step += 1
    state.frames += sum(part.frames for part, _ in work)
    return rate


def _next_work(run: Run) -> Work:
    """This worker's part of the next batch; all walk through the same batches."""
    ratio, workers = run.config.reduction_factor, run.workers
    part = Part.of(
        next(run.state.sampler), run.dataset.mel_lengths, ratio, rank=workers.rank, size=workers.size
    )
    return part, run.dataset.batch(part.utterances, ratio) if part.utterances else None


def _look(run: Run, rate: float) -> Remedy:
    """Read the numbers when they are due, act on bad steps, write the log line."""
    log_is_due = _log_is_due(run)
    # Reading makes the host wait for a GPU; a CPU has nothing to wait for.
    if not log_is_due and run.device.type != "cpu":
        return Remedy.NONE
    numbers = read(run.tally)
    run.state.recovery, remedy = run.state.recovery.observe(numbers.bad_in_a_row)
    if remedy is Remedy.ROLL_BACK:
        roll_back(run, run.state.recovery)
    elif log_is_due:
        memory = run.monitor.check()
        run.telemetry.trained(
            run.state, numbers, rate=rate, seconds=run.lap(), memory=memory, alarm=run.monitor.alarm
        )
        run.tally = Tally.empty(run.device, numbers.bad_in_a_row)
    return remedy


def _log_is_due(run: Run) -> bool:
    if run.state.step % LOG_STEPS == 0 or _evaluation_is_due(run) or _checkpoint_is_due(run):
        return True
    # Workers' clocks differ, and what is read and acted upon must not.
    return all(run.workers.agree(time.monotonic() - run.lap_began >= LOG_SECONDS))


def _evaluation_is_due(run: Run) -> bool:
    step = run.state.step
    return step % run.config.evaluate_every_steps == 0 or step == run.budget.total_steps


def _checkpoint_is_due(run: Run) -> bool:
    step = run.state.step
    return step % run.trial.checkpoints.every_steps == 0 or step == run.budget.total_steps


def _evaluated(run: Run) -> str | None:
    """Let the leader evaluate, while the others wait; why training is over, if it is."""
    verdict = evaluate_now(run) if run.workers.leads else None
    (over,) = run.workers.agree(verdict is not None)
    if not over:
        return None
    since = run.state.patience.improved_at
    return (
        f"{'stopped by the leader' if verdict is None else verdict.value}: no improvement since step {since}"
    )


def evaluate_now(run: Run) -> Verdict | None:
    """Evaluate, leave samples, keep the weights if they are the best so far; a verdict says that training is over."""
    state = run.state
    run.telemetry.publish(state, "evaluating")
    with contextlib.nullcontext() if state.average is None else state.average.applied():
        evaluation = evaluate(
            state.model,
            run.dataset,
            run.config,
            device=run.device,
            seed=EVALUATION_SEED,
            weights=run.trial.weights,
        )
    samples = _write_samples(run, evaluation)
    value = value_of(evaluation.metrics, run.trial.objectives[0].metric)
    alignment = finite_only(evaluation.metrics).get("alignment")
    state.last = LastEvaluation(value=value, alignment=alignment, gate_threshold=evaluation.gate_threshold)
    verdict = _judge(run, value, alignment)
    run.telemetry.evaluated(state, evaluation.metrics, samples, seconds=run.lap())
    if _is_best(run, value):
        state.best = Best(step=state.step, value=value, metrics=finite_only(evaluation.metrics))
        save(run)
    return verdict


def _write_samples(run: Run, evaluation: Evaluation) -> Samples:
    step = f"step-{run.state.step:08d}"
    return write_samples(
        evaluation,
        run.dataset,
        run.config,
        sounds=run.directory / "samples" / step,
        alignments=run.directory / "alignments" / step,
        title=f"trial {run.trial.trial}, step {run.state.step}",
    )


def _is_best(run: Run, value: float) -> bool:
    best = run.state.best
    if best is None:
        return True
    return value < best.value if run.rules.direction == "Minimize" else value > best.value


def _judge(run: Run, value: float, alignment: float | None) -> Verdict | None:
    """Ask early stopping, where the trial has it; at the end there is nothing left to stop."""
    state = run.state
    if run.trial.early_stopping is None:
        return None
    state.patience, verdict = state.patience.observe(
        run.rules, step=state.step, value=value, alignment=alignment
    )
    return None if state.step == run.budget.total_steps else verdict
