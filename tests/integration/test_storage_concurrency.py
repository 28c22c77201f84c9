"""S1: many processes on one study, without locks that shut others out and without numbers given twice."""

import sqlite3
from pathlib import Path

import optuna
import psycopg2
import pytest

from support.storage_workers import SPEC, X, ask_and_tell, in_processes, open_at_once, race
from support.stores import engine_on, space_of, store_on
from tacotune.adapters.dsn import check_dsn
from tacotune.engine.observed import TrialState

pytestmark = pytest.mark.postgres


def test_eight_processes_ask_and_tell_without_errors_or_double_numbers(postgres_dsn: str) -> None:
    with engine_on(postgres_dsn) as engine:
        engine.open_study("shared", ["minimize"])
        answers = in_processes(ask_and_tell, 8, postgres_dsn, "shared", 25)
        stored = optuna.load_study(study_name="shared", storage=engine.storage).get_trials(deepcopy=False)
    assert sorted(number for numbers in answers for number in numbers) == list(range(200))
    assert [trial.number for trial in stored] == list(range(200))
    assert {trial.state for trial in stored} == {optuna.trial.TrialState.COMPLETE}


def test_two_leaders_at_once_ask_every_trial_once(postgres_dsn: str) -> None:
    answers = in_processes(race, 3, postgres_dsn, 10)
    assert answers == [list(range(10))] * 3
    with engine_on(postgres_dsn) as engine:
        trials = store_on(engine, SPEC).trials()
    assert [trial.number for trial in trials] == list(range(10))
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
    assert len({trial.parameters["x"] for trial in trials}) == 10


def test_tables_and_study_are_made_once_by_those_who_come_together(postgres_dsn: str) -> None:
    assert in_processes(open_at_once, 3, postgres_dsn) == [1] * 3


def test_a_writer_in_mid_transaction_keeps_nobody_out(postgres_dsn: str) -> None:
    with engine_on(postgres_dsn) as engine:
        store = store_on(engine, SPEC)
        store.ask(0, "sha256:0")
        writer = psycopg2.connect(check_dsn(postgres_dsn).replace("+psycopg2", ""))
        try:
            with writer.cursor() as cursor:
                cursor.execute(
                    "INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type) "
                    "VALUES (%s, 1, 0.5, 'FINITE')",
                    (store.storage_trial_id(0),),
                )
                assert store.ask(1, "sha256:0") == 1
                store.tell(1, TrialState.COMPLETE, [0.5])
                assert [trial.state for trial in store.trials()] == [TrialState.RUNNING, TrialState.COMPLETE]
        finally:
            writer.close()


def test_control_on_sqlite_the_same_writer_locks_everybody_out(tmp_path: Path) -> None:
    """Optuna 5 waits 5 s for SQLite's lock and then tries again, so 8 x 25 trials pass there, each waiting for all others.

    What the waiting hides is shown by a writer who takes longer: the whole file is locked.
    """
    path = tmp_path / "study.db"
    storage = optuna.storages.RDBStorage(
        f"sqlite:///{path}", engine_kwargs={"connect_args": {"timeout": 0.1}}
    )
    try:
        study = optuna.create_study(storage=storage, sampler=optuna.samplers.RandomSampler(seed=0))
        trials = [study.ask(), study.ask()]
        writer = sqlite3.connect(path)
        try:
            writer.execute(
                "INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type) "
                "VALUES (1, 1, 0.5, 'FINITE')"
            )
            with pytest.raises(optuna.exceptions.StorageInternalError) as locked:
                study.tell(trials[1], 0.5)
            assert "database is locked" in str(locked.value.__cause__)
        finally:
            writer.close()
    finally:
        storage.engine.dispose()


def test_connections_are_counted_and_limited_in_time(postgres_dsn: str) -> None:
    with engine_on(postgres_dsn) as engine:
        store = store_on(engine, space_of(X))
        store.ask(0, "sha256:0")
        reader = psycopg2.connect(check_dsn(postgres_dsn).replace("+psycopg2", ""))
        try:
            with reader.cursor() as cursor:
                cursor.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tacotune' "
                    "AND datname = current_database()"
                )
                row = cursor.fetchone()
        finally:
            reader.close()
        assert row is not None
        assert 1 <= row[0] <= 4
        names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
        with engine.exclusive("settings") as connection:
            shown = {name: connection.exec_driver_sql(f"SHOW {name}").scalar() for name in names}
    assert shown == {
        "statement_timeout": "30s",
        "lock_timeout": "10s",
        "idle_in_transaction_session_timeout": "1min",
    }
