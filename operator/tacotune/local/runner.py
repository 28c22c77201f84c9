"""`tacotune run`: the operator's reconcile in a loop, on one machine.

    manifest -> study.json -> Postgres -> (observe -> plan -> act) until settled -> the best voice

The first Ctrl-C lets every attempt checkpoint and stops; the same command again goes on. A second one kills them.
"""

import contextlib
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Self

from rich.live import Live

from tacotune.adapters.clock import SystemClock
from tacotune.adapters.dashboard_processes import DashboardProcesses
from tacotune.adapters.optuna_engine import OptunaEngine
from tacotune.adapters.optuna_store import OptunaStore
from tacotune.adapters.postgres import EmbeddedPostgres
from tacotune.adapters.processes import ProcessCluster
from tacotune.adapters.run_lock import RunLock
from tacotune.api.conditions import Phase
from tacotune.api.status import TTSStudyStatus
from tacotune.api.study import TTSStudy
from tacotune.api.study_key import StudyKey
from tacotune.controller.reconcile import Outcome, Reconciler
from tacotune.engine.events import Event
from tacotune.engine.observed import Observed
from tacotune.local import preflight
from tacotune.local.dashboards import MLFLOW_DATABASE, Databases, Shown, processes
from tacotune.local.final_page import leave_page
from tacotune.local.messages import Messages
from tacotune.local.options import RunOptions
from tacotune.local.report import console, print_end, trial_rows
from tacotune.local.rundir import RunDirectory
from tacotune.local.view import live_view, progress_line
from tacotune.ports import PermanentError, TacotuneError

EXIT_OK, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_KILLED = 0, 1, 75, 130


def run_study(study: TTSStudy, base: Path, options: RunOptions) -> int:
    """Run a study to its end, or as far as Ctrl-C lets it.

    Args:
        study: The manifest.
        base: Folder that relative paths of the manifest start from.
        options: The command line.

    Returns:
        Exit code: 0 succeeded, 1 failed, 75 interrupted and ready to continue, 130 killed.

    Raises:
        RunError: the manifest does not suit this machine or contradicts an earlier run.
        Busy: another runner holds this directory.
    """
    study = preflight.localized(study, base)
    warm_start = preflight.warm_start(study.spec, options.directory)
    directory = RunDirectory.of(options.directory, study.metadata.name)
    directory.root.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        stack.enter_context(RunLock(directory.root))
        study = preflight.continued(study, directory)
        directory.write_study(study)
        screen = Screen(options)
        key = StudyKey(study.metadata.namespace, study.metadata.name, study.metadata.uid)
        if options.storage is None:
            screen.say(f"starting Postgres in {options.directory / '.postgres'}")
            postgres = stack.enter_context(EmbeddedPostgres(options.directory.resolve() / ".postgres"))
            dsn = postgres.dsn
            databases = Databases(
                dsn, postgres.create_database(MLFLOW_DATABASE) if options.dashboards else ""
            )
        else:
            dsn = options.storage
            databases = Databases.beside(dsn, os.environ)
        cluster = ProcessCluster(
            directory.root.resolve(),
            key,
            storage_url=dsn,
            threads=preflight.threads_per_attempt(study.spec.parallelism),
            warm_start=warm_start,
        )
        engine = OptunaEngine(dsn)
        stack.callback(engine.close)
        clock = SystemClock()
        reconciler = Reconciler(OptunaStore(engine, key, clock), cluster, clock)
        pages = processes(study, directory.root, databases) if options.dashboards else None
        try:
            if pages is not None:
                stack.enter_context(pages)
            with Messages(study, directory, screen.say) as messages:
                return _drive(study, reconciler, cluster, directory, screen, messages, options, dsn, pages)
        except BaseException:
            # Nothing of a run stays behind unattended: attempts write their checkpoints and end.
            cluster.stop_all("the runner failed")
            raise


