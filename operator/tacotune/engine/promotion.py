"""Which voice should be published now: there is always a playable best one, as soon as a first trial completes."""

from dataclasses import replace
from datetime import datetime

from tacotune.engine.actions import PromoteBest
from tacotune.engine.backoff import delay
from tacotune.engine.facts import Facts, values_of
from tacotune.engine.observed import Purpose


def promotion(facts: Facts, *, whole: bool = False) -> PromoteBest | None:
    """The better of the best trial and the final training, unless it is published already.

    Args:
        facts: Of the pass.
        whole: Nothing more will change: the page beside the voice has to tell of all trials.
    """
    observed = facts.observed
    found: PromoteBest | None = None
    value: float | None = None
    if facts.best is not None and facts.best.checkpoint:
        value = facts.best.values[0]
        found = PromoteBest(Purpose.TRIAL, facts.best.number, facts.best.checkpoint)
    result = observed.final_result
    if result is not None and result.checkpoint and observed.final_trial is not None:
        values = values_of(result, facts.spec)
        # At equal values the final training wins: it is what the user asked for.
        if values is not None and (value is None or not facts.better(value, values[0])):
            found = PromoteBest(Purpose.FINAL, observed.final_trial, result.checkpoint)
    if found is None:
        return None
    again = found.source == observed.promoted
    if again and not (whole and observed.page_of not in {None, facts.finished}):
        return None
    return replace(found, again=again, finished=facts.finished)


def publish(facts: Facts, *, whole: bool) -> tuple[PromoteBest | None, datetime | None]:
    """Begin to publish, unless a publication is under way or waits for its next attempt.

    Args:
        facts: Of the pass.
        whole: As `promotion` has it.

    Returns:
        The action, or when it is due, where that is later than now.
    """
    wanted, last = promotion(facts, whole=whole), facts.observed.publication
    if wanted is None or last is None:
        return wanted, None
    if last.failed_at is None:
        return None, None  # One at a time: two would replace the same folder.
    if last.source != wanted.source:
        return wanted, None
    # Without end, for what keeps a voice from being copied (a full volume) can be mended, and nothing else is left to do.
    due = last.failed_at + delay(facts.spec.retry.backoff, last.attempt, wanted.source)
    return (None, due) if due > facts.now else (replace(wanted, attempt=last.attempt + 1), None)
