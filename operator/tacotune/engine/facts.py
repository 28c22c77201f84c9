"""What every rule wants to know of an `Observed`, gathered in one walk over its trials and Jobs.

Called by `plan` once a pass. Everything is linear in the number of trials; a study of a thousand costs milliseconds.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tacotune.api.study import TTSStudySpec
from tacotune.api.trial_contract import ResultState, TrialResult
from tacotune.engine.attempts import given_up, since
from tacotune.engine.backoff import COUNTED
from tacotune.engine.observed import (
    Attempt,
    Cause,
    JobPhase,
    Observed,
    ObservedJob,
    ObservedTrial,
    Purpose,
    TrialState,
)

SAME_FAILURE = 3
"""So many trials that failed permanently, and none that did anything else, are taken for all that would follow."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Counts, the best trial, and Jobs by what they are for."""

    observed: Observed
    jobs: dict[tuple[Purpose, int], tuple[ObservedJob, ...]]
    running: tuple[ObservedTrial, ...]
    """Asked and not told, whether or not a Job of theirs lives."""
    waiting: tuple[int, ...]
    """Numbers of enqueued trials, not yet asked."""
    highest: int
    """Highest trial number; -1 without trials."""
    complete: int
    pruned: int
    failed: int
    exhausted: int
    """Trials that failed by themselves: not those that the study's end or a crash of the operator cut off."""
    permanent: tuple[ObservedTrial, ...]
    """Trials that failed permanently under the present spec."""
    best: ObservedTrial | None
    """Best complete trial, by the first objective; only finite values."""
    trial_gpu_seconds: float
    attempts: int
    disruptions: int

    @property
    def spec(self) -> TTSStudySpec:
        """The study's spec."""
        return self.observed.spec

    @property
    def now(self) -> datetime:
        """The only time there is."""
        return self.observed.now

    @property
    def finished(self) -> int:
        """Trials that were told."""
        return self.complete + self.pruned + self.failed

    @property
    def asked(self) -> int:
        """Trials that use up `maxTrials`."""
        return self.finished + len(self.running)

    @property
    def halted(self) -> bool:
        """Nothing may run."""
        return self.spec.suspend or self.observed.interrupted

    @property
    def live(self) -> tuple[ObservedJob, ...]:
        """Jobs that have not ended."""
        return tuple(job for job in self.observed.jobs if not job.phase.ended)

    @property
    def hopeless(self) -> bool:
        """Every trial that ended failed permanently, and there are enough of them to see a pattern."""
        enough = min(SAME_FAILURE, self.spec.max_trials)
        nothing_else = self.complete + self.pruned == 0 and self.exhausted == len(self.permanent)
        return len(self.permanent) >= enough and nothing_else

    @property
    def prepare_failure(self) -> str:
        """Why the dataset cannot be prepared; empty while it can."""
        attempts = since(self.observed.prepare_attempts, self.observed.forgive_before)
        return given_up(attempts, self.spec.retry, finished_counts=True)

    @property
    def final_failure(self) -> str:
        """Why the final training failed; empty while it has not."""
        result = self.observed.final_result
        if result is not None:
            return "" if values_of(result, self.spec) is not None else no_value(result, self.spec)
        return given_up(since(self.observed.final_attempts, self.observed.forgive_before), self.spec.retry)

    def jobs_of(self, purpose: Purpose, trial: int | None = None) -> tuple[ObservedJob, ...]:
        """Jobs of a purpose, of one trial or of all."""
        if trial is not None:
            return self.jobs.get((purpose, trial), ())
        return tuple(job for (kind, _), jobs in self.jobs.items() if kind is purpose for job in jobs)

    def better(self, value: float, than: float) -> bool:
        """Whether a value of the first objective is better than another."""
        return value < than if self.spec.all_objectives[0].direction == "Minimize" else value > than


