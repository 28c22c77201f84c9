"""Which pages a study has, and what its status says of them."""

from datetime import UTC, datetime, timedelta

from tacotune.api.conditions import ConditionType, Reason, find_condition
from tacotune.api.dashboards import Dashboard
from tacotune.api.kubernetes import DashboardsSpec
from tacotune.api.status import ActiveTrial, TTSStudyStatus
from tacotune.engine.dashboards import (
    ObservedDashboard,
    candidates,
    described,
    pause_after,
    wanted,
)
from tacotune.local.dashboards import news

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
READY = ObservedDashboard(Dashboard.OPTUNA, url="http://127.0.0.1:5002/dashboard", ready=True)
WAITING = ObservedDashboard(Dashboard.DEMO, message="There is no voice to hear yet")


def status_of(
    *pages: ObservedDashboard, before: TTSStudyStatus | None = None, later: float = 0
) -> TTSStudyStatus:
    return described(before or TTSStudyStatus(), pages, now=NOW + timedelta(seconds=later), generation=3)


def test_all_four_are_wanted_on_their_ports_unless_told_otherwise() -> None:
    assert wanted(DashboardsSpec()) == (
        (Dashboard.MLFLOW, 5000),
        (Dashboard.TENSORBOARD, 5001),
        (Dashboard.OPTUNA, 5002),
        (Dashboard.DEMO, 5003),
    )
    spec = DashboardsSpec.model_validate({"mlflow": {"enabled": False}, "demo": {"port": 8003}})
    assert wanted(spec) == (
        (Dashboard.TENSORBOARD, 5001),
        (Dashboard.OPTUNA, 5002),
        (Dashboard.DEMO, 8003),
    )


def test_ports_that_are_tried_of_different_pages_are_different() -> None:
    assert candidates(5000) == (5000, 5010, 5020, 5030, 5040, 5050, 5060, 5070, 5080, 5090)
    tried = [port for _, first in wanted(DashboardsSpec()) for port in candidates(first)]
    assert len(tried) == len(set(tried))
    assert candidates(65_530) == (65_530,)


def test_pauses_grow_to_a_minute() -> None:
    assert [pause_after(n) for n in (0, 1, 2, 3, 6, 100)] == [2, 2, 4, 8, 60, 60]


def test_ready_only_when_every_page_answers() -> None:
    status = status_of(READY, WAITING)
    condition = find_condition(status.conditions, ConditionType.DASHBOARDS_READY)
    assert condition is not None
    assert (condition.status, condition.reason) == ("False", Reason.WAITING)
    assert condition.message == "waiting for demo: There is no voice to hear yet"
    assert condition.observed_generation == 3
    assert [(d.name, d.url, d.ready, d.message) for d in status.dashboards] == [
        ("optuna", "http://127.0.0.1:5002/dashboard", True, ""),
        ("demo", "", False, "There is no voice to hear yet"),
    ]
    done = status_of(READY, before=status, later=5)
    condition = find_condition(done.conditions, ConditionType.DASHBOARDS_READY)
    assert condition is not None
    assert (condition.status, condition.reason) == ("True", Reason.SERVING)
    assert condition.last_transition_time == NOW + timedelta(seconds=5)


def test_a_url_is_told_only_of_a_page_that_answered() -> None:
    early = ObservedDashboard(Dashboard.MLFLOW, url="http://somewhere", message="starting")
    assert status_of(early).dashboards[0].url == ""


def test_without_pages_the_condition_says_why() -> None:
    status = described(TTSStudyStatus(), (), now=NOW, generation=1, disabled="started with --no-dashboards")
    condition = find_condition(status.conditions, ConditionType.DASHBOARDS_READY)
    assert condition is not None
    assert (condition.status, condition.reason) == ("False", Reason.DISABLED)
    assert condition.message == "started with --no-dashboards"
    assert status_of().conditions[0].message == "spec.dashboards enables none"


def test_what_is_new_is_said_once() -> None:
    taken = ObservedDashboard(Dashboard.DEMO, message="every port is taken: 5003")
    assert news((), (READY, WAITING)) == ("optuna: http://127.0.0.1:5002/dashboard",)
    assert news((READY, WAITING), (READY, taken)) == ("demo: every port is taken: 5003",)
    assert news((READY, taken), (READY, taken)) == ()


def test_a_status_stays_below_its_limit_with_pages_in_it() -> None:
    rows = [ActiveTrial(trial=n, attempt=1, state="Running", message="x" * 256) for n in range(110)]
    late = [ObservedDashboard(page, message="y" * 1000) for page in Dashboard]
    status = status_of(*late, before=TTSStudyStatus(active=rows))
    assert len(status.model_dump_json(by_alias=True).encode()) < 32 * 1024
    assert [len(row.message) for row in status.dashboards] == [256] * 4
