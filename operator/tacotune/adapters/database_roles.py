"""Roles and databases of a Postgres, made as an administrator; `migration` is the only caller.

Each function compares before it writes and answers with what it changed: a second run answers with nothing. A role that
somebody else made is never given another password: on a shared server `reader` may be anybody's.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Self

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812  psycopg2 names its class in lower case
from psycopg2.extensions import cursor as Cursor  # noqa: N812
from psycopg2.extensions import encrypt_password
from sqlalchemy.engine import make_url

from tacotune.ports import PermanentError

MARK = "made by tacotune migrate"
"""Comment of the roles that are ours to change."""
UNLIMITED = -1
_SCRAM = re.compile(r"SCRAM-SHA-256\$(\d+):([^$]+)\$([^:]+):(.+)")


@dataclass(frozen=True, slots=True)
class Login:
    """A role as a URL names it, and what the server should hold it to."""

    role: str
    password: str | None
    """None leaves authentication to the server: certificates, peer, a cloud's identity."""
    database: str
    source: str
    """The environment variable that carries the URL, for messages."""
    connections: int = UNLIMITED
    settings: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def from_url(
        cls,
        url: str,
        source: str,
        *,
        connections: int = UNLIMITED,
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> Self:
        """Take a checked URL apart.

        Raises:
            PermanentError: it names no user.
        """
        parts = make_url(url)
        assert parts.database is not None
        if not parts.username:
            raise PermanentError(
                f"{source} names no user; it looks like postgresql://user:password@host/database"
            )
        password = str(parts.password) if parts.password else None
        return cls(parts.username, password, parts.database, source, connections, settings)


@dataclass(frozen=True, slots=True)
class Administrator:
    """What the role that we are connected as may do."""

    role: str
    superuser: bool
    creates_roles: bool
    reads_passwords: bool

    @classmethod
    def of(cls, connection: Connection) -> Self:
        """Ask the server."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT rolname, rolsuper, rolsuper OR rolcreaterole, has_table_privilege('pg_catalog.pg_authid', 'SELECT') "
                "FROM pg_roles WHERE rolname = current_user"
            )
            row = cursor.fetchone()
        assert row is not None
        return cls(*row)


def ensure_role(connection: Connection, administrator: Administrator, login: Login) -> Iterator[str]:
    """Make a role that can log in with this password, and hold it to its limits.

    Raises:
        PermanentError: it must be made or changed, and we may not.
    """
    name = sql.Identifier(login.role)
    with connection.cursor() as cursor:
        if not _exists(cursor, login.role):
            if not administrator.creates_roles:
                raise PermanentError(
                    f"role {login.role!r} of {login.source} does not exist, and {administrator.role!r} may not create roles: "
                    "set TACOTUNE_ADMIN_STORAGE_URL to an administrator's URL for one run, or have the role made"
                )
            cursor.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
            cursor.execute(sql.SQL("COMMENT ON ROLE {} IS {}").format(name, sql.Literal(MARK)))
            yield f"created role {login.role}"
        if not administrator.creates_roles or not _is_ours(cursor, login.role):
            return
        if login.password is not None and not _has_password(
            cursor, administrator, login.role, login.password
        ):
            # The server would log a plain password with its statement; it never sees one.
            secret = encrypt_password(login.password, login.role, scope=connection, algorithm="scram-sha-256")
            cursor.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(name, sql.Literal(secret)))
            yield f"set the password of role {login.role}"
        yield from _limit(cursor, login)


def ensure_database(connection: Connection, administrator: Administrator, login: Login) -> Iterator[str]:
    """Make a database that belongs to this role, closed to everybody else."""
    database, owner = sql.Identifier(login.database), sql.Identifier(login.role)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (login.database,))
        if cursor.fetchone() is not None:
            return
        if not administrator.superuser and administrator.role != login.role:
            # To give something away one must be able to become its new owner.
            cursor.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(owner))
        cursor.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, owner))
        cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
        yield f"created database {login.database}, owned by {login.role}"


def _limit(cursor: Cursor, login: Login) -> Iterator[str]:
    name = sql.Identifier(login.role)
    cursor.execute(
        "SELECT rolconnlimit, coalesce(rolconfig, '{}') FROM pg_roles WHERE rolname = %s", (login.role,)
    )
    row = cursor.fetchone()
    assert row is not None
    connections, settings = row
    if connections != login.connections:
        cursor.execute(
            sql.SQL("ALTER ROLE {} CONNECTION LIMIT {}").format(name, sql.Literal(login.connections))
        )
        yield f"limited role {login.role} to {login.connections} connections"
    for setting, value in login.settings.items():
        if f"{setting}={value}" not in settings:
            cursor.execute(
                sql.SQL("ALTER ROLE {} SET {} = {}").format(name, sql.Identifier(setting), sql.Literal(value))
            )
            yield f"set {setting} of role {login.role} to {value}"


def _exists(cursor: Cursor, role: str) -> bool:
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,))
    return cursor.fetchone() is not None


def _is_ours(cursor: Cursor, role: str) -> bool:
    cursor.execute("SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = %s", (role,))
    return cursor.fetchone() == (MARK,)


def _has_password(cursor: Cursor, administrator: Administrator, role: str, password: str) -> bool:
    """Whether the server keeps this very password; False as well when it does not show."""
    if not administrator.reads_passwords:
        return False
    cursor.execute("SELECT rolpassword FROM pg_catalog.pg_authid WHERE rolname = %s", (role,))
    row = cursor.fetchone()
    found = _SCRAM.fullmatch(row[0]) if row is not None and row[0] else None
    if found is None:
        return False
    iterations, salt, stored, _ = found.groups()
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(iterations))
    key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    return hmac.compare_digest(key, base64.b64decode(stored))
