"""S14: a trial whose memory is nearly full is an event, once until that has passed, also after a restart of the operator."""

from collections.abc import Sequence
from dataclasses import replace

from support.builders import at, job_of, observed_of, trial_of
from tacotune.api.status import TTSStudyStatus
from tacotune.api.trial_contract import Progress
from tacotune.engine.events import EventReason
from tacotune.engine.observed import JobPhase, Observed, StopReason
from tacotune.engine.plan import plan

MEMORY = "memory 91% full: 91 of 100 MiB"
GPU = "GPU memory 95% full: 95 of 100 MiB"


def running(alarm: str, *, attempt: int = 1, job_attempt: int = 1) -> Observed:
    progress = Progress(step=5, total_steps=10, updated_at=at(0).timestamp(), attempt=attempt, alarm=alarm)
    return observed_of([trial_of(0, progress=progress)], [job_of(0, job_attempt)])


def told(*looks: Observed) -> list[str]:
    """Alarms of passes, each of which knows the status of the one before and nothing else."""
    status = TTSStudyStatus()
    messages: list[str] = []
    for observed in looks:
        decided = plan(replace(observed, status=status))
        status = decided.status
        messages += [e.message for e in decided.events if e.reason is EventReason.RESOURCE_ALARM]
    return messages


def test_an_alarm_is_told_once_as_a_warning() -> None:
    decided = plan(running(MEMORY))
    (event,) = [e for e in decided.events if e.reason is EventReason.RESOURCE_ALARM]
    assert (event.kind, event.trial, event.message) == ("Warning", 0, f"trial 0 (attempt 1): {MEMORY}")
    assert decided.status.active[0].message == MEMORY
    assert told(running(MEMORY), running(MEMORY)) == [event.message]


def test_without_pressure_nothing_is_said() -> None:
    assert told(running("")) == []


def told_shortly(looks: Sequence[Observed]) -> list[str]:
    return [message.partition(": ")[2] for message in told(*looks)]


def test_one_that_has_passed_and_comes_again_is_told_again() -> None:
    assert told_shortly([running(MEMORY), running(""), running(MEMORY)]) == [MEMORY, MEMORY]


def test_of_two_memories_each_is_told_when_it_begins() -> None:
    looks = [running(MEMORY), running(f"{MEMORY}; {GPU}"), running(GPU)]
    assert told_shortly(looks) == [MEMORY, GPU]


def test_what_an_earlier_attempt_said_is_not_the_next_ones() -> None:
    assert told(running(MEMORY, attempt=1, job_attempt=2)) == []


def test_a_pod_that_waits_and_a_trial_that_stops_raise_no_alarm() -> None:
    waiting = replace(
        running(MEMORY),
        jobs=(job_of(0, 1, JobPhase.PENDING, reason="Unschedulable", message="0/3 nodes are available"),),
    )
    stopping = replace(running(MEMORY), jobs=(job_of(0, 1, stopping=StopReason.PRUNED.value),))
    assert told(waiting, stopping) == []
