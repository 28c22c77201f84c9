"""`tacotune migrate`: a Postgres is made to fit the URLs that the pods are given, before any of them starts.

    admin   makes what is missing: the roles and databases that the other URLs name      (may be absent: then they must exist)
    owner   makes Optuna's tables, or brings them up to date, and grants the rights      (the operator)
    trial   reads, reports values and progress, nothing else                             (the trainer's pods)
    reader  reads                                                                        (dashboards)
    mlflow  owns a database of its own: MLflow and Optuna both keep a table alembic_version

Everything compares before it writes, so a second run does nothing, and one run waits for another: they may come from every
start of the operator.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Self

import psycopg2
from optuna.storages import RDBStorage
from psycopg2.extensions import connection as Connection  # noqa: N812  psycopg2 names its class in lower case
from sqlalchemy.pool import NullPool

from tacotune.adapters.database_grants import ensure_grants
from tacotune.adapters.database_roles import Administrator, Login, ensure_database, ensure_role
from tacotune.adapters.dsn import check_dsn, libpq_uri
from tacotune.adapters.optuna_engine import TABLES_LOCK
from tacotune.adapters.storage_errors import translated
from tacotune.ports import PermanentError, TransientError

ADMIN_ENV: Final = "TACOTUNE_ADMIN_STORAGE_URL"
OWNER_ENV: Final = "TACOTUNE_STORAGE_URL"
TRIAL_ENV: Final = "TACOTUNE_TRIAL_STORAGE_URL"
READER_ENV: Final = "TACOTUNE_READER_STORAGE_URL"
MLFLOW_ENV: Final = "TACOTUNE_MLFLOW_STORAGE_URL"

TRIAL_CONNECTIONS: Final = 300
RETRY_SECONDS: Final = 2.0
_RUN_LOCK: Final = 0x7461636F4D494752
_GUARDS: Final[Mapping[str, str]] = {
    # Of the role, not of the connection: PgBouncer refuses such settings from a client.
    "statement_timeout": "30s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "60s",
}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StorageUrls:
    """The URLs of all roles, as the pods will be given them."""

    owner: str
    trial: str
    admin: str | None = None
    reader: str | None = None
    mlflow: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the environment; empty is absent.

        Raises:
            PermanentError: one is missing, or is no URL of a Postgres database.
        """

        def wanted(name: str) -> str | None:
            value = environment.get(name, "").strip()
            return check_dsn(value, name) if value else None

        owner, trial = wanted(OWNER_ENV), wanted(TRIAL_ENV)
        if owner is None or trial is None:
            missing = OWNER_ENV if owner is None else TRIAL_ENV
            raise PermanentError(
                f"the environment variable {missing} is not set: the URL of the role that "
                f"{'owns the tables' if owner is None else 'reports from trials'}"
            )
        return cls(owner, trial, wanted(ADMIN_ENV), wanted(READER_ENV), wanted(MLFLOW_ENV))


@dataclass(frozen=True, slots=True)
class _Logins:
    owner: Login
    trial: Login
    reader: Login | None
    mlflow: Login | None

    def all(self) -> Iterator[Login]:
        yield self.owner
        yield self.trial
        if self.reader is not None:
            yield self.reader
        if self.mlflow is not None and self.mlflow.role != self.owner.role:
            yield self.mlflow


def migrate(urls: StorageUrls, *, trial_connections: int = TRIAL_CONNECTIONS) -> Iterator[str]:
    """Make what is missing; yields a line for each change.

    Raises:
        StorageUnavailable: the database does not answer.
        PermanentError: it refuses, or what it holds contradicts the URLs.
    """
    logins = _logins(urls, trial_connections)
    with _connected(urls.admin or urls.owner) as connection:
        # Held until the connection ends; whoever comes second finds everything done.
        _execute(connection, "SELECT pg_advisory_lock(%s)", _RUN_LOCK)
        with translated():
            administrator = Administrator.of(connection)
            for login in logins.all():
                yield from ensure_role(connection, administrator, login)
            yield from ensure_database(connection, administrator, logins.owner)
            if logins.mlflow is not None:
                yield from ensure_database(connection, administrator, logins.mlflow)
        yield from _ensure_tables(urls.owner)
        with _connected(urls.owner, autocommit=False) as owner, translated():
            _refuse_superuser(owner, logins.trial)
            reader = logins.reader.role if logins.reader else None
            if ensure_grants(owner, logins.owner.database, logins.trial.role, reader):
                yield "granted the roles their rights"


