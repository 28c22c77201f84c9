"""The ports without a database, processes or a clock: all of them show and change one `world.Observed`.

`Backend.fail_at` counts writes and fails one of them, before or after it took effect: a crash between any two actions, or a
database that goes away in the middle of a pass.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from support.world import Fate, advance, after
from tacotune.api.study import TTSStudySpec
from tacotune.engine.actions import (
    Action,
    AskTrial,
    CreateJob,
    DeleteJob,
    KillJob,
    PromoteBest,
    RecordAttempt,
    RecordFinal,
    RequestPrune,
    StopJob,
    TellTrial,
)
from tacotune.engine.observed import (
    Attempt,
    Observed,
    ObservedJob,
    ObservedTrial,
    Publication,
    Purpose,
    TrialState,
)
from tacotune.ports import ClusterUnavailable, InvalidStudy, Launch, StorageUnavailable, StudyRecord


class Killed(BaseException):
    """kill -9: nothing catches it."""


@dataclass
class Backend:
    """What is really there: rows, Jobs, the published voice, the time."""

    world: Observed
    fates: Sequence[Fate] = ()
    space: int | None = None
    done: list[Action] = field(default_factory=list)
    launches: list[Launch] = field(default_factory=list)
    fail_at: int | None = None
    """Number of the write that fails, counted from 0."""
    fail_after: bool = False
    """The failing write takes effect first."""
    failure: Callable[[], BaseException] = Killed
    storage_away: bool = False
    cluster_away: bool = False
    invalid: str = ""
    writes: int = 0

    def write(self, action: Action) -> None:
        """Do an action, unless this is where it all ends."""
        number, self.writes = self.writes, self.writes + 1
        if number == self.fail_at and not self.fail_after:
            raise self.failure()
        self.world = after(self.world, action, space=self.space)
        self.done.append(action)
        if number == self.fail_at:
            raise self.failure()

    def advance(self, seconds: float = 10.0) -> None:
        """Let time pass."""
        self.world = advance(self.world, self.fates, seconds=seconds)


class FakeStore:
    """TrialStore on a Backend."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    def _reach(self) -> None:
        if self.backend.storage_away:
            raise StorageUnavailable("no answer from the database", retry_after=2.0)

    def open(self, spec: TTSStudySpec) -> None:
        self._reach()
        if self.backend.invalid:
            raise InvalidStudy(self.backend.invalid)

    def record(self) -> StudyRecord:
        self._reach()
        world = self.backend.world
        return StudyRecord(
            world.started_at,
            world.prepare_attempts,
            world.final_attempts,
            world.final_trial,
            world.final_result,
            world.space_exhausted,
        )

    def trials(self) -> Sequence[ObservedTrial]:
        self._reach()
        return self.backend.world.trials

    def ask(self, expected_number: int, spec_hash: str) -> int | None:
        self._reach()
        self.backend.world = replace(self.backend.world, spec_hash=spec_hash)
        self.backend.write(AskTrial(expected_number))
        there = any(t.number == expected_number for t in self.backend.world.trials)
        return expected_number if there else None

    def tell(
        self,
        number: int,
        state: TrialState,
        values: Sequence[float],
        *,
        message: str = "",
        metrics: Mapping[str, float] | None = None,
        checkpoint: str = "",
        best_step: int | None = None,
    ) -> None:
        self._reach()
        self.backend.write(
            TellTrial(number, state, tuple(values), message, dict(metrics or {}), checkpoint, best_step)
        )

    def record_attempt(self, purpose: Purpose, trial: int, attempt: Attempt) -> None:
        self._reach()
        self.backend.write(RecordAttempt(purpose, trial, attempt))

    def request_prune(self, number: int, reason: str) -> None:
        self._reach()
        self.backend.write(RequestPrune(number, reason))

    def record_final(self, trial: int, result_json: str = "") -> None:
        self._reach()
        self.backend.write(RecordFinal(trial, result_json))

    def storage_trial_id(self, number: int) -> int:
        self._reach()
        return 1000 + number

    def delete(self) -> None:
        self._reach()
        self.backend.world = replace(self.backend.world, trials=())


class FakeCluster:
    """Cluster on a Backend."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    def _reach(self) -> None:
        if self.backend.cluster_away:
            raise ClusterUnavailable("the API server does not answer", retry_after=3.0)

    def jobs(self) -> Sequence[ObservedJob]:
        self._reach()
        return self.backend.world.jobs

    def dataset(self) -> tuple[bool, str]:
        self._reach()
        return self.backend.world.dataset_ready, self.backend.world.dataset_message

    def promoted(self) -> str:
        self._reach()
        return self.backend.world.promoted

    def page_of(self) -> int | None:
        self._reach()
        return self.backend.world.page_of

    def create_job(self, launch: Launch) -> None:
        self._reach()
        self.backend.launches.append(launch)
        self.backend.write(
            CreateJob(
                launch.purpose,
                launch.trial,
                launch.attempt,
                launch.parameters,
                launch.overrides,
                launch.spec_hash,
            )
        )

    def stop_job(self, name: str, reason: str) -> None:
        self._reach()
        self.backend.write(StopJob(name, reason))

    def kill_job(self, name: str, reason: str) -> None:
        self._reach()
        self.backend.write(KillJob(name, reason))

    def delete_job(self, name: str) -> None:
        self._reach()
        self.backend.write(DeleteJob(name))

    def publication(self) -> Publication | None:
        self._reach()
        return self.backend.world.publication

    def promote(self, voice: PromoteBest) -> None:
        self._reach()
        self.backend.write(voice)


class FakeClock:
    """The world's time."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    def now(self) -> datetime:
        return self.backend.world.now

    def tick(self, seconds: float) -> None:
        """Time passes and nothing happens."""
        self.backend.world = replace(
            self.backend.world, now=self.backend.world.now + timedelta(seconds=seconds)
        )
