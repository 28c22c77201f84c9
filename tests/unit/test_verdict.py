"""End conditions: each alone, their order, and that a raised budget reopens a study."""

from dataclasses import replace
from typing import Any

import pytest

from support.builders import (
    at,
    attempt_of,
    complete,
    failed,
    hash_of,
    job_of,
    observed_of,
    result_of,
    spec_of,
    trial_of,
)
from tacotune.api.conditions import Reason
from tacotune.engine.facts import gather
from tacotune.engine.observed import Cause, Observed, TrialState
from tacotune.engine.verdict import Verdict, judge

PUBLISHED = {"promoted": "trial/0/checkpoints/step-00000100"}
ROOM = {"maxTrials": 100}


def verdict_of(*trials: Any, spec: Any = None, **fields: Any) -> Verdict:
    return judge(gather(observed_of(trials, spec=spec or spec_of(**ROOM), **fields)))


def pruned(number: int, **fields: Any) -> Any:
    return trial_of(number, TrialState.PRUNED, **fields)


CASES: list[Any] = []


def case(sentence: str, reason: Reason, message: str, *, ended: bool, succeeded: bool) -> Any:
    def register(make: Any) -> Any:
        CASES.append(pytest.param(make, reason, message, ended, succeeded, id=sentence))
        return make

    return register


@case("trials run while nothing speaks against it", Reason.TRIALS_RUNNING, "1 running, 1 of 100", ended=False, succeeded=False)  # fmt: skip
def _running() -> Verdict:
    return verdict_of(complete(0, 0.5), trial_of(1))


@case("trials wait for the dataset", Reason.PREPARING, "not prepared yet", ended=False, succeeded=False)
def _preparing() -> Verdict:
    return verdict_of(dataset_ready=False, dataset_message="not prepared yet")


@case("a suspended study is suspended", Reason.SUSPENDED, "spec.suspend", ended=False, succeeded=False)
def _suspended() -> Verdict:
    return verdict_of(trial_of(0), spec=spec_of(**ROOM, suspend=True))


@case("an interrupted study is suspended", Reason.SUSPENDED, "interrupted", ended=False, succeeded=False)
def _interrupted() -> Verdict:
    return verdict_of(trial_of(0), interrupted=True)


@case("a dataset that was refused ends the study", Reason.DATASET_UNUSABLE, "attempt 1: bad data: 3 files", ended=True, succeeded=False)  # fmt: skip
def _refused() -> Verdict:
    refused = attempt_of(1, Cause.PERMANENT, exit_code=65, message="bad data: 3 files are silent")
    return verdict_of(dataset_ready=False, prepare_attempts=(refused,))


@case("a dataset that cannot be prepared three times ends the study", Reason.DATASET_UNUSABLE, "all 3 attempts", ended=True, succeeded=False)  # fmt: skip
def _unprepared() -> Verdict:
    return verdict_of(dataset_ready=False, prepare_attempts=tuple(attempt_of(i) for i in (1, 2, 3)))


@case(
    "a person's wish to try again forgives a refused dataset",
    Reason.PREPARING,
    "",
    ended=False,
    succeeded=False,
)
def _forgiven() -> Verdict:
    refused = attempt_of(1, Cause.PERMANENT, ended=-100)
    return verdict_of(dataset_ready=False, prepare_attempts=(refused,), forgive_before=at(-50))


@case("three trials that all failed permanently end the study", Reason.ALL_TRIALS_FAILED, "3 trials ended, all failed permanently; trial 2, bad configuration", ended=True, succeeded=False)  # fmt: skip
def _hopeless() -> Verdict:
    return verdict_of(failed(0), failed(1), failed(2))


@case("two of them do not", Reason.TRIALS_RUNNING, "", ended=False, succeeded=False)
def _not_yet_hopeless() -> Verdict:
    return verdict_of(failed(0), failed(1))


@case("nor do three while a fourth may go better", Reason.TRIALS_RUNNING, "", ended=False, succeeded=False)
def _hope() -> Verdict:
    return verdict_of(failed(0), failed(1), failed(2), trial_of(3))


@case("nor when one was merely pruned", Reason.TRIALS_RUNNING, "", ended=False, succeeded=False)
def _one_pruned() -> Verdict:
    return verdict_of(failed(0), failed(1), failed(2), pruned(3))


@case("nor when the study was edited since", Reason.TRIALS_RUNNING, "", ended=False, succeeded=False)
def _edited() -> Verdict:
    return verdict_of(*[failed(i, spec_hash="sha256:before") for i in range(3)])


