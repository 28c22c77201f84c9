# ruff: noqa: D102  the fakes mean what the ports say
"""One pass of `observe -> plan` for a study of 1,000 finished and 20 running trials, without database or processes.

    python benchmarks/plan.py [--trials 1000] [--running 20] [--repeats 50]

Prints the median and the slowest milliseconds and their ratio to the limit of 20 ms.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from tacotune.api.names import job_name
from tacotune.api.status import TTSStudyStatus
from tacotune.api.study import TTSStudy
from tacotune.api.trial_contract import Progress
from tacotune.controller.observe import Known, observe
from tacotune.engine.observed import Attempt, Cause, JobPhase, ObservedJob, ObservedTrial, Purpose, TrialState
from tacotune.engine.plan import plan
from tacotune.ports import StudyRecord

LIMIT_MS = 20.0
NOW = datetime(2030, 1, 1, tzinfo=UTC)


class Store:
    """A store that has its answers ready, as a cached RDBStorage has."""

    def __init__(self, trials: Sequence[ObservedTrial]) -> None:
        self._trials = trials

    def open(self, spec: object) -> None: ...

    def record(self) -> StudyRecord:
        return StudyRecord(started_at=NOW - timedelta(days=2))

    def trials(self) -> Sequence[ObservedTrial]:
        return self._trials


class Cluster:
    """Jobs that all run."""

    def __init__(self, jobs: Sequence[ObservedJob]) -> None:
        self._jobs = jobs

    def jobs(self) -> Sequence[ObservedJob]:
        return self._jobs

    def dataset(self) -> tuple[bool, str]:
        return True, "prepared"

    def promoted(self) -> str:
        return "trial/0/checkpoints/step-00001000"

    def publication(self) -> None:
        """Nothing is being published."""


class Clock:
    """Always the same time."""

    def now(self) -> datetime:
        return NOW


def study(trials: int, running: int) -> TTSStudy:
    return TTSStudy.from_manifest(
        {
            "metadata": {"name": "benchmark", "uid": "0123456789abcdef"},
            "spec": {
                "searchSpace": [{"name": f"parameter_{i}", "float": {"low": 0, "high": 1}} for i in range(8)],
                "pruner": {"name": "median"},
                "dataset": {"speech": {}},
                "maxTrials": 2 * (trials + running),
                "parallelism": running,
                "noImprovementTrials": 2 * (trials + running),
                "gpuHours": 100_000,
                "activeDeadlineSeconds": 10_000_000,
            },
        }
    )


def world(trials: int, running: int) -> tuple[list[ObservedTrial], list[ObservedJob]]:
    parameters = {f"parameter_{i}": i / 8 for i in range(8)}
    rows: list[ObservedTrial] = []
    for number in range(trials + running):
        start = NOW - timedelta(hours=40) + timedelta(minutes=2 * number)
        ended = start + timedelta(minutes=90)
        retried = number % 5 == 0
        attempts = [Attempt(1, Cause.TRANSIENT, start, start, 1, "crashed")] if retried else []
        state = (
            TrialState.RUNNING
            if number >= trials
            else TrialState.PRUNED
            if number % 3
            else TrialState.COMPLETE
        )
        if state.finished:
            attempts.append(
                Attempt(len(attempts) + 1, Cause.FINISHED, ended, start, 0, "trained", "complete", 5400.0)
            )
        rows.append(
            ObservedTrial(
                number,
                state,
                parameters,
                values=(number / (trials + running),) if state is TrialState.COMPLETE else (),
                last_report=(900, 0.5),
                best_report=(800, 0.4),
                attempts=tuple(attempts),
                prune_advised="median" if state is TrialState.RUNNING and number % 7 == 0 else "",
                prune_requested="median" if state is TrialState.RUNNING and number % 7 == 0 else "",
                started_at=start,
                ended_at=ended if state.finished else None,
                metrics={"tts_score": 0.5, "val_loss": 0.4, "alignment": 0.9},
                checkpoint="checkpoints/step-00001000",
            )
        )
    jobs = [
        ObservedJob(
            job_name("benchmark", "trial", trial.number, len(trial.attempts) + 1),
            Purpose.TRIAL,
            trial.number,
            len(trial.attempts) + 1,
            JobPhase.RUNNING,
            created_at=NOW - timedelta(minutes=30),
            started_at=NOW - timedelta(minutes=30),
            progress=Progress(step=500, total_steps=1000, updated_at=NOW.timestamp() - 5),
            gpus=1,
        )
        for trial in rows[trials:]
    ]
    return rows, jobs


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--trials", type=int, default=1000)
    arguments.add_argument("--running", type=int, default=20)
    arguments.add_argument("--repeats", type=int, default=50)
    options = arguments.parse_args()
    manifest = study(options.trials, options.running)
    trials, jobs = world(options.trials, options.running)
    store, cluster, clock = Store(trials), Cluster(jobs), Clock()
    status = TTSStudyStatus()
    took: list[float] = []
    for _ in range(options.repeats + 1):
        begin = time.perf_counter()
        observed = observe(manifest, store=store, cluster=cluster, clock=clock, known=Known(), status=status)  # type: ignore[arg-type]  only what is read
        planned = plan(observed)
        took.append((time.perf_counter() - begin) * 1000)
        status = planned.status
    if planned.actions:
        print(f"the study is not settled, {len(planned.actions)} actions are planned: {planned.actions[:3]}")
        return 1
    warm = took[1:]
    median, slowest = statistics.median(warm), max(warm)
    print(
        f"observe -> plan, {options.trials} finished and {options.running} running trials, {len(warm)} passes"
    )
    print(f"first   {took[0]:6.2f} ms")
    print(f"median  {median:6.2f} ms   {median / LIMIT_MS:5.2f} of the limit of {LIMIT_MS:g} ms")
    print(f"slowest {slowest:6.2f} ms   {slowest / LIMIT_MS:5.2f}")
    return 0 if median <= LIMIT_MS else 1


if __name__ == "__main__":
    sys.exit(main())