@dataclass
class Interrupts:
    """How often the person pressed Ctrl-C, and a bell that wakes the loop."""

    count: int = 0

    def __post_init__(self) -> None:
        self.wake = threading.Event()

    def press(self, _number: int, _frame: FrameType | None) -> None:
        """Signal handler of SIGINT and SIGTERM."""
        self.count += 1
        self.wake.set()

    def child_ended(self, _number: int, _frame: FrameType | None) -> None:
        """Signal handler of SIGCHLD."""
        self.wake.set()

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Handle signals meanwhile; outside the main thread (tests) there is nothing to install."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        handlers = {signal.SIGINT: self.press, signal.SIGTERM: self.press, signal.SIGCHLD: self.child_ended}
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _drive(  # noqa: PLR0917  one call, each argument a part of the run
    study: TTSStudy,
    reconciler: Reconciler,
    cluster: ProcessCluster,
    directory: RunDirectory,
    screen: "Screen",
    messages: Messages,
    options: RunOptions,
    dsn: str,
    pages: DashboardProcesses | None,
) -> int:
    interrupts = Interrupts()
    status = TTSStudyStatus()
    written = ""
    shown = Shown(pages, screen.say)
    with interrupts.installed(), screen:
        while True:
            interrupts.wake.clear()
            outcome = shown.on(
                reconciler.run_once(study, interrupted=interrupts.count > 0, previous_status=status)
            )
            status = outcome.status
            screen.show(outcome)
            written = _mirror(directory, outcome, written)
            screen.tell(outcome.observed, messages.tell(outcome))
            if interrupts.count > 1:
                cluster.kill_all()
                screen.say(
                    "killed; finished trials are kept, the same command goes on from the last checkpoints"
                )
                return EXIT_KILLED
            if outcome.ended:
                break
            if interrupts.count and outcome.idle:
                screen.say(
                    "stopped; every trial is checkpointed. The same command goes on where this one stopped"
                )
                return EXIT_INTERRUPTED
            if outcome.error is not None:
                screen.trouble(outcome.error)
                if isinstance(outcome.error, PermanentError):
                    raise outcome.error
            if interrupts.count == 1 and not screen.told_stopping:
                screen.told_stopping = True
                screen.say("stopping: trials write their checkpoints (Ctrl-C again kills them)")
            if not outcome.actions:
                wait = options.poll_seconds if outcome.requeue_after is None else outcome.requeue_after
                interrupts.wake.wait(min(wait, options.poll_seconds))
    screen.say("writing the study page")
    key = StudyKey(study.metadata.namespace, study.metadata.name, study.metadata.uid)
    print_end(outcome, directory, options, leave_page(directory, key, dsn, screen.say))
    if pages is not None and options.keep_dashboards:
        with interrupts.installed():
            shown.until(interrupts.wake, outcome, SystemClock(), directory.write_status)
    return EXIT_OK if status.phase is Phase.SUCCEEDED else EXIT_FAILED


def _mirror(directory: RunDirectory, outcome: Outcome, written: str) -> str:
    """Write status.json and trials.json when something changed; returns what stands there now."""
    fresh = outcome.status.model_dump_json(exclude={"estimated_completion_time"})
    if fresh != written:
        directory.write_status(outcome.status)
        directory.write_trials(trial_rows(outcome.observed, directory))
    return fresh


class Screen:
    """Where the run is shown: a live table on a terminal, lines elsewhere."""

    def __init__(self, options: RunOptions) -> None:
        self._options = options
        self._console = console(stderr=options.json)
        self._live: Live | None = None
        self._notes: deque[str] = deque(maxlen=6)
        self._started: datetime | None = None
        self._last_line = 0.0
        self._trouble = ""
        self.told_stopping = False
        self._tables = options.live and not options.quiet and self._console.is_terminal

    def __enter__(self) -> Self:
        if self._tables:
            self._live = Live(
                console=self._console, auto_refresh=False, transient=True, vertical_overflow="crop"
            )
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def say(self, message: str) -> None:
        """One line about the run itself."""
        if self._options.quiet:
            return
        if self._live is not None:
            self._live.console.print(message, style="dim")
        else:
            self._console.print(message, style="dim", soft_wrap=True)
        sys.stdout.flush()

    def trouble(self, error: TacotuneError) -> None:
        """What cut a pass short, once per message."""
        if str(error) != self._trouble:
            self._trouble = str(error)
            self.say(f"waiting: {error}")

    def show(self, outcome: Outcome) -> None:
        """Show one pass."""
        if self._options.quiet:
            return
        observed, status = outcome.observed, outcome.status
        self._started = self._started or observed.now
        self.tell(observed, outcome.events)
        if self._live is not None:
            self._live.update(live_view(observed, status, tuple(self._notes), self._started), refresh=True)
            return
        elapsed = (observed.now - self._started).total_seconds()
        if elapsed - self._last_line >= 10:
            self._last_line = elapsed
            self._console.print(progress_line(observed, status, self._started), soft_wrap=True)

    def tell(self, observed: Observed, events: Iterable[Event]) -> None:
        """Show events as lines."""
        if not self._options.quiet:
            for event in events:
                self._event(observed, event)

    def _event(self, observed: Observed, event: Event) -> None:
        line = f"{observed.now.astimezone():%H:%M:%S} {event.reason}: {event.message}"
        self._notes.append(line)
        if self._live is None:
            self._console.print(line, soft_wrap=True, style="yellow" if event.kind == "Warning" else None)
