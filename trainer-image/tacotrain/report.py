"""Live reports into Optuna's storage, from a thread of their own: the only place that knows Optuna.

Training is never slowed down and never fails because of the database: values wait in an `Outbox`, a daemon thread delivers
them, and what cannot be delivered is tried again later. On the way the thread reads whether the operator wants the trial to
stop. The trial itself belongs to the operator; nothing here asks or tells.
"""

import logging
import math
import os
import random
import threading
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import unquote, urlsplit

from tacotrain.errors import ConfigError
from tacotrain.outbox import FIRST_RETRY_SECONDS, Outbox, retry_seconds

PROGRESS_ATTRIBUTE: Final = "tacotune:progress"
PRUNE_ATTRIBUTE: Final = "tacotune:prune"
# A network that swallows packets must not hold the thread for hours; TCP's own patience is that long.
_CONNECTION: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "connect_timeout": 5,
        "keepalives_idle": 30,
        "tcp_user_timeout": 30_000,
    }
)
CLOSE_SECONDS: Final = 10.0
"""Longest wait for the last delivery."""

T = TypeVar("T")

log = logging.getLogger(__name__)


class TrialOver(Exception):  # noqa: N818 - not a failure: the operator has settled the trial
    """The trial takes no more values."""


class Unreportable(Exception):  # noqa: N818 - not this trial's failure: training goes on without reports
    """Reporting can never work, whatever the wait."""


class Mailbox(Protocol):
    """Where reports go; every call may take seconds and may fail."""

    def send_value(self, step: int, value: float) -> None:
        """Set an intermediate value."""

    def send_progress(self, document: Mapping[str, Any]) -> None:
        """Set the progress attribute."""

    def stop_reason(self) -> str | None:
        """Why the trial should stop, or None."""


class OptunaMailbox:
    """One trial in Optuna's RDB storage. Each call opens a connection and closes it: hundreds of trials share a database."""

    def __init__(self, url: str, trial_id: int) -> None:
        from optuna.exceptions import UpdateFinishedTrialError  # noqa: PLC0415 - half a second to load; only in the thread
        from optuna.storages import RDBStorage  # noqa: PLC0415
        from sqlalchemy.exc import ArgumentError, NoSuchModuleError  # noqa: PLC0415
        from sqlalchemy.pool import NullPool  # noqa: PLC0415

        self._trial_id = trial_id
        self._over: type[Exception] = UpdateFinishedTrialError
        engine: dict[str, Any] = {"poolclass": NullPool}
        url = with_driver(url)
        if url.startswith("postgresql"):
            engine["connect_args"] = {**_CONNECTION, "application_name": f"tacotrain-{trial_id}"}
        try:
            # The operator made the tables and keeps them current; a trial may not even be allowed to look.
            self._storage = RDBStorage(
                url, engine_kwargs=engine, skip_table_creation=True, skip_compatibility_check=True
            )
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            raise Unreportable("the storage URL cannot be used") from error

    def send_value(self, step: int, value: float) -> None:
        """Set an intermediate value; a step that is there is overwritten."""
        self._call(lambda: self._storage.set_trial_intermediate_value(self._trial_id, step, value))

    def send_progress(self, document: Mapping[str, Any]) -> None:
        """Set the progress attribute."""
        self._call(
            lambda: self._storage.set_trial_user_attr(self._trial_id, PROGRESS_ATTRIBUTE, dict(document))
        )

    def stop_reason(self) -> str | None:
        """Read the operator's decision."""
        trial = self._call(lambda: self._storage.get_trial(self._trial_id))
        if trial.state.is_finished():
            raise TrialOver
        reason = trial.user_attrs.get(PRUNE_ATTRIBUTE)
        return str(reason) if reason else None

    def _call(self, action: Callable[[], T]) -> T:
        try:
            return action()
        except self._over as error:
            raise TrialOver from error
        except KeyError as error:
            raise Unreportable(f"the storage has no trial with id {self._trial_id}") from error


