"""The one way to Optuna's storage: one cached `RDBStorage` per process, its pool and time-outs explicit.

The composition root makes one `OptunaEngine` per database and gives it to every `OptunaStore`. Optuna's cache holds the
finished trials; a second engine on the same database would read them all again.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import optuna
from optuna.storages import BaseStorage, RDBStorage, get_storage
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from tacotune.adapters.dsn import check_dsn
from tacotune.adapters.storage_errors import translated
from tacotune.ports import InvalidStudy, PermanentError, TransientError

CONNECT_SECONDS = 5
OPTIONS = "-c statement_timeout=30000 -c lock_timeout=10000 -c idle_in_transaction_session_timeout=60000 -c timezone=UTC"
CREATE_ATTEMPTS = 3
Direction = Literal["minimize", "maximize"]


class OptunaEngine:
    """A lazily opened storage that outlives the database's absences.

    Args:
        dsn: Postgres URL. With an `options` of its own the server's time-outs are left to it (PgBouncer refuses ours).
        sleep: Waits between attempts to create a study.
    """

    def __init__(self, dsn: str, *, sleep: Callable[[float], None] = time.sleep, pool_size: int = 4) -> None:
        self._dsn = check_dsn(dsn)
        self._sleep = sleep
        self._pool_size = pool_size
        self._lock = threading.Lock()
        self._database: RDBStorage | None = None
        self._storage: BaseStorage | None = None
        # Optuna prints a line per trial otherwise; what matters is in the status.
        optuna.logging.set_verbosity(optuna.logging.ERROR)

    @property
    def storage(self) -> BaseStorage:
        """The cached storage; the first use makes the tables.

        Raises:
            StorageUnavailable: the database does not answer.
            PermanentError: it refuses, or its tables were made by another Optuna.
        """
        with self._lock:
            if self._storage is None:
                self._database = self._open()
                self._storage = get_storage(self._database)
            return self._storage

    def open_study(self, name: str, directions: Sequence[Direction]) -> int:
        """Create a study, or load the one of that name.

        The database may be away: then it is tried again after 1 s and after 2 s. What waiting cannot cure is raised at once.

        Returns:
            Optuna's id of the study.

        Raises:
            StorageUnavailable: the database stayed away.
            InvalidStudy: the stored study has other directions, which Optuna itself overlooks.
        """
        for attempt in range(CREATE_ATTEMPTS):
            try:
                return self._open_study(name, directions)
            except TransientError:
                if attempt == CREATE_ATTEMPTS - 1:
                    raise
                self._sleep(2.0**attempt)
        raise AssertionError("unreachable")

    def _open_study(self, name: str, directions: Sequence[Direction]) -> int:
        storage = self.storage
        with translated():
            study = optuna.create_study(
                study_name=name, storage=storage, directions=list(directions), load_if_exists=True
            )
            stored = [direction.name.lower() for direction in study.directions]
            if stored != list(directions):
                raise InvalidStudy(
                    f"objective directions cannot change: study {name} is stored with {stored}, "
                    f"the manifest says {list(directions)}; give the study another name"
                )
            return storage.get_study_id_from_name(name)

    @contextmanager
    def exclusive(self, name: str) -> Iterator[Connection]:
        """Keep other processes out of a section on one study: two that ask at once would both ask a trial of one number."""
        number = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), signed=True)
        database = self._opened()
        with translated(), database.engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})
            yield connection

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """All or nothing, for what Optuna's API would do in many steps."""
        with translated(), self._opened().engine.begin() as connection:
            yield connection

    def delete_study(self, name: str, study_id: int) -> None:
        """Drop a study's rows. Those of trials go in bulk: Optuna's own way loads every one of them first."""
        database, storage = self._opened(), self.storage
        with translated():
            with database.engine.begin() as connection:
                for table in TRIAL_TABLES:
                    connection.execute(
                        text(
                            f"DELETE FROM {table} WHERE trial_id IN "  # noqa: S608  the names are constants
                            "(SELECT trial_id FROM trials WHERE study_id = :study)"
                        ),
                        {"study": study_id},
                    )
                connection.execute(text("DELETE FROM trials WHERE study_id = :study"), {"study": study_id})
            try:
                optuna.delete_study(study_name=name, storage=storage)
            except KeyError:
                return  # Another process was quicker.

    def drop(self, name: str) -> None:
        """Drop a study's rows by its name; one that is not there is fine."""
        with translated():
            try:
                study_id = self.storage.get_study_id_from_name(name)
            except KeyError:
                return
        self.delete_study(name, study_id)

    def close(self) -> None:
        """Give every connection back; the next use opens new ones."""
        with self._lock:
            if self._database is not None:
                self._database.engine.dispose()

    def _opened(self) -> RDBStorage:
        _ = self.storage
        assert self._database is not None
        return self._database

    def _open(self) -> RDBStorage:
        connect: dict[str, object] = {
            "connect_timeout": CONNECT_SECONDS,
            "application_name": "tacotune",
            "keepalives": 1,
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
        }
        if "options" not in make_url(self._dsn).query:
            connect["options"] = OPTIONS
        settings = {
            "pool_size": self._pool_size,
            "max_overflow": self._pool_size,
            "pool_timeout": 10,
            "pool_pre_ping": True,
            "pool_recycle": 300,
            "connect_args": connect,
        }
        guard = create_engine(self._dsn, poolclass=NullPool, connect_args=connect)
        # Two processes that meet an empty database would both make the tables, and one would fail. Whoever waits here waits
        # for all tables, not for one row.
        with translated(), guard.begin() as connection:
            connection.execute(text("SET LOCAL lock_timeout = '60s'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": TABLES_LOCK})
            try:
                return RDBStorage(self._dsn, engine_kwargs=settings)
            except RuntimeError as error:
                raise PermanentError(f"the database belongs to another version of Optuna: {error}") from error


TABLES_LOCK = 0x7461636F74756E65
TRIAL_TABLES = (
    "trial_heartbeats",
    "trial_intermediate_values",
    "trial_values",
    "trial_params",
    "trial_user_attributes",
    "trial_system_attributes",
)
