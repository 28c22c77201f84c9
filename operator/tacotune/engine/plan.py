"""`plan(observed)`: what to do next for one study, and what to say about it. Pure; called by `controller.reconcile`.

    observed ── gather ─▶ facts ── judge ─▶ verdict ─▶ actions, status, events, and when to look again

Invariants, kept for every sequence of passes, crashes between any two actions included (tests/unit/test_plan_properties.py):

1. Never more than `parallelism` attempts of trials and final training live, never more than `maxTrials` trials are asked.
2. A trial is told once. Its attempt is recorded before its Job is deleted, and it is told before the Job with its result is:
   in a later pass, for first its slot is filled again.
3. A running trial has a Job, or waits for a moment that follows from its recorded attempts, or is told in this pass.
4. Nothing starts in a pass that tells a trial, for the tell may end the study; nothing is asked in a pass that does anything else:
   first everything begun is settled and placed.
5. After any prefix of a plan's actions a new plan leads to the same end. A settled study has an empty plan.
6. While the storage is away nothing is done that it would have to remember; what runs goes on.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from tacotune.api.status import TTSStudyStatus
from tacotune.engine.actions import Action, AskTrial, TellTrial
from tacotune.engine.dataset import prepare
from tacotune.engine.events import Event, narrate
from tacotune.engine.facts import Facts, gather
from tacotune.engine.final import train_fully
from tacotune.engine.observed import Observed
from tacotune.engine.promotion import publish
from tacotune.engine.status import describe
from tacotune.engine.trials import Resume, ask, clear, launch, settle
from tacotune.engine.verdict import Verdict, judge
from tacotune.engine.watch import halt, looks, watch

RESYNC_SECONDS = 60.0
"""Look again after this long, whatever was foreseen."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one pass decided."""

    actions: tuple[Action, ...]
    """In this order; stop at the first that fails."""
    status: TTSStudyStatus
    """What was observed, not what the actions will bring about."""
    events: tuple[Event, ...]
    """What there is to tell once all actions are done."""
    requeue_after: float | None
    """Seconds until the next look at the latest; 0: at once; None: the study has ended and nothing of it runs."""
    ended: bool = False
    """The study has ended, nothing runs, nothing is left to do."""


def plan(observed: Observed) -> Plan:
    """Decide what to do next."""
    facts = gather(observed)
    verdict = judge(facts)
    actions, resumes, dues = _decide(facts, verdict)
    status = describe(facts, verdict)
    ended = verdict.ended and not actions and not facts.live and observed.storage.ready
    return Plan(
        actions=actions,
        status=status,
        events=narrate(observed, actions, status),
        requeue_after=_requeue(facts, verdict, actions, resumes, dues, ended=ended),
        ended=ended,
    )


def _decide(
    facts: Facts, verdict: Verdict
) -> tuple[tuple[Action, ...], tuple[Resume, ...], tuple[datetime, ...]]:
    """Actions in order; the trials that wait; moments at which preparation, final training and publishing go on."""
    if not facts.observed.storage.ready:
        return tuple(halt(facts)), (), ()
    prepared, prepare_due = prepare(facts, verdict)
    settled = settle(facts, verdict)
    final, final_due = train_fully(facts, verdict)
    actions: list[Action] = [
        *prepared,
        *settled.actions,  # record, tell, delete
        *watch(facts, verdict),  # stop, kill, prune
        *final,
    ]
    if not any(isinstance(action, TellTrial) for action in actions):
        # A tell may end the study: nothing starts before the next pass has judged it.
        actions += launch(facts, settled.resumes)
    if not actions:
        actions += ask(facts, verdict)
    if not any(isinstance(action, TellTrial | AskTrial) for action in actions):
        # The Jobs of told trials go when their slots are taken again.
        actions += clear(facts)
    promote, publish_due = publish(facts, whole=verdict.succeeded or verdict.publishing)
    if promote is not None:
        actions.append(promote)
    dues = tuple(due for due in (prepare_due, final_due, publish_due) if due is not None)
    return tuple(actions), settled.resumes, dues


def _requeue(
    facts: Facts,
    verdict: Verdict,
    actions: tuple[Action, ...],
    resumes: tuple[Resume, ...],
    dues: tuple[datetime, ...],
    *,
    ended: bool,
) -> float | None:
    if ended:
        return None
    if actions:
        return 0.0
    moments = [*dues, *_moments(facts, verdict, resumes)]
    ahead = [(moment - facts.now).total_seconds() for moment in moments if moment > facts.now]
    return min([RESYNC_SECONDS, *ahead])


def _moments(facts: Facts, verdict: Verdict, resumes: tuple[Resume, ...]) -> Iterator[datetime]:
    yield from looks(facts)
    yield from (resume.due for resume in resumes if resume.due is not None)
    limit, started = facts.spec.active_deadline_seconds, facts.observed.started_at
    if limit is not None and started is not None and not verdict.over:
        yield started + timedelta(seconds=limit)
