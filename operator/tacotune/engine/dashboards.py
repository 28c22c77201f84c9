"""Which pages a study has, and what its status says of them. Pure; called by both drivers, who start and watch the pages.

A page is never in the way of a trial: whatever is wrong with one stands in the status, and in nothing else.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tacotune.api.conditions import Condition, ConditionType, Reason, set_condition
from tacotune.api.dashboards import Dashboard
from tacotune.api.kubernetes import DashboardsSpec
from tacotune.api.status import DashboardStatus, TTSStudyStatus
from tacotune.engine.status import fit

PORTS_TRIED: Final = 10
PORT_STEP: Final = 10
FIRST_PAUSE: Final = 2.0
LONGEST_PAUSE: Final = 60.0
MAX_MESSAGE: Final = 256


@dataclass(frozen=True, slots=True)
class ObservedDashboard:
    """One page as a driver sees it."""

    dashboard: Dashboard
    url: str = ""
    """Where a person finds it, once it has answered."""
    ready: bool = False
    """It has answered 200."""
    message: str = ""
    """Why it is not ready."""


def wanted(spec: DashboardsSpec) -> tuple[tuple[Dashboard, int], ...]:
    """Pages that are enabled, each with its port."""
    return tuple(
        (dashboard, setting.port)
        for dashboard in Dashboard
        if (setting := getattr(spec, dashboard.value)).enabled
    )


def candidates(port: int) -> tuple[int, ...]:
    """Ports of one machine to try for a page, in order: 5000, 5010, 5020, … (what another page may want is not among them)."""
    return tuple(p for n in range(PORTS_TRIED) if (p := port + n * PORT_STEP) <= 65_535)


def pause_after(failures: int) -> float:
    """Seconds until a page that ended so many times in a row is started again."""
    return float(min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(max(failures, 1) - 1, 10)))


def described(
    status: TTSStudyStatus,
    pages: Iterable[ObservedDashboard],
    *,
    now: datetime,
    generation: int,
    disabled: str = "",
) -> TTSStudyStatus:
    """A status with what is known of the pages.

    Args:
        status: The status otherwise.
        pages: All pages that are wanted, ready or not.
        now: The time of a condition that changes.
        generation: Of the study.
        disabled: Why there are no pages at all, other than that the study wants none.
    """
    seen = tuple(pages)
    condition = Condition(
        type=ConditionType.DASHBOARDS_READY,
        status="True" if seen and all(page.ready for page in seen) else "False",
        reason=_reason(seen),
        message=_sentence(seen, disabled),
        last_transition_time=now,
        observed_generation=generation,
    )
    rows = [
        DashboardStatus(
            name=page.dashboard.value,
            url=page.url if page.ready else "",
            ready=page.ready,
            message="" if page.ready else page.message[:MAX_MESSAGE],
        )
        for page in seen
    ]
    return fit(
        status.model_copy(
            update={"dashboards": rows, "conditions": set_condition(status.conditions, condition)}
        )
    )


def _reason(pages: Sequence[ObservedDashboard]) -> Reason:
    if not pages:
        return Reason.DISABLED
    return Reason.SERVING if all(page.ready for page in pages) else Reason.WAITING


def _sentence(pages: Sequence[ObservedDashboard], disabled: str) -> str:
    if not pages:
        return disabled or "spec.dashboards enables none"
    late = [
        f"{page.dashboard.value}: {page.message}" if page.message else page.dashboard.value
        for page in pages
        if not page.ready
    ]
    return f"waiting for {'; '.join(late)}"[:1024] if late else "every enabled dashboard answers"
