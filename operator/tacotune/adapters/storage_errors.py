"""Errors of Optuna, SQLAlchemy and psycopg2 become those of `ports`, at this one border.

Whether waiting helps is decided by Postgres's own error classes; a connection that fails has none, there its words decide.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tacotune.adapters.dsn import redact
from tacotune.ports import PermanentError, StorageUnavailable, TacotuneError

TRANSIENT_CODES = (
    "08",  # connection exception
    "25P03",  # idle in transaction for too long
    "40",  # deadlock, serialization failure
    "53",  # too many connections, disk full, out of memory
    "55P03",  # lock not available in time
    "57",  # shutting down, starting up, statement timeout
    "58",  # system error of the server
    "XX",  # internal error
)
PERMANENT_WORDS = (
    "password authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "invalid connection option",
    "unsupported startup parameter",
    "does not exist",
    "permission denied for",
    "invalid dsn",
    "invalid uri",
)


@contextmanager
def translated() -> Iterator[None]:
    """Raise this module's translation of whatever the storage raises."""
    try:
        yield
    except (StorageInternalError, SQLAlchemyError, psycopg2.Error) as error:
        raise translate(error) from error


def translate(error: BaseException) -> TacotuneError:
    """The port's error for one of the storage; its message is short and free of passwords."""
    inner = _innermost(error)
    if isinstance(inner, PoolTimeout):
        return StorageUnavailable("every connection to the database is in use")
    message = redact(_sentence(inner))
    if isinstance(inner, psycopg2.Error) and not _transient(inner):
        return PermanentError(f"the database refuses: {message}")
    if isinstance(inner, psycopg2.Error):
        return StorageUnavailable(f"the database does not answer: {message}")
    return PermanentError(f"the database cannot be used: {message}")


def _transient(error: psycopg2.Error) -> bool:
    if error.pgcode is not None:
        return error.pgcode.startswith(TRANSIENT_CODES)
    if not isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError):
        return False
    words = str(error).lower()
    # A socket that is not there yet "does not exist" as well, but no role and no database is meant.
    missing_file = "no such file" in words
    return missing_file or not any(permanent in words for permanent in PERMANENT_WORDS)


def _innermost(error: BaseException) -> BaseException:
    while True:
        if isinstance(error, DBAPIError) and error.orig is not None:
            return error.orig
        if error.__cause__ is None or isinstance(error, psycopg2.Error):
            return error
        error = error.__cause__


def _sentence(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else text[:299] + "…"
