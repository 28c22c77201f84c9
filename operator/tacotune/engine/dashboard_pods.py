"""What to do about a study's pages in a cluster, from what is there. Pure; `adapters.kube_dashboards` sees and acts.

A page waits for the study's volume to be bound: the first pod that mounts it decides where a volume of one node lies, and that
is for a trial with its GPU to decide. A page that nobody looked at ends with a word; it then rests at no replicas until somebody
says that it is wanted.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from tacotune.api.dashboards import Dashboard
from tacotune.api.kubernetes import DashboardsSpec
from tacotune.engine.dashboards import ObservedDashboard, wanted


@dataclass(frozen=True, slots=True)
class PageState:
    """One page as the cluster has it."""

    dashboard: Dashboard
    document_hash: str = ""
    """Of the objects as they were applied."""
    resting_since: datetime | None = None
    """It was scaled to zero then."""
    ended_idle_at: datetime | None = None
    """Its newest pod ended, by its own word for want of visitors."""
    ready: bool = False
    """Its pod has answered 200."""
    message: str = ""
    """Why it has not."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What pages stand on."""

    volume_bound: bool
    volume_message: str = ""
    """Why a page may not mount the volume at all, or what it waits for."""
    volume_shared: bool = True
    """False: one pod at a time may mount it."""
    lacks: Mapping[Dashboard, str] | None = None
    """What the installation lacks for a page."""
    opened_at: datetime | None = None
    """When a person last said that pages are wanted."""
    urls: Mapping[Dashboard, str] | None = None


@dataclass(frozen=True, slots=True)
class Serve:
    """Make a page's objects, or bring them in line; `resting_since`: with no replicas."""

    dashboard: Dashboard
    port: int
    resting_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Remove:
    """Delete a page's objects."""

    dashboard: Dashboard


@dataclass(frozen=True, slots=True)
class PagesPlan:
    """What to do, and what to say."""

    steps: tuple[Serve | Remove, ...]
    seen: tuple[ObservedDashboard, ...]


def plan_pages(
    spec: DashboardsSpec,
    states: Iterable[PageState],
    ground: Ground,
    hash_of: Callable[[Serve], str],
) -> PagesPlan:
    """Decide.

    Args:
        spec: Which pages are wanted.
        states: Those that are there, whether or not they are wanted.
        ground: What they stand on.
        hash_of: Of the objects that a page should have.
    """
    there = {state.dashboard: state for state in states}
    steps: list[Serve | Remove] = []
    seen: list[ObservedDashboard] = []
    for dashboard, port in wanted(spec):
        state = there.pop(dashboard, None)
        if hindrance := _hindrance(dashboard, ground):
            seen.append(ObservedDashboard(dashboard, message=hindrance))
            continue
        resting = rests(state, ground)
        step = Serve(dashboard, port, resting)
        if state is None or state.document_hash != hash_of(step):
            steps.append(step)
        seen.append(_seen(dashboard, state, resting, ground))
    steps += [Remove(dashboard) for dashboard in there]
    return PagesPlan(tuple(steps), tuple(seen))


def rests(state: PageState | None, ground: Ground) -> datetime | None:
    """Since when a page should have no replicas; None: it should serve."""
    if state is None:
        return None
    since = state.resting_since or state.ended_idle_at
    if since is not None and ground.opened_at is not None and ground.opened_at > since:
        return None
    return since


def _hindrance(dashboard: Dashboard, ground: Ground) -> str:
    if lack := (ground.lacks or {}).get(dashboard):
        return lack
    if not ground.volume_shared:
        return "the volume is ReadWriteOncePod: a page would keep trials from it"
    if not ground.volume_bound:
        return ground.volume_message or "waits for the volume, which the first trial's pod binds"
    return ""


def _seen(
    dashboard: Dashboard, state: PageState | None, resting: datetime | None, ground: Ground
) -> ObservedDashboard:
    url = (ground.urls or {}).get(dashboard, "")
    if state is None:
        return ObservedDashboard(dashboard, message="starting")
    if resting is not None:
        return ObservedDashboard(
            dashboard,
            message=f"asleep since {resting:%Y-%m-%dT%H:%M:%SZ}, nobody had looked: kubectl tacotune dashboards STUDY --wake",
        )
    return ObservedDashboard(
        dashboard, url=url, ready=state.ready, message="" if state.ready else state.message
    )