class Reporter:
    """Delivers values and progress in the background.

    Args:
        connect: Makes the mailbox; called in the thread, again after a failure.
        every_seconds: Shortest time between two deliveries.
        redact: Takes secrets out of a message.
    """

    def __init__(
        self,
        connect: Callable[[], Mailbox],
        *,
        every_seconds: float,
        redact: Callable[[str], str] = str,
    ) -> None:
        self._connect = connect
        self._every = every_seconds
        self._redact = redact
        self._lock = threading.Lock()
        self._outbox = Outbox()
        self._open = True
        self._wake = threading.Event()
        self._close_by: float | None = None
        self._stop_reason: str | None = None
        self._jitter = random.Random()
        self._thread = threading.Thread(target=self._run, name="tacotrain-report", daemon=True)
        self._thread.start()

    @property
    def stop_reason(self) -> str | None:
        """Why the operator wants the trial to stop, as of the last delivery."""
        return self._stop_reason

    def value(self, step: int, value: float) -> None:
        """Report the objective at a step; what is not finite is not reported, for no pruner should compare with it."""
        if math.isfinite(value):
            with self._lock:
                self._outbox.put_value(step, value)

    def progress(self, document: Mapping[str, Any]) -> None:
        """Report where the training is."""
        with self._lock:
            self._outbox.put_progress(document)

    def close(self, seconds: float = CLOSE_SECONDS) -> bool:
        """Deliver what waits, within a time; tells whether all of it arrived."""
        self._close_by = time.monotonic() + seconds
        self._wake.set()
        self._thread.join(seconds)
        with self._lock:
            # Values of a trial that is over, or that nobody can take, are not missed.
            left = len(self._outbox.values()) if self._open else 0
        if left:
            log.warning(
                "the database is away: %d values were not reported; result.json has the outcome", left
            )
        return left == 0

    def _run(self) -> None:
        try:
            self._deliver_until_closed()
        except TrialOver:
            self._stop_reason = self._stop_reason or "the study has already settled this trial"
            self._open = False
        except Unreportable as error:
            log.warning("no live reports: %s", error)
            self._open = False

    def _deliver_until_closed(self) -> None:
        mailbox: Mailbox | None = None
        failures = 0
        while True:
            close_by = self._close_by
            try:
                mailbox = mailbox or self._connect()
                self._deliver(mailbox)
                self._note_recovery(failures)
                failures = 0
                if close_by is not None:
                    return
            except (TrialOver, Unreportable):
                raise
            except Exception as error:  # noqa: BLE001 - whatever the database does, training goes on
                mailbox = None
                failures += 1
                self._note_failure(failures, error)
            if close_by is not None and time.monotonic() >= close_by:
                return
            self._wait(failures)

    def _wait(self, failures: int) -> None:
        seconds = retry_seconds(failures, jitter=self._jitter.random()) if failures else self._every
        if self._close_by is not None:
            seconds = min(seconds, FIRST_RETRY_SECONDS / 4)
        self._wake.wait(seconds)
        self._wake.clear()

    def _deliver(self, mailbox: Mailbox) -> None:
        with self._lock:
            values, progress = self._outbox.values(), self._outbox.progress()
        for step, value in values:
            mailbox.send_value(step, value)
            with self._lock:
                self._outbox.delivered_value(step, value)
        if progress is not None:
            mailbox.send_progress(progress)
            with self._lock:
                self._outbox.delivered_progress(progress)
        self._stop_reason = mailbox.stop_reason() or self._stop_reason

    def _note_failure(self, failures: int, error: Exception) -> None:
        if failures == 1:
            text = str(error).strip().splitlines() or [type(error).__name__]
            log.warning("the database is away (%s); values wait, training goes on", self._redact(text[0]))

    def _note_recovery(self, failures: int) -> None:
        if failures:
            log.info("the database is back after %d failed attempts; waiting values were delivered", failures)


def reporter_for(url_env: str, trial_id: int, *, every_seconds: float) -> Reporter:
    """Report into the storage whose DSN is in an environment variable.

    Raises:
        ConfigError: The variable is not set.
    """
    url = os.environ.get(url_env)
    if not url:
        raise ConfigError(f"report.storageUrlEnv: the environment variable {url_env} is not set")
    return Reporter(
        lambda: OptunaMailbox(url, trial_id),
        every_seconds=every_seconds,
        redact=lambda text: redact(text, url),
    )


def with_driver(url: str) -> str:
    """Name the driver that is installed: for a plain `postgresql://`, as Secrets have it, SQLAlchemy takes another one."""
    scheme, separator, rest = url.partition("://")
    return f"postgresql+psycopg2://{rest}" if separator and scheme in {"postgres", "postgresql"} else url


def redact(text: str, url: str) -> str:
    """Take a DSN and its password out of a message."""
    secrets = {url}
    try:
        password = urlsplit(url).password
    except ValueError:
        password = None
    if password:
        secrets |= {password, unquote(password)}
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text