def gather(observed: Observed) -> Facts:
    """Walk once over trials and Jobs."""
    spec = observed.spec
    minimize = spec.all_objectives[0].direction == "Minimize"
    running: list[ObservedTrial] = []
    waiting: list[int] = []
    permanent: list[ObservedTrial] = []
    best: ObservedTrial | None = None
    complete = pruned = failed = exhausted = attempts = disruptions = 0
    highest = -1
    gpu_seconds = 0.0
    for trial in observed.trials:
        highest = max(highest, trial.number)
        attempts += len(trial.attempts)
        for attempt in trial.attempts:
            gpu_seconds += attempt.gpu_seconds
            disruptions += attempt.cause is Cause.DISRUPTION
        match trial.state:
            case TrialState.RUNNING:
                running.append(trial)
            case TrialState.WAITING:
                waiting.append(trial.number)
            case TrialState.PRUNED:
                pruned += 1
            case TrialState.FAIL:
                failed += 1
                if _by_itself(trial, spec):
                    if trial.attempts[-1].cause is not Cause.PERMANENT:
                        exhausted += 1
                    elif _counts_still(trial, observed):
                        exhausted += 1
                        permanent.append(trial)
            case TrialState.COMPLETE:
                complete += 1
                if trial.values and all(map(math.isfinite, trial.values)):
                    first = trial.values[0]
                    if best is None or (first < best.values[0] if minimize else first > best.values[0]):
                        best = trial
    return Facts(
        observed=observed,
        jobs=_by_purpose(observed.jobs),
        running=tuple(running),
        waiting=tuple(sorted(waiting)),
        highest=highest,
        complete=complete,
        pruned=pruned,
        failed=failed,
        exhausted=exhausted,
        permanent=tuple(permanent),
        best=best,
        trial_gpu_seconds=gpu_seconds,
        attempts=attempts,
        disruptions=disruptions,
    )


def _by_purpose(jobs: Sequence[ObservedJob]) -> dict[tuple[Purpose, int], tuple[ObservedJob, ...]]:
    found: dict[tuple[Purpose, int], tuple[ObservedJob, ...]] = {}
    for job in sorted(jobs, key=lambda j: j.attempt):
        key = (job.purpose, job.trial)
        found[key] = (*found.get(key, ()), job)
    return found


def _by_itself(trial: ObservedTrial, spec: TTSStudySpec) -> bool:
    if not trial.attempts:
        return False
    if trial.attempts[-1].cause in {Cause.PERMANENT, Cause.FINISHED}:
        return True
    return sum(a.cause in COUNTED for a in trial.attempts) >= spec.retry.max_attempts


def _counts_still(trial: ObservedTrial, observed: Observed) -> bool:
    """An edit of what reaches a trial, or a person's wish to try again, wipes out permanent failures."""
    if trial.spec_hash and trial.spec_hash != observed.spec_hash:
        return False
    moment = observed.forgive_before
    return moment is None or trial.attempts[-1].ended_at >= moment


def values_of(result: TrialResult, spec: TTSStudySpec) -> tuple[float, ...] | None:
    """A value for every objective, or None: what is missing, NaN or infinite is never a score."""
    if result.state not in {ResultState.COMPLETE, ResultState.EARLY_STOPPED}:
        return None
    values = tuple(v for v in result.values if v is not None and math.isfinite(v))
    return values if len(values) == len(result.values) == len(spec.all_objectives) else None


def no_value(result: TrialResult, spec: TTSStudySpec) -> str:
    """Sentence for a result without a usable value."""
    if result.state not in {ResultState.COMPLETE, ResultState.EARLY_STOPPED}:
        return f"{result.state.value}: {result.message}" if result.message else result.state.value
    metrics = ", ".join(o.metric for o in spec.all_objectives)
    return f"{result.state.value}, but without a finite value for {metrics}: {list(result.values)}"


def last_sign(job: ObservedJob, trial: ObservedTrial | None) -> datetime | None:
    """When a running Job last showed progress; None when it cannot be judged (not started, or it reports none)."""
    if job.phase is not JobPhase.RUNNING or job.started_at is None:
        return None
    progress = job.progress
    if progress is None and trial is not None and trial.progress is not None:
        progress = trial.progress if trial.progress.attempt == job.attempt else None
    if progress is None or progress.updated_at <= 0:
        # Preparation reports no progress and may well be long.
        return None if job.purpose is Purpose.PREPARE else job.started_at
    try:
        return max(job.started_at, datetime.fromtimestamp(progress.updated_at, UTC))
    except (OverflowError, OSError, ValueError):
        return job.started_at  # The trainer's clock says something that is no time.


def attempts_of(trial: ObservedTrial) -> tuple[Attempt, ...]:
    """A trial's attempts in order."""
    return tuple(sorted(trial.attempts, key=lambda a: a.number))
