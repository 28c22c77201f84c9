"""Copies a study into MLflow, a little at a time: what is new since the last look. Called by `mlflow` every few seconds.

Everything copied has a place of its own (a run by its tags, a number by name, step and time, a file by its path), so a mirror that
begins anew, after a crash or on an empty database, writes the same again and doubles nothing.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from tacotrain.dashboards.mirror_source import OBJECTIVE, Point, Source, TrialFacts, TrialFiles

MAX_TAG: Final = 5000
"""Characters that MLflow takes."""
LOOKS_AFTER_END: Final = 12
"""At a trial that has ended and whose folder shows no result yet: a volume may show another node's files late."""
STATUS: Final[Mapping[str, str]] = {
    "RUNNING": "RUNNING",
    "COMPLETE": "FINISHED",
    "PRUNED": "KILLED",
    "FAIL": "FAILED",
}
"""MLflow's word for a trial's state: KILLED is a run that was ended before its time."""


class TrialRuns(Protocol):
    """The runs of one study in MLflow."""

    def trial(self, facts: TrialFacts) -> str:
        """The id of a trial's run, made if there is none."""

    def write(
        self, run: str, *, parameters: Mapping[str, object], tags: Mapping[str, str], points: Iterable[Point]
    ) -> None:
        """Log; what is there already stays."""

    def keep(self, run: str, files: TrialFiles) -> None:
        """Add what can be seen and heard, the result and the checkpoint's metadata."""

    def end(self, run: str, status: str, milliseconds: int | None) -> None:
        """Give a run its status."""

    def summarize(self, points: Sequence[Point], tags: Mapping[str, str], *, running: bool) -> None:
        """Write the study's own run."""


@dataclass(slots=True)
class _Copied:
    """What of a trial is in MLflow by now."""

    latest: dict[str, int] = field(default_factory=dict)
    """Milliseconds of the last point, by name."""
    looks: int = 0
    """Made since it ended."""
    attempts: int = -1
    state: str = ""


class Mirror:
    """Between a study and its runs.

    Args:
        source: What there is.
        runs: Where it goes.
    """

    def __init__(self, source: Source, runs: TrialRuns) -> None:
        self._source = source
        self._runs = runs
        self._copied: dict[int, _Copied] = {}
        self._ended: set[int] = set()
        self._summary: tuple[object, ...] = ()

    def copy(self) -> None:
        """Copy what is new.

        Raises:
            Exception: whatever Optuna's storage or MLflow raise when they are away; the next call goes on.
        """
        study = self._source.study()
        if study is None:
            return
        begun = [trial for trial in study.trials if trial.state in STATUS]
        for trial in begun:
            if trial.number not in self._ended:
                self._copy(trial)
        summary = (len(begun), len(self._ended), sum(trial.state == "COMPLETE" for trial in begun))
        if summary != self._summary:
            running = any(not trial.finished for trial in begun)
            self._runs.summarize(history(begun, minimize=study.minimize), counts(begun), running=running)
            self._summary = summary

    def _copy(self, trial: TrialFacts) -> None:
        copied = self._copied.setdefault(trial.number, _Copied())
        files = self._source.files(trial.number)
        points = [point for point in (*objective(trial), *files.points) if _is_new(point, copied.latest)]
        changed = (trial.state, len(trial.attempts)) != (copied.state, copied.attempts)
        if points or changed or files.result is not None:
            run = self._runs.trial(trial)
            # Parameters never change, and tags only with state or attempts.
            described = (trial.parameters, tags(trial)) if changed else ({}, {})
            self._runs.write(run, parameters=described[0], tags=described[1], points=points)
            self._runs.keep(run, files)
            if trial.finished:
                ended = None if trial.ended is None else int(trial.ended.timestamp() * 1000)
                self._runs.end(run, STATUS[trial.state], ended)
        # Only now: what was raised above is copied again.
        for point in points:
            copied.latest[point.name] = max(point.milliseconds, copied.latest.get(point.name, 0))
        copied.state, copied.attempts = trial.state, len(trial.attempts)
        if trial.finished:
            copied.looks += 1
            if files.result is not None or copied.looks >= LOOKS_AFTER_END:
                self._ended.add(trial.number)
                del self._copied[trial.number]


def _is_new(point: Point, latest: Mapping[str, int]) -> bool:
    return math.isfinite(point.value) and point.milliseconds > latest.get(point.name, -1)


def objective(trial: TrialFacts) -> Iterable[Point]:
    """The values that Optuna knows, each at its step. They have no time of their own: the step keeps their order."""
    begin = 0 if trial.started is None else int(trial.started.timestamp() * 1000)
    for step, value in sorted(trial.intermediate.items()):
        yield Point(OBJECTIVE, step, value, begin + step)


def tags(trial: TrialFacts) -> Mapping[str, str]:
    """State, values, message, and how each attempt ended."""
    found = {"tacotune.state": trial.state, "tacotune.attempts": str(len(trial.attempts))}
    if trial.message:
        found["tacotune.message"] = trial.message[:MAX_TAG]
    for number, value in enumerate(trial.values):
        found[f"tacotune.value.{number}"] = f"{value:g}"
    for attempt in trial.attempts:
        found[f"tacotune.attempt.{attempt.get('number', '?')}"] = _ending(attempt)[:MAX_TAG]
    return found


def _ending(attempt: Mapping[str, Any]) -> str:
    """`OutOfMemory (exit 137): killed for want of memory`."""
    code = attempt.get("exit_code")
    said = f" (exit {code})" if code is not None else ""
    return f"{attempt.get('cause', '')}{said}: {attempt.get('message', '')}"


def history(trials: Sequence[TrialFacts], *, minimize: bool) -> Sequence[Point]:
    """The course of the study, by the first objective: each trial's value, and the best so far; steps are trials."""
    points: list[Point] = []
    best = math.inf if minimize else -math.inf
    for trial in sorted(trials, key=lambda trial: trial.number):
        if trial.values and trial.ended is not None and math.isfinite(trial.values[0]):
            value, moment = trial.values[0], int(trial.ended.timestamp() * 1000)
            best = min(best, value) if minimize else max(best, value)
            points += [
                Point("value", trial.number, value, moment),
                Point("best_value", trial.number, best, moment),
            ]
    return points


def counts(trials: Sequence[TrialFacts]) -> Mapping[str, str]:
    """How many trials are in which state."""
    return {
        f"tacotune.trials.{state}": str(sum(trial.state == state for trial in trials)) for state in STATUS
    }
