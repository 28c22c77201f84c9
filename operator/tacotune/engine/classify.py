"""Why an attempt ended: the table "Retry by cause", as a chain of small rules of which the first that speaks decides.

Called by `attempts` for every ended Job. Numbers are those of docs/trial-contract.md.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tacotune.api.trial_contract import ExitCode, TrialResult
from tacotune.engine.observed import Attempt, Cause, JobPhase, ObservedJob, Purpose, StopReason

PLATFORM_REASONS = frozenset({"DisruptionTarget", "NodeLost", "Suspended", "Preempted", "Evicted"})
"""Words by which the platform says that it, not the attempt, ended the attempt."""

IMAGE_REASONS = frozenset(
    {"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"}
)
"""Words of a pod whose image does not arrive."""

SIGKILL_BY_MEMORY = "OOMKilled"
SIGKILL_BY_OTHERS = "Killed"
"""A driver that knows that memory was not the cause of a SIGKILL says so by this reason."""

_TRANSIENT = {
    ExitCode.CRASH: "crashed",
    ExitCode.DEVICE_UNAVAILABLE: "device or worker unavailable",
    ExitCode.INTERNAL: "internal error",
    ExitCode.CANNOT_CREATE: "cannot create a file, perhaps the disk is full",
    ExitCode.CANNOT_WRITE: "cannot write, perhaps the disk is full",
}
_PERMANENT = {
    ExitCode.USAGE: "bad configuration",
    ExitCode.BAD_DATA: "bad data",
    ExitCode.PERMISSION: "permission denied",
}


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended."""

    cause: Cause
    message: str
    outcome: str = ""
    """Result state when the cause is FINISHED."""


@dataclass(frozen=True, slots=True)
class _Case:
    job: ObservedJob
    code: int | None
    result: TrialResult | None
    previous: Sequence[Attempt]
    stall_timeout: int


_Rule = Callable[[_Case], Ending | None]


def classify(
    job: ObservedJob, *, spec_hash: str, previous: Sequence[Attempt] = (), stall_timeout: int = 600
) -> Ending:
    """Say why an ended Job ended.

    Args:
        job: A Job whose phase has ended.
        spec_hash: Of the snapshot it was started with; a result of another one is ignored. Empty: any is taken.
        previous: Attempts recorded before it.
        stall_timeout: Seconds, for the message.
    """
    case = _Case(
        job,
        _shell_code(job.exit_code),
        own_result(job, spec_hash),
        previous,
        stall_timeout,
    )
    for rule in _RULES:
        if ending := rule(case):
            return ending
    return Ending(Cause.TRANSIENT, _say(job, f"ended with {_word(case)}"))


def own_result(job: ObservedJob, spec_hash: str) -> TrialResult | None:
    """The Job's result, unless it belongs to another snapshot of the study (an old directory, a copied one)."""
    if job.result is None or (spec_hash and job.result.spec_hash != spec_hash):
        return None
    return job.result


def _finished(case: _Case) -> Ending | None:
    """A result speaks louder than what happened to the process after it was written."""
    if case.result is not None:
        state = case.result.state.value
        return Ending(Cause.FINISHED, case.result.message or state, state)
    return None


def _prepared(case: _Case) -> Ending | None:
    """Preparation leaves a dataset, no result."""
    if case.job.purpose is Purpose.PREPARE and case.job.phase is JobPhase.SUCCEEDED:
        return Ending(Cause.FINISHED, case.job.message or "prepared")
    return None


def _stalled(case: _Case) -> Ending | None:
    """Killed by the engine itself, which counts like a crash."""
    if case.job.stopping == StopReason.STALLED:
        return Ending(Cause.TRANSIENT, f"killed: no progress for {case.stall_timeout} s")
    if case.job.stopping == StopReason.IMAGE_PULL:
        return Ending(Cause.TRANSIENT, _say(case.job, f"no image after {case.stall_timeout} s"))
    return None


def _platform(case: _Case) -> Ending | None:
    """Preempted, evicted, drained, suspended by another, or its node was lost."""
    if case.job.reason in PLATFORM_REASONS:
        return Ending(Cause.DISRUPTION, _say(case.job, f"ended by the platform: {case.job.reason}"))
    return None


def _out_of_memory(case: _Case) -> Ending | None:
    """Host memory (the kernel's SIGKILL) or the GPU's. A SIGKILL after our own SIGTERM is the end of the grace period."""
    if case.job.cuda_out_of_memory:
        return Ending(Cause.OUT_OF_MEMORY, _say(case.job, "GPU out of memory"))
    unexplained = not case.job.stopping and case.job.reason != SIGKILL_BY_OTHERS
    if case.job.reason == SIGKILL_BY_MEMORY or (case.code == ExitCode.KILLED and unexplained):
        return Ending(Cause.OUT_OF_MEMORY, _say(case.job, "killed for want of memory"))
    return None


def _permanent(case: _Case) -> Ending | None:
    """Comes again however often it is tried."""
    if case.code in _PERMANENT:
        return Ending(Cause.PERMANENT, _say(case.job, _PERMANENT[case.code]))
    if case.code == ExitCode.INPUT_MISSING and any(
        a.exit_code == ExitCode.INPUT_MISSING for a in case.previous
    ):
        return Ending(Cause.PERMANENT, _say(case.job, "input missing, for the second time"))
    return None


def _stopped(case: _Case) -> Ending | None:
    """Checkpointed on request, or ended while we had asked it to."""
    if case.code in {ExitCode.CHECKPOINTED, ExitCode.TERMINATED}:
        word = case.job.stopping or (
            "deadline or SIGTERM" if case.code == ExitCode.CHECKPOINTED else "SIGTERM"
        )
        return Ending(Cause.DISRUPTION, f"stopped: {word}")
    if case.job.stopping:
        return Ending(Cause.DISRUPTION, f"stopped: {case.job.stopping} ({_word(case)})")
    return None


def _transient(case: _Case) -> Ending | None:
    """May go better next time."""
    if case.code in _TRANSIENT:
        return Ending(Cause.TRANSIENT, _say(case.job, _TRANSIENT[case.code]))
    if case.code == ExitCode.INPUT_MISSING:
        return Ending(Cause.TRANSIENT, _say(case.job, "input missing; a volume may have come late"))
    if case.code == ExitCode.OK and case.job.result is not None:
        return Ending(Cause.TRANSIENT, "left a result of another specHash, which is ignored")
    if case.code == ExitCode.OK:
        return Ending(Cause.TRANSIENT, "exit 0 without result.json")
    if case.job.reason in IMAGE_REASONS:
        return Ending(Cause.TRANSIENT, _say(case.job, f"image: {case.job.reason}"))
    return None


_RULES: tuple[_Rule, ...] = (
    _finished,  # result.json exists only when the trial is finished
    _prepared,  # the same for the dataset
    _stalled,  # we killed it, whatever it says
    _platform,  # it did nothing wrong
    _out_of_memory,  # before exit codes: CUDA OOM ends with 70
    _permanent,  # before stopping: a bad configuration stays one
    _stopped,  # 75, 143
    _transient,  # the rest that has a name
)


def _shell_code(code: int | None) -> int | None:
    """A negative code is a signal, as Python's subprocess has it: -9 is 137."""
    return 128 - code if code is not None and code < 0 else code


def _say(job: ObservedJob, what: str) -> str:
    return f"{what}: {job.message}" if job.message else what


def _word(case: _Case) -> str:
    parts = [f"exit {case.code}" if case.code is not None else "no exit code"]
    if case.job.reason:
        parts.append(case.job.reason)
    return ", ".join(parts)
