"""What is done about the pages of a study in a cluster, from what is there."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tacotune.api.dashboards import Dashboard
from tacotune.api.kubernetes import DashboardsSpec
from tacotune.engine.dashboard_pods import Ground, PagesPlan, PageState, Remove, Serve, plan_pages

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
SPEC = DashboardsSpec.model_validate(
    {name: {"enabled": name == "optuna"} for name in ("mlflow", "tensorboard", "optuna", "demo")}
)
URL = "http://demo-optuna.voices.svc:5002"
BOUND = Ground(volume_bound=True, urls={Dashboard.OPTUNA: URL})


def hash_of(step: Serve) -> str:
    return f"{step.dashboard} {step.port} {step.resting_since}"


def planned(*states: PageState, ground: Ground = BOUND, spec: DashboardsSpec = SPEC) -> PagesPlan:
    return plan_pages(spec, states, ground, hash_of)


def there(resting: datetime | None = None, **fields: Any) -> PageState:
    mark = hash_of(Serve(Dashboard.OPTUNA, 5002, resting))
    return PageState(Dashboard.OPTUNA, document_hash=mark, resting_since=resting, **fields)


def test_a_page_is_made_once_the_volume_is_bound() -> None:
    waiting = planned(ground=Ground(volume_bound=False))
    assert waiting.steps == ()
    assert "volume" in waiting.seen[0].message
    made = planned()
    assert made.steps == (Serve(Dashboard.OPTUNA, 5002),)
    assert not made.seen[0].ready


def test_a_page_that_is_as_it_should_be_is_left_alone() -> None:
    settled = planned(there(ready=True))
    assert settled.steps == ()
    assert (settled.seen[0].ready, settled.seen[0].url) == (True, URL)


def test_what_it_waits_for_is_said() -> None:
    assert planned(there(message="Unschedulable: 0/1 nodes")).seen[0].message == "Unschedulable: 0/1 nodes"


def test_a_page_of_another_shape_is_brought_in_line() -> None:
    assert planned(PageState(Dashboard.OPTUNA, document_hash="old")).steps == (Serve(Dashboard.OPTUNA, 5002),)


def test_a_page_that_ended_for_want_of_visitors_rests() -> None:
    plan = planned(there(ended_idle_at=NOW))
    assert plan.steps == (Serve(Dashboard.OPTUNA, 5002, NOW),)
    assert "asleep since 2026-11-27T12:00:00Z" in plan.seen[0].message
    assert planned(there(NOW)).steps == ()


@pytest.mark.parametrize(("later", "wakes"), [(-1, False), (0, False), (1, True)])
def test_it_wakes_when_somebody_wants_it_after_it_fell_asleep(later: int, wakes: bool) -> None:
    ground = Ground(volume_bound=True, opened_at=NOW + timedelta(seconds=later))
    assert planned(there(NOW), ground=ground).steps == ((Serve(Dashboard.OPTUNA, 5002),) if wakes else ())


def test_what_is_no_longer_wanted_is_removed() -> None:
    plan = planned(there(ready=True), PageState(Dashboard.DEMO))
    assert plan.steps == (Remove(Dashboard.DEMO),)
    assert [page.dashboard for page in plan.seen] == [Dashboard.OPTUNA]


def test_nothing_is_made_where_a_page_would_be_in_the_way_or_cannot_work() -> None:
    alone = planned(ground=Ground(volume_bound=True, volume_shared=False))
    assert alone.steps == ()
    assert "ReadWriteOncePod" in alone.seen[0].message
    poor = planned(ground=Ground(volume_bound=True, lacks={Dashboard.OPTUNA: "the operator has no URL"}))
    assert poor.steps == ()
    assert poor.seen[0].message == "the operator has no URL"
