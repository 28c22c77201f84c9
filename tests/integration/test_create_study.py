"""S2: a study is created once, by patience where patience helps, and at once refused where it does not."""

from collections.abc import Callable
from typing import Any

import psycopg2
import pytest
from sqlalchemy.engine import make_url

from support.postgres import sever
from support.stores import LEARNING_RATE, engine_on, space_of, store_on
from tacotune.adapters.dsn import check_dsn, redact
from tacotune.adapters.optuna_engine import OptunaEngine
from tacotune.adapters.postgres import EmbeddedPostgres
from tacotune.ports import InvalidStudy, PermanentError, StorageUnavailable

pytestmark = pytest.mark.postgres

SPEC = space_of(LEARNING_RATE)


class Waits(list[float]):
    """Instead of sleeping: what was waited, and what happens at each wait."""

    def __init__(self, *events: Callable[[], Any]) -> None:
        super().__init__()
        self._events = list(events)

    def __call__(self, seconds: float) -> None:
        self.append(seconds)
        if len(self) <= len(self._events):
            self._events[len(self) - 1]()


def test_a_database_away_for_two_attempts_is_waited_for(
    postgres_server: EmbeddedPostgres, postgres_dsn: str
) -> None:
    back = sever(postgres_server, postgres_dsn)
    waits = Waits(lambda: None, back)
    with engine_on(postgres_dsn, sleep=waits) as engine:
        store = store_on(engine, SPEC)
        assert list(store.trials()) == []
    assert waits == [1.0, 2.0]


def test_a_database_that_stays_away_is_an_error_after_three_attempts() -> None:
    waits = Waits()
    with (
        engine_on("postgresql://nobody:secret@/none?host=/nowhere", sleep=waits) as engine,
        pytest.raises(StorageUnavailable, match="does not answer") as error,
    ):
        store_on(engine, SPEC)
    assert waits == [1.0, 2.0]
    assert "secret" not in str(error.value)


def test_a_database_that_refuses_is_not_waited_for(postgres_dsn: str) -> None:
    wrong = make_url(postgres_dsn).set(database="missing").render_as_string(hide_password=False)
    with engine_on(wrong) as engine, pytest.raises(PermanentError, match='database "missing" does not exist'):
        store_on(engine, SPEC)


def test_the_same_name_is_the_same_study(postgres_dsn: str) -> None:
    with engine_on(postgres_dsn) as engine:
        first = engine.open_study("voice", ["minimize"])
        assert engine.open_study("voice", ["minimize"]) == first
        assert engine.open_study("other", ["minimize"]) != first


@pytest.mark.parametrize("directions", [["maximize"], ["minimize", "minimize"]], ids=["turned", "one more"])
def test_changed_directions_are_refused_though_optuna_overlooks_them(
    module_postgres_dsn: str, directions: list[Any]
) -> None:
    with engine_on(module_postgres_dsn) as engine:
        engine.open_study("voice", ["minimize"])
        with pytest.raises(InvalidStudy, match="directions cannot change"):
            engine.open_study("voice", directions)


def test_tables_of_another_optuna_are_refused(postgres_dsn: str) -> None:
    with engine_on(postgres_dsn) as engine:
        engine.open_study("voice", ["minimize"])
    connection = psycopg2.connect(postgres_dsn.replace("+psycopg2", ""))
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("UPDATE alembic_version SET version_num = 'v0.9.0.a'")
    finally:
        connection.close()
    with engine_on(postgres_dsn) as engine, pytest.raises(PermanentError, match="another version of Optuna"):
        engine.open_study("voice", ["minimize"])


@pytest.mark.parametrize(
    ("dsn", "words"),
    [
        ("voices", "not a database URL"),
        ("sqlite:///study.db", "SQLite locks up"),
        ("mysql://host/db", "only postgresql://"),
        ("postgresql+asyncpg://host/db", "only postgresql://"),
        ("postgresql://user:hunter2@host", "names no database"),
    ],
)
def test_a_storage_that_cannot_be_used_is_refused_with_advice(dsn: str, words: str) -> None:
    with pytest.raises(PermanentError, match=words) as error:
        check_dsn(dsn)
    assert "hunter2" not in str(error.value)


def test_a_url_is_taken_with_or_without_its_driver() -> None:
    wanted = "postgresql+psycopg2://user:p%40ss@host:5433/optuna?sslmode=require"
    for given in ("postgres", "postgresql", "postgresql+psycopg2"):
        assert check_dsn(wanted.replace("postgresql+psycopg2", given)) == wanted


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at postgresql://user:p4ss@host/db now", "at postgresql://user:***@host/db now"),
        ("postgresql+psycopg2://user:a:b@/db?host=/tmp", "postgresql+psycopg2://user:***@/db?host=/tmp"),
        ("host=x password=p4ss dbname=y", "host=x password=*** dbname=y"),
        ("nothing to hide: http://host/path", "nothing to hide: http://host/path"),
    ],
)
def test_passwords_are_not_shown(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_an_engine_checks_its_url_before_anything_else() -> None:
    with pytest.raises(PermanentError, match="SQLite"):
        OptunaEngine("sqlite://")