@case("nor when a person asked to try again", Reason.TRIALS_RUNNING, "", ended=False, succeeded=False)
def _asked_again() -> Verdict:
    return verdict_of(failed(0), failed(1), failed(2), forgive_before=at(-1))


@case(
    "the goal ends the study",
    Reason.GOAL_REACHED,
    "trial 0 has 0.25, the goal is 0.3",
    ended=True,
    succeeded=True,
)
def _goal() -> Verdict:
    return verdict_of(complete(0, 0.25), spec=spec_of(**ROOM, goal=0.3), **PUBLISHED)


@case("a goal just met is met", Reason.GOAL_REACHED, "", ended=True, succeeded=True)
def _goal_met() -> Verdict:
    return verdict_of(complete(0, 0.3), spec=spec_of(**ROOM, goal=0.3), **PUBLISHED)


@case(
    "a goal of something to maximise is above",
    Reason.GOAL_REACHED,
    "trial 1 has 0.9",
    ended=True,
    succeeded=True,
)
def _goal_above() -> Verdict:
    spec = spec_of(**ROOM, goal=0.8, objective={"metric": "alignment", "direction": "Maximize"})
    trials = [complete(i, v, spec_hash=hash_of(spec)) for i, v in enumerate((0.1, 0.9))]
    return verdict_of(*trials, spec=spec, promoted="trial/1/checkpoints/step-00000100")


@case("a goal not reached does not end it", Reason.TRIALS_RUNNING, "", ended=False, succeeded=False)
def _no_goal() -> Verdict:
    return verdict_of(complete(0, 0.31), spec=spec_of(**ROOM, goal=0.3))


@case("more failures than allowed end the study", Reason.MAX_FAILED_TRIALS_REACHED, "2 trials failed, 1 may", ended=True, succeeded=False)  # fmt: skip
def _too_many() -> Verdict:
    return verdict_of(complete(0, 0.5), failed(1), failed(2), spec=spec_of(**ROOM, maxFailedTrials=1))


@case("as many failures as allowed do not", Reason.TRIALS_RUNNING, "", ended=False, succeeded=False)
def _allowed() -> Verdict:
    return verdict_of(complete(0, 0.5), failed(1), failed(2), spec=spec_of(**ROOM, maxFailedTrials=2))


@case(
    "trials that the operator cut off are no failures",
    Reason.TRIALS_RUNNING,
    "",
    ended=False,
    succeeded=False,
)
def _cut_off() -> Verdict:
    cut = trial_of(1, TrialState.FAIL)
    stopped = trial_of(2, TrialState.FAIL, attempts=(attempt_of(1, Cause.DISRUPTION),))
    return verdict_of(complete(0, 0.5), cut, stopped, spec=spec_of(**ROOM, maxFailedTrials=0))


@case("the goal outshines failures beside it", Reason.GOAL_REACHED, "", ended=True, succeeded=True)
def _goal_first() -> Verdict:
    spec = spec_of(**ROOM, goal=0.3, maxFailedTrials=0)
    return verdict_of(complete(0, 0.2), failed(1), spec=spec, **PUBLISHED)


@case("as many trials as asked for end the study", Reason.MAX_TRIALS_REACHED, "2 trials ended", ended=True, succeeded=True)  # fmt: skip
def _enough() -> Verdict:
    return verdict_of(complete(0, 0.2), pruned(1), spec=spec_of(maxTrials=2), **PUBLISHED)


@case("when none of them is complete it failed", Reason.ALL_TRIALS_FAILED, "2 trials ended, 1 pruned and 1 failed, none complete", ended=True, succeeded=False)  # fmt: skip
def _none() -> Verdict:
    return verdict_of(failed(0), pruned(1), spec=spec_of(maxTrials=2))


@case("the last trial of a study that still runs is waited for", Reason.TRIALS_RUNNING, "", ended=False, succeeded=False)  # fmt: skip
def _last_runs() -> Verdict:
    return verdict_of(complete(0, 0.2), trial_of(1), spec=spec_of(maxTrials=2))


@case("an exhausted space ends the study", Reason.SPACE_EXHAUSTED, "all 1 trial of the search space", ended=True, succeeded=True)  # fmt: skip
def _exhausted() -> Verdict:
    return verdict_of(complete(0, 0.2), space_exhausted=True, **PUBLISHED)


