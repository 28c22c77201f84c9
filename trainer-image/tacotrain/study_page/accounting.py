"""Where attempts and hours went: pure sums over the recorded attempts.

An attempt's time counts as its trial ended: useful when the trial is complete, pruned when it was pruned, open while it
runs. Time of attempts that ended by a fault, and of trials that failed, is lost. What a disrupted attempt did is kept by its
checkpoint, so its time counts as its trial's. The final training and the preparation count as useful.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tacotrain.study_page.facts import FINISHED, Attempt, State, Study, Trial


class Outcome(StrEnum):
    """What became of an hour."""

    USEFUL = "useful"
    PRUNED = "pruned"
    LOST = "lost"
    OPEN = "open"


_OF_STATE: Final[Mapping[State, Outcome]] = {
    State.COMPLETE: Outcome.USEFUL,
    State.PRUNED: Outcome.PRUNED,
    State.FAIL: Outcome.LOST,
    State.RUNNING: Outcome.OPEN,
    State.WAITING: Outcome.OPEN,
}


@dataclass(frozen=True, slots=True)
class Hours:
    """Time by outcome."""

    gpu: bool
    """GPU hours; else no attempt had a GPU and these are hours of the attempts themselves."""
    seconds: Mapping[Outcome, float]

    @property
    def total(self) -> float:
        """Seconds of all outcomes."""
        return sum(self.seconds.values())


@dataclass(frozen=True, slots=True)
class Cause:
    """Attempts that ended for one cause before their trial was done."""

    name: str
    attempts: int
    retried: int
    """After how many of them another attempt began."""
    gave_up: int
    """How many were the last word on their trial."""
    lost_seconds: float
    message: str
    """Of the newest of them."""


def hours(study: Study) -> Hours:
    """Time of all recorded attempts by outcome; GPU time as soon as any attempt had a GPU."""
    gpu = any(attempt.gpu_seconds > 0 for _, attempt in study.everything())
    seconds: Counter[Outcome] = Counter()
    for trial, attempt in study.everything():
        seconds[outcome(trial, attempt)] += attempt.gpu_seconds if gpu else attempt.seconds  # type: ignore[assignment]
    return Hours(gpu, {kind: float(seconds[kind]) for kind in Outcome})


def outcome(trial: Trial | None, attempt: Attempt) -> Outcome:
    """What became of an attempt's time; a trial is None for final training and preparation."""
    if attempt.failed:
        return Outcome.LOST
    return Outcome.USEFUL if trial is None else _OF_STATE[trial.state]


def causes(study: Study) -> tuple[Cause, ...]:
    """All causes but a good end, the most frequent first."""
    rows: dict[str, list[tuple[Attempt, bool, bool]]] = {}
    groups: list[tuple[tuple[Attempt, ...], bool]] = [
        (trial.attempts, trial.state in {State.RUNNING, State.WAITING}) for trial in study.trials
    ]
    groups += [(study.prepare_attempts, False), (study.final.attempts if study.final else (), False)]
    for attempts, lives in groups:
        last = max((attempt.number for attempt in attempts), default=0)
        for attempt in attempts:
            if attempt.cause != FINISHED:
                retried = attempt.number < last
                rows.setdefault(attempt.cause, []).append((attempt, retried, not retried and not lives))
    found = [_cause(name, entries) for name, entries in rows.items()]
    return tuple(sorted(found, key=lambda cause: (-cause.attempts, cause.name)))


def _cause(name: str, entries: list[tuple[Attempt, bool, bool]]) -> Cause:
    attempts = [attempt for attempt, _, _ in entries]
    dated = [attempt for attempt in attempts if attempt.ended is not None]
    newest = max(
        dated, key=lambda attempt: attempt.ended.timestamp() if attempt.ended else 0.0, default=attempts[-1]
    )
    return Cause(
        name=name,
        attempts=len(attempts),
        retried=sum(retried for _, retried, _ in entries),
        gave_up=sum(gave_up for _, _, gave_up in entries),
        lost_seconds=sum(attempt.seconds for attempt in attempts if attempt.failed),
        message=newest.message,
    )
