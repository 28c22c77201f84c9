"""The end of a training as `result.json` tells it."""

from pathlib import Path

from tacotrain import memory
from tacotrain.contract import Result
from tacotrain.loop import Outcome
from tacotrain.metrics.score import value_of
from tacotrain.run import Run


def result_of(run: Run, outcome: Outcome) -> Result:
    """Describe a run that has ended, with the best of its evaluations."""
    state, best = run.state, run.state.best
    metrics = {} if best is None else dict(best.metrics)
    step = None if best is None else f"step-{best.step:08d}"
    return Result(
        study=run.trial.study.name,
        trial=run.trial.trial,
        attempt=run.trial.attempt,
        spec_hash=run.trial.spec_hash,
        state=outcome.state,
        message=outcome.message,
        values=tuple(
            None if best is None else value_of(metrics, goal.metric) for goal in run.trial.objectives
        ),
        metrics=metrics,
        best_step=None if best is None else best.step,
        steps=state.step,
        epochs=round(run.budget.epoch(state.step), 3),
        seconds=round(state.seconds, 3),
        frames=state.frames,
        checkpoint=None if best is None else best.checkpoint,
        samples=_files(run.directory, "samples", step, "*.wav"),
        alignments=_files(run.directory, "alignments", step, "*.png"),
        gate_threshold=_gate_threshold(run),
        peak_memory_bytes=memory.peak_bytes(),
    )


def _gate_threshold(run: Run) -> float | None:
    """The one that was chosen for the best weights; it lies in their checkpoint."""
    best = run.state.best
    if best is None:
        return None
    saved = run.store.read(best.step)
    return None if saved is None else float(saved.metadata["gateThreshold"])


def _files(directory: Path, kind: str, step: str | None, pattern: str) -> tuple[str, ...]:
    if step is None:
        return ()
    return tuple(
        sorted(path.relative_to(directory).as_posix() for path in (directory / kind / step).glob(pattern))
    )
