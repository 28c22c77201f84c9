"""Decisions for one study, pure: `plan.plan(observed)` is the way in; `controller` calls it and nobody else decides."""