@case("not before its last trial ended", Reason.TRIALS_RUNNING, "", ended=False, succeeded=False)
def _not_exhausted() -> Verdict:
    return verdict_of(complete(0, 0.2), trial_of(1), space_exhausted=True)


@case("an exhausted space without a complete trial failed", Reason.ALL_TRIALS_FAILED, "exhausted", ended=True, succeeded=False)  # fmt: skip
def _exhausted_none() -> Verdict:
    return verdict_of(pruned(0), space_exhausted=True)


@case("spent GPU hours end the study", Reason.GPU_HOURS_SPENT, "2.0 GPU hours spent, 2 may be", ended=True, succeeded=True)  # fmt: skip
def _gpu() -> Verdict:
    spent = (attempt_of(1, Cause.FINISHED, gpu_seconds=7200.0),)
    return verdict_of(complete(0, 0.2, attempts=spent), spec=spec_of(**ROOM, gpuHours=2), **PUBLISHED)


@case("trials without improvement end the study", Reason.NO_IMPROVEMENT, "2 trials brought nothing better than trial 0", ended=True, succeeded=True)  # fmt: skip
def _flat() -> Verdict:
    spec = spec_of(**ROOM, noImprovementTrials=2)
    return verdict_of(complete(0, 0.2), complete(1, 0.4), pruned(2), failed(3), spec=spec, **PUBLISHED)


@case("improvement counts from the order of ends, not of numbers", Reason.TRIALS_RUNNING, "", ended=False, succeeded=False)  # fmt: skip
def _late_best() -> Verdict:
    spec = spec_of(**ROOM, noImprovementTrials=2)
    return verdict_of(complete(0, 0.2, ended_at=at(0)), complete(1, 0.4), pruned(2), spec=spec)


@case("failed trials say nothing about improvement", Reason.TRIALS_RUNNING, "", ended=False, succeeded=False)
def _failed_flat() -> Verdict:
    spec = spec_of(**ROOM, noImprovementTrials=2)
    return verdict_of(complete(0, 0.2), complete(1, 0.4), failed(2), failed(3), spec=spec)


@case("the deadline ends the study", Reason.DEADLINE_EXCEEDED, "its 3600 s", ended=True, succeeded=True)
def _deadline() -> Verdict:
    return verdict_of(complete(0, 0.2), spec=spec_of(**ROOM, activeDeadlineSeconds=3600), **PUBLISHED)


@case(
    "a deadline without a complete trial is a failure",
    Reason.DEADLINE_EXCEEDED,
    "",
    ended=True,
    succeeded=False,
)
def _deadline_none() -> Verdict:
    return verdict_of(pruned(0), spec=spec_of(**ROOM, activeDeadlineSeconds=3600))


@case("a study that ended for a reason keeps it when its deadline passes", Reason.MAX_TRIALS_REACHED, "", ended=True, succeeded=True)  # fmt: skip
def _sticky() -> Verdict:
    spec = spec_of(maxTrials=2, activeDeadlineSeconds=60)
    return verdict_of(complete(0, 0.2), complete(1, 0.4), spec=spec, **PUBLISHED)


@case(
    "a suspended study that has ended stays ended", Reason.MAX_TRIALS_REACHED, "", ended=True, succeeded=True
)
def _ended_suspended() -> Verdict:
    spec = spec_of(maxTrials=1, parallelism=1, suspend=True)
    return verdict_of(complete(0, 0.2), spec=spec, **PUBLISHED)


@case(
    "the best voice is published before success", Reason.DRAINING, "publishing", ended=False, succeeded=False
)
def _unpublished() -> Verdict:
    return verdict_of(complete(0, 0.2), spec=spec_of(maxTrials=1, parallelism=1))


@case("a best trial without a checkpoint has nothing to publish", Reason.MAX_TRIALS_REACHED, "", ended=True, succeeded=True)  # fmt: skip
def _no_checkpoint() -> Verdict:
    return verdict_of(complete(0, 0.2, checkpoint=""), spec=spec_of(maxTrials=1, parallelism=1))


FINAL = spec_of(maxTrials=1, parallelism=1, finalTraining={"enabled": True, "epochs": 50})


@case("the final training follows the search", Reason.FINAL_TRAINING, "parameters of trial 0", ended=False, succeeded=False)  # fmt: skip
def _final() -> Verdict:
    return verdict_of(complete(0, 0.2), spec=FINAL)


