"""Database URLs: which ones are taken, and how they are shown without their password."""

import re

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from tacotune.ports import PermanentError

_IN_URL = re.compile(r"(?P<head>\b[a-z][a-z0-9+.]*://[^\s:/@?]*):(?P<password>[^\s@]*)@", re.IGNORECASE)
_IN_WORDS = re.compile(r"(?P<head>\bpassword\s*=\s*)(?P<password>'[^']*'|[^\s&]+)", re.IGNORECASE)


def redact(text: str) -> str:
    """Hide every password of a database URL or a `password=` in a text that will be shown or logged."""
    return _IN_WORDS.sub(r"\g<head>***", _IN_URL.sub(r"\g<head>:***@", text))


def check_dsn(dsn: str, source: str = "--storage") -> str:
    """Check a user's database URL and give it the driver that is installed.

    Args:
        dsn: The URL.
        source: Where it was given, for the error's message.

    Raises:
        PermanentError: it is no URL of a Postgres database.
    """
    try:
        url: URL = make_url(dsn.strip())
    except ArgumentError as error:
        raise PermanentError(
            f"{source} is not a database URL; it looks like postgresql://user:password@host:5432/database"
        ) from error
    backend, _, driver = url.drivername.partition("+")
    if backend == "sqlite":
        raise PermanentError(
            f"{source}: SQLite locks up under parallel trials; name a Postgres database "
            "(`tacotune run` without --storage brings its own)"
        )
    if backend not in {"postgresql", "postgres"} or driver not in {"", "psycopg2"}:
        raise PermanentError(f"{source}: only postgresql:// is supported, not {url.drivername}://")
    if not url.database:
        raise PermanentError(f"{source}: {redact(dsn)} names no database")
    return url.set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)


def libpq_uri(dsn: str) -> str:
    """The same URL as libpq and psycopg2 take it, without the name of SQLAlchemy's driver."""
    return make_url(dsn).set(drivername="postgresql").render_as_string(hide_password=False)
