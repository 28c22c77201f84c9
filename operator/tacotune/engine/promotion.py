"""Which voice should be published now: there is always a playable best one, as soon as a first trial completes."""

from tacotune.engine.actions import PromoteBest
from tacotune.engine.facts import Facts, values_of
from tacotune.engine.observed import Purpose


def promotion(facts: Facts) -> PromoteBest | None:
    """Publish the better of the best trial and the final training, unless it is published already."""
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
    return None if found is None or found.source == observed.promoted else found