@case("its result ends the study", Reason.MAX_TRIALS_REACHED, "", ended=True, succeeded=True)
def _final_done() -> Verdict:
    return verdict_of(
        complete(0, 0.2),
        spec=FINAL,
        final_trial=0,
        final_result=result_of("complete", 0.1),
        promoted="final/0/checkpoints/step-00000100",
    )


@case("a final training that diverged is a failure", Reason.FINAL_TRAINING_FAILED, "diverged", ended=True, succeeded=False)  # fmt: skip
def _final_diverged() -> Verdict:
    return verdict_of(complete(0, 0.2), spec=FINAL, final_trial=0, final_result=result_of("diverged"))


@case("a final training that failed three times is a failure", Reason.FINAL_TRAINING_FAILED, "all 3 attempts failed", ended=True, succeeded=False)  # fmt: skip
def _final_failed() -> Verdict:
    attempts = tuple(attempt_of(i) for i in (1, 2, 3))
    return verdict_of(complete(0, 0.2), spec=FINAL, final_trial=0, final_attempts=attempts)


@pytest.mark.parametrize(("make", "reason", "message", "ended", "succeeded"), CASES)
def test_the_verdict(make: Any, reason: Reason, message: str, ended: bool, succeeded: bool) -> None:
    verdict = make()
    assert verdict.reason is reason
    assert message in verdict.message
    assert (verdict.ended, verdict.succeeded) == (ended, succeeded)


@pytest.mark.parametrize(("on_finish", "drain"), [("StopRunning", False), ("Drain", True)])
def test_running_trials_are_stopped_or_drained_as_on_finish_says(on_finish: str, drain: bool) -> None:
    spec = spec_of(**ROOM, goal=0.3, onFinish=on_finish)
    verdict = verdict_of(complete(0, 0.2), trial_of(1), spec=spec)
    assert (verdict.reason, verdict.over, verdict.drain) == (Reason.DRAINING, True, drain)


def test_spent_gpu_hours_always_drain() -> None:
    spec = spec_of(**ROOM, gpuHours=1, onFinish="StopRunning")
    spent = (attempt_of(1, Cause.FINISHED, gpu_seconds=3600.0),)
    assert verdict_of(complete(0, 0.2, attempts=spent), trial_of(1), spec=spec).drain


def test_gpu_hours_count_what_runs() -> None:
    spec = spec_of(**ROOM, gpuHours=1)
    trials = (trial_of(0),)
    assert not verdict_of(*trials, spec=spec, jobs=[job_of(0, started_at=at(-3600), gpus=0)]).over
    assert verdict_of(*trials, spec=spec, jobs=[job_of(0, started_at=at(-3600), gpus=1)]).over


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"maxTrials": 2}, {"maxTrials": 3}),
        ({**ROOM, "goal": 0.3}, {**ROOM, "goal": 0.1}),
        ({**ROOM, "noImprovementTrials": 1}, {**ROOM, "noImprovementTrials": 5}),
        ({**ROOM, "activeDeadlineSeconds": 3600}, {**ROOM, "activeDeadlineSeconds": 7200}),
        ({**ROOM, "gpuHours": 1}, {**ROOM, "gpuHours": 2}),
        ({**ROOM, "maxFailedTrials": 0}, {**ROOM, "maxFailedTrials": 1}),
    ],
    ids=lambda fields: next(reversed(fields)),
)
def test_raising_a_budget_reopens_an_ended_study(before: dict[str, Any], after: dict[str, Any]) -> None:
    trials = (
        complete(0, 0.2, attempts=(attempt_of(1, Cause.FINISHED, gpu_seconds=3600.0),)),
        complete(1, 0.5),
    )
    if "maxFailedTrials" in before:
        trials = (*trials, failed(2))
    ended: Observed = observed_of(trials, spec=spec_of(**before), **PUBLISHED)
    assert judge(gather(ended)).ended
    reopened = replace(ended, spec=spec_of(**after))
    assert not judge(gather(reopened)).over


def test_values_that_are_not_finite_are_never_the_best() -> None:
    nan, infinite = complete(0, float("nan")), complete(1, float("-inf"))
    facts = gather(observed_of([nan, infinite, complete(2, 0.9)]))
    assert facts.best is not None
    assert facts.best.number == 2


def test_of_equal_trials_the_first_is_the_best() -> None:
    facts = gather(observed_of([complete(0, 0.5), complete(1, 0.5)]))
    assert facts.best is not None
    assert facts.best.number == 0
