"""The planner's promises, for every fate of every attempt and a crash after any action."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from support.builders import observed_of, spec_of
from support.world import Fate, advance, after
from tacotune.api.hashing import spec_hash
from tacotune.engine.actions import AskTrial, CreateJob, DeleteJob, TellTrial
from tacotune.engine.observed import Observed, Purpose, TrialState
from tacotune.engine.plan import Plan, plan

PASSES = 2000
"""More than any of these small studies needs, far fewer than for ever."""


@st.composite
def specs(draw: st.DrawFn, **fixed: Any) -> Any:
    trials = draw(st.integers(1, 7))
    fields: dict[str, Any] = {
        "maxTrials": trials,
        "parallelism": draw(st.integers(1, min(trials, 3))),
        "retry": {
            "maxAttempts": draw(st.integers(1, 3)),
            "onOutOfMemory": draw(st.sampled_from(["Retry", "ReduceBatch"])),
        },
        "onFinish": draw(st.sampled_from(["StopRunning", "Drain"])),
        "finalTraining": {"enabled": draw(st.booleans()), "epochs": 50},
        "stallTimeoutSeconds": draw(st.sampled_from([10, 60])),
    }
    return spec_of(**{**fields, **fixed})


# Success is drawn as often as all the rest: studies that go well have the longest stories.
fates = st.lists(st.sampled_from([*Fate, *[Fate.SUCCEED] * len(Fate)]), min_size=1, max_size=12)


@dataclass(frozen=True)
class Pass:
    before: Observed
    plan: Plan
    after: Observed


def drive(
    observed: Observed,
    table: list[Fate],
    *,
    cuts: Iterator[int] | None = None,
    space: int | None = None,
    prune: frozenset[int] = frozenset(),
) -> Iterator[Pass]:
    """Passes until the study has ended; `cuts` says after how many of its actions a pass is killed."""
    for _ in range(PASSES):
        planned = plan(observed)
        cut = next(cuts, None) if cuts is not None else None
        done = planned.actions if cut is None else planned.actions[:cut]
        new = observed
        for action in done:
            new = after(new, action, space=space)
        yield Pass(observed, planned, new)
        if planned.ended:
            return
        observed = replace(new, status=planned.status)
        if not planned.actions:
            observed = advance(observed, table, seconds=max(planned.requeue_after or 1.0, 1.0))
            advised = [
                replace(t, prune_advised="median") if t.number in prune and t.last_report else t
                for t in observed.trials
            ]
            observed = replace(observed, trials=tuple(advised))
    raise AssertionError("the study never ends")


def check(one: Pass) -> None:
    spec, world = one.before.spec, one.after
    live = [j for j in world.jobs if not j.phase.ended and j.purpose is not Purpose.PREPARE]
    assert len(live) <= spec.parallelism
    assert sum(t.state is not TrialState.WAITING for t in world.trials) <= spec.max_trials
    assert len({(j.purpose, j.trial) for j in live}) == len(live), "two attempts of one trial live"
    asks = [a for a in one.plan.actions if isinstance(a, AskTrial)]
    starts = [a for a in one.plan.actions if isinstance(a, CreateJob)]
    assert not (asks and starts), "asked and placed in one pass"


def end_of(world: Observed) -> object:
    """What a study leaves behind, but for times."""
    return (
        [(t.number, t.state, t.values, [(a.number, a.cause) for a in t.attempts]) for t in world.trials],
        [(a.number, a.cause) for a in world.final_attempts],
        world.final_trial,
        world.promoted,
        world.jobs,
    )


@settings(max_examples=60, deadline=None)
@given(specs(), fates, st.sampled_from([None, 2, 4]), st.frozensets(st.integers(0, 6), max_size=3))
def test_a_study_ends_and_keeps_every_limit_on_the_way(
    spec: Any, table: list[Fate], space: int | None, prune: frozenset[int]
) -> None:
    passes = list(drive(observed_of(spec=spec, dataset_ready=False), table, space=space, prune=prune))
    for one in passes:
        check(one)
    last = passes[-1]
    assert last.plan.actions == ()
    assert last.after.jobs == ()
    assert all(t.state.finished for t in last.after.trials)
    assert plan(last.after).actions == (), "settled, and yet something is planned"


@settings(max_examples=60, deadline=None)
@given(specs(), fates, st.lists(st.integers(0, 3), max_size=40))
def test_a_crash_after_any_action_leads_to_the_same_end(
    spec: Any, table: list[Fate], cuts: list[int]
) -> None:
    start = observed_of(spec=spec, dataset_ready=False)
    straight = list(drive(start, table))[-1]
    crashed = list(drive(start, table, cuts=iter(cuts)))
    for one in crashed:
        check(one)
    assert end_of(crashed[-1].after) == end_of(straight.after)
    assert crashed[-1].plan.status.phase == straight.plan.status.phase


@settings(max_examples=40, deadline=None)
@given(specs(goal=0.3), fates)
def test_each_prefix_of_each_plan_is_followed_by_a_plan_that_goes_on(spec: Any, table: list[Fate]) -> None:
    """As patroni tests its planner: after the first action, the rest of the plan comes out; asks may wait, and what is cleared
    away waits for asks and tells."""
    for one in drive(observed_of(spec=spec, dataset_ready=False), table):
        world = one.before
        for position, action in enumerate(one.plan.actions):
            world = after(world, action)
            if not isinstance(
                action, TellTrial
            ):  # The world refuses a second tell, so no plan may contain one.
                assert after(world, action) == world, "done twice is not done once"
            rest = plan(world).actions
            before = any(isinstance(a, AskTrial | TellTrial) for a in rest)
            waiting = (AskTrial, DeleteJob) if before else AskTrial
            expected = [a for a in one.plan.actions[position + 1 :] if not isinstance(a, waiting)]
            assert [a for a in expected if a not in rest] == []


@settings(max_examples=40, deadline=None)
@given(
    specs(),
    fates,
    st.lists(
        st.sampled_from(["go", "suspend", "interrupt", "storage", "more", "fewer", "edit"]), max_size=30
    ),
)
def test_limits_hold_while_the_study_is_edited_suspended_and_cut_off(
    spec: Any, table: list[Fate], deeds: list[str]
) -> None:
    world = observed_of(spec=spec, dataset_ready=False)
    for deed in [*deeds, *["go"] * 3]:
        changes: dict[str, Any] = {"suspend": deed == "suspend"}
        if deed == "more":
            changes["max_trials"] = world.spec.max_trials + 1
        if deed == "edit":
            changes["fixed_parameters"] = {"epochs": len(world.trials) + 1}
        edited = world.spec.model_copy(update=changes)
        world = replace(
            world,
            spec=edited,
            spec_hash=spec_hash(edited),
            interrupted=deed == "interrupt",
            storage=replace(world.storage, ready=deed != "storage"),
        )
        if deed == "fewer":
            world = replace(world, spec=edited.model_copy(update={"parallelism": 1}))
        for _ in range(3):
            planned = plan(world)
            asked_before = {t.number for t in world.trials}
            for action in planned.actions:
                world = after(world, action)
            asked = [t for t in world.trials if t.number not in asked_before]
            if deed in {"suspend", "interrupt", "storage"}:
                assert not asked
                assert not any(isinstance(a, CreateJob) for a in planned.actions)
            assert len(world.trials) <= max(world.spec.max_trials, len(asked_before))
            live = [j for j in world.jobs if not j.phase.ended and j.purpose is not Purpose.PREPARE]
            started = [a for a in planned.actions if isinstance(a, CreateJob)]
            assert not started or len(live) <= max(world.spec.parallelism, 1)
            world = advance(replace(world, status=planned.status), table, seconds=30)
    final = replace(world, interrupted=False, storage=replace(world.storage, ready=True))
    final = replace(final, spec=final.spec.model_copy(update={"suspend": False}))
    assert list(drive(final, table))[-1].plan.ended