def check(urls: StorageUrls) -> None:
    """Log in as every role, and see that the tables are there.

    Raises:
        StorageUnavailable: the database does not answer.
        PermanentError: a role cannot log in or read, or the tables are missing.
    """
    for url in filter(None, (urls.owner, urls.trial, urls.reader)):
        with _connected(url) as connection:
            _execute(connection, "SELECT count(*) FROM studies, alembic_version")
    if urls.mlflow is not None:
        with _connected(urls.mlflow) as connection:
            _execute(connection, "SELECT 1")


def patiently(
    action: Callable[[], None],
    seconds: float,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Do something; while the database is away, do it again for so many seconds.

    Raises:
        TransientError: it stayed away.
    """
    deadline = clock() + seconds
    while True:
        try:
            return action()
        except TransientError as error:
            if clock() >= deadline:
                raise
            log.info("%s; again in %g s", error, RETRY_SECONDS)
            sleep(RETRY_SECONDS)


def _logins(urls: StorageUrls, trial_connections: int) -> _Logins:
    owner = Login.from_url(urls.owner, OWNER_ENV)
    trial = Login.from_url(urls.trial, TRIAL_ENV, connections=trial_connections, settings=_GUARDS)
    reader = Login.from_url(urls.reader, READER_ENV, settings=_GUARDS) if urls.reader else None
    mlflow = Login.from_url(urls.mlflow, MLFLOW_ENV) if urls.mlflow else None
    if mlflow is not None and mlflow.database == owner.database:
        raise PermanentError(
            f"{MLFLOW_ENV} names Optuna's database {owner.database!r}: both keep a table alembic_version, "
            "and each would take the other's for its own; name another database"
        )
    names = [login.role for login in (owner, trial, reader) if login is not None]
    for other in filter(None, (trial, reader)):
        if other.database != owner.database:
            raise PermanentError(
                f"{other.source} names database {other.database!r}, {OWNER_ENV} {owner.database!r}: name one"
            )
        if names.count(other.role) > 1:
            raise PermanentError(
                f"{other.source} names role {other.role!r} like another URL: give each a role of its own"
            )
    return _Logins(owner, trial, reader, mlflow)


@contextmanager
def _connected(url: str, *, autocommit: bool = True) -> Iterator[Connection]:
    with translated():
        connection = psycopg2.connect(libpq_uri(url), connect_timeout=5, application_name="tacotune-migrate")
    try:
        connection.autocommit = autocommit
        yield connection
    finally:
        connection.close()


def _execute(connection: Connection, statement: str, *values: object) -> None:
    with translated(), connection.cursor() as cursor:
        cursor.execute(statement, values or None)


def _ensure_tables(url: str) -> Iterator[str]:
    with _connected(url, autocommit=False) as connection:
        # The same lock as of an operator that meets an empty database.
        _execute(connection, "SELECT pg_advisory_xact_lock(%s)", TABLES_LOCK)
        before = _revision(connection)
        with translated():
            storage = RDBStorage(url, engine_kwargs={"poolclass": NullPool}, skip_compatibility_check=True)
            head = storage.get_head_version()
            if before is None:
                yield f"made Optuna's tables, revision {head}"
            elif before not in storage.get_all_versions():
                raise PermanentError(
                    f"Optuna's tables have revision {before}, newer than {head} of this tacotune: "
                    "install the newer tacotune again, or name another database"
                )
            elif before != head:
                storage.upgrade()
                yield f"brought Optuna's tables from revision {before} to {head}"


def _revision(connection: Connection) -> str | None:
    with translated(), connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('alembic_version') IS NOT NULL")
        if cursor.fetchone() != (True,):
            return None
        cursor.execute("SELECT version_num FROM alembic_version")
        row = cursor.fetchone()
    return str(row[0]) if row else None


def _refuse_superuser(connection: Connection, trial: Login) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = %s", (trial.role,))
        if cursor.fetchone() == (True,):
            raise PermanentError(
                f"role {trial.role!r} of {trial.source} is a superuser or bypasses row security: "
                "no grant binds it; name another role"
            )
