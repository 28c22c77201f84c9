"""The pages of a study under `tacotune run`: which, with what, and what the person at the terminal is told of them."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

from tacotune.adapters.dashboard_processes import LOOK_SECONDS, DashboardProcesses, Page
from tacotune.adapters.postgres import EmbeddedPostgres
from tacotune.api import names
from tacotune.api.dashboards import Dashboard
from tacotune.api.status import TTSStudyStatus
from tacotune.api.study import TTSStudy
from tacotune.api.study_key import StudyKey
from tacotune.controller.reconcile import Outcome
from tacotune.engine.dashboards import ObservedDashboard, described, wanted
from tacotune.local.rundir import RunDirectory
from tacotune.ports import Clock

MLFLOW_DATABASE: Final = "mlflow"
_LACKS_DATABASE: Final = (
    f"cannot start without a database of its own: name one in {names.MLFLOW_STORAGE_URL}, beside --storage"
)


@dataclass(frozen=True, slots=True)
class Databases:
    """What the pages read, and where MLflow keeps its own."""

    reader: str
    mlflow: str
    """Empty where there is none."""

    @classmethod
    def beside(cls, storage: str, environment: Mapping[str, str]) -> Self:
        """Those of a person who brought a Postgres: by the environment, as in a cluster."""
        return cls(
            environment.get(names.READER_STORAGE_URL, "") or storage,
            environment.get(names.MLFLOW_STORAGE_URL, ""),
        )


def processes(study: TTSStudy, root: Path, databases: Databases) -> DashboardProcesses:
    """The pages that the study wants, for a `with`."""
    metadata = study.metadata
    return DashboardProcesses(
        tuple(_page(dashboard, port, databases) for dashboard, port in wanted(study.spec.dashboards)),
        study_directory=root.resolve(),
        study_name=StudyKey(metadata.namespace, metadata.name, metadata.uid).storage_name,
        logs=root / "dashboards",
    )


def _page(dashboard: Dashboard, port: int, databases: Databases) -> Page:
    match dashboard:
        case Dashboard.MLFLOW:
            lacks = "" if databases.mlflow else _LACKS_DATABASE
            return Page(
                dashboard,
                port,
                {names.READER_STORAGE_URL: databases.reader, names.MLFLOW_STORAGE_URL: databases.mlflow},
                lacks,
            )
        case Dashboard.OPTUNA:
            return Page(dashboard, port, {names.READER_STORAGE_URL: databases.reader})
        case Dashboard.TENSORBOARD | Dashboard.DEMO:
            return Page(dashboard, port, {})


def news(before: Sequence[ObservedDashboard], now: Sequence[ObservedDashboard]) -> tuple[str, ...]:
    """A line for each page that has become ready, or that cannot be."""
    known = {page.dashboard: page for page in before}
    lines = []
    for page in now:
        earlier = known.get(page.dashboard)
        if page.ready and not (earlier is not None and earlier.ready):
            lines.append(f"{page.dashboard.value}: {page.url}")
        elif _trouble(page) and not (earlier is not None and earlier.message == page.message):
            lines.append(f"{page.dashboard.value}: {page.message}")
    return tuple(lines)


def _trouble(page: ObservedDashboard) -> bool:
    return page.message.startswith(("every port", "ended", "cannot"))


class Shown:
    """What of the pages stands in the status, and what was said of them.

    Args:
        pages: None where none are to be served.
        say: Prints a line.
    """

    def __init__(self, pages: DashboardProcesses | None, say: Callable[[str], None]) -> None:
        self._pages = pages
        self._say = say
        self._before: tuple[ObservedDashboard, ...] = ()

    def on(self, outcome: Outcome) -> Outcome:
        """A pass's outcome with the pages in its status; what is new of them is said."""
        seen = self._pages.seen if self._pages is not None else ()
        self._tell(seen)
        observed = outcome.observed
        status = described(
            outcome.status,
            seen,
            now=observed.now,
            generation=observed.generation,
            disabled="" if self._pages is not None else "started with --no-dashboards",
        )
        return replace(outcome, status=status)

    def until(
        self, wake: threading.Event, outcome: Outcome, clock: Clock, write: Callable[[TTSStudyStatus], None]
    ) -> None:
        """Serve on after the study's end, until Ctrl-C.

        Args:
            wake: Set by Ctrl-C.
            outcome: Of the last pass.
            clock: The time.
            write: Keeps a status in which a page has changed.
        """
        assert self._pages is not None
        self._say("the dashboards stay until Ctrl-C")
        for page in self._before:
            self._say(f"  {page.dashboard.value:<12} {page.url if page.ready else page.message}")
        wake.clear()
        while not wake.wait(LOOK_SECONDS):
            if self._pages.seen != self._before:
                outcome = replace(outcome, observed=replace(outcome.observed, now=clock.now()))
                outcome = self.on(outcome)
                write(outcome.status)

    def _tell(self, seen: tuple[ObservedDashboard, ...]) -> None:
        for line in news(self._before, seen):
            self._say(line)
        self._before = seen


def serve(
    run: RunDirectory,
    runs: Path,
    *,
    storage: str | None,
    say: Callable[[str], None],
    opened: Callable[[str], object] | None = None,
) -> None:
    """Serve the pages of a study that does not run, until Ctrl-C or SIGTERM.

    Args:
        run: Its folder.
        runs: The folder of all runs, with the embedded Postgres.
        storage: DSN of another Postgres.
        say: Prints a line.
        opened: Is called with the URL of each page that has become ready.
    """
    study = run.read_study()
    with contextlib.ExitStack() as stack:
        if storage is None:
            postgres = stack.enter_context(EmbeddedPostgres(runs.resolve() / ".postgres"))
            databases = Databases(postgres.dsn, postgres.create_database(MLFLOW_DATABASE))
        else:
            databases = Databases.beside(storage, os.environ)
        told = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: told.set())
        pages = stack.enter_context(processes(study, run.root, databases))
        say("starting; Ctrl-C ends them")
        before: tuple[ObservedDashboard, ...] = ()
        while not told.wait(LOOK_SECONDS):
            seen = pages.seen
            for line in news(before, seen):
                say(line)
            if opened is not None:
                for url in _opened(before, seen):
                    opened(url)
            before = seen


def _opened(before: Sequence[ObservedDashboard], now: Sequence[ObservedDashboard]) -> tuple[str, ...]:
    known = {page.dashboard for page in before if page.ready}
    return tuple(page.url for page in now if page.ready and page.dashboard not in known)
