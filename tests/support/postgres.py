"""A Postgres for tests: one embedded server for the session, a fresh database for each test that asks for one."""

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy.engine import make_url

from tacotune.adapters.postgres import EmbeddedPostgres

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[EmbeddedPostgres]:
    """The session's server, in a folder outside pytest's own: those are kept, and its data is not worth keeping."""
    folder = Path(tempfile.mkdtemp(prefix="tacotune-test-"))
    try:
        # Nothing here has to outlive a power failure; with fsync the databases of the tests take half a minute to close.
        with EmbeddedPostgres(folder, settings={"fsync": "off"}) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_dsn(postgres_server: EmbeddedPostgres) -> str:
    """URL of an empty database."""
    return postgres_server.create_database(f"test_{os.getpid()}_{next(_numbers)}")


@pytest.fixture(scope="module")
def module_postgres_dsn(postgres_server: EmbeddedPostgres) -> str:
    """URL of a database that the tests of one module share; making Optuna's tables takes a moment."""
    return postgres_server.create_database(f"module_{os.getpid()}_{next(_numbers)}")


def sever(server: EmbeddedPostgres, dsn: str) -> Callable[[], None]:
    """Take one database away from everybody: connections end, new ones are refused. Returns what brings it back."""
    name = make_url(dsn).database
    assert name is not None

    def execute(command: str) -> None:
        connection = psycopg2.connect(server.database_dsn("postgres").replace("+psycopg2", ""))
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(command)
        finally:
            connection.close()

    execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    return lambda: execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
