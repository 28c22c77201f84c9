"""`tacotune migrate` on a real Postgres with passwords: what it makes, and what each role may and may not do."""

import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import psycopg2
import pytest
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool
from typer.testing import CliRunner

from support.builders import study_of
from support.stores import engine_on, store_on
from tacotrain.report import PROGRESS_ATTRIBUTE, PRUNE_ATTRIBUTE, OptunaMailbox
from tacotune.adapters.dsn import libpq_uri
from tacotune.adapters.migration import StorageUrls, check, migrate, patiently
from tacotune.adapters.postgres import EmbeddedPostgres
from tacotune.adapters.stored_study import read_rows
from tacotune.cli.app import app
from tacotune.engine.observed import TrialState as EngineState
from tacotune.ports import PermanentError, StorageUnavailable

pytestmark = pytest.mark.postgres

PASSWORD = "p@ss:w/ord%"


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    """A server that asks everybody but its administrator for a password."""
    with tempfile.TemporaryDirectory(prefix="tacotune-test-") as folder:
        rules = Path(folder, "pg_hba.conf")
        rules.write_text("local all tacotune trust\nlocal all all scram-sha-256\n")
        rules.chmod(0o644)
        Path(folder).chmod(0o755)
        settings = {"fsync": "off", "hba_file": str(rules), "log_statement": "all"}
        with EmbeddedPostgres(Path(folder, "server"), settings=settings) as started:
            yield started


@pytest.fixture
def urls(server: EmbeddedPostgres) -> Iterator[StorageUrls]:
    """Of a server where neither roles nor databases are there yet."""
    yield urls_on(server)
    for database in ("studies", "experiments"):
        execute(server.database_dsn("postgres"), f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
    for role in ("owner", "trial", "reader", "mlflow", "clerk"):
        execute(server.database_dsn("postgres"), f"DROP ROLE IF EXISTS {role}")


@pytest.fixture(scope="module")
def settled(server: EmbeddedPostgres) -> StorageUrls:
    """Of a migrated server, for tests that leave it as it is."""
    urls = urls_on(server, "settled_")
    list(migrate(urls))
    return urls


def urls_on(server: EmbeddedPostgres, prefix: str = "") -> StorageUrls:
    admin = make_url(server.database_dsn("postgres"))

    def url(role: str, database: str) -> str:
        changed = admin.set(username=prefix + role, password=PASSWORD, database=prefix + database)
        return changed.render_as_string(hide_password=False)

    return StorageUrls(
        owner=url("owner", "studies"),
        trial=url("trial", "studies"),
        admin=admin.render_as_string(hide_password=False),
        reader=url("reader", "studies"),
        mlflow=url("mlflow", "experiments"),
    )


def execute(url: str, statement: str) -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(libpq_uri(url))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture
def trial(settled: StorageUrls) -> Iterator[FrozenTrial]:
    """A running trial of the operator's, with attributes that are the operator's alone."""
    storage = RDBStorage(settled.owner, engine_kwargs={"poolclass": NullPool})
    study = optuna.create_study(storage=storage)
    study.set_user_attr("tacotune:startedAt", "now")
    asked = study.ask({"learning_rate": optuna.distributions.FloatDistribution(0.1, 1)})
    storage.set_trial_system_attr(asked._trial_id, "cma:optimizer", "aa")
    storage.set_trial_user_attr(asked._trial_id, "tacotune:attempts", ["one"])
    yield storage.get_trial(asked._trial_id)
    storage.remove_session()


# What is made.


def test_an_empty_server_gets_roles_databases_tables_and_grants(urls: StorageUrls) -> None:
    assert list(migrate(urls)) == [
        "created role owner",
        "set the password of role owner",
        "created role trial",
        "set the password of role trial",
        "limited role trial to 300 connections",
        "set statement_timeout of role trial to 30s",
        "set lock_timeout of role trial to 10s",
        "set idle_in_transaction_session_timeout of role trial to 60s",
        "created role reader",
        "set the password of role reader",
        "set statement_timeout of role reader to 30s",
        "set lock_timeout of role reader to 10s",
        "set idle_in_transaction_session_timeout of role reader to 60s",
        "created role mlflow",
        "set the password of role mlflow",
        "created database studies, owned by owner",
        "created database experiments, owned by mlflow",
        "made Optuna's tables, revision v3.2.0.a",
        "granted the roles their rights",
    ]
    check(urls)


def test_a_second_run_changes_nothing(urls: StorageUrls) -> None:
    list(migrate(urls))
    before = everything(urls)
    assert list(migrate(urls)) == []
    assert everything(urls) == before


def test_eight_runs_at_once_do_no_harm(urls: StorageUrls) -> None:
    lines: list[str] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            lines.extend(migrate(urls))
        except Exception as error:  # noqa: BLE001  whatever it is, the test shows it
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(lines) == len(set(lines)) == 19


def test_a_changed_password_and_limit_are_taken_over(urls: StorageUrls) -> None:
    list(migrate(urls))
    changed = make_url(urls.trial).set(password="another").render_as_string(hide_password=False)
    assert list(migrate(replace(urls, trial=changed), trial_connections=7)) == [
        "set the password of role trial",
        "limited role trial to 7 connections",
    ]
    check(replace(urls, trial=changed))
    with pytest.raises(PermanentError, match="password authentication failed"):
        check(urls)


def test_a_right_that_somebody_gave_away_is_taken_back(urls: StorageUrls) -> None:
    list(migrate(urls))
    execute(urls.owner, "GRANT INSERT ON trial_system_attributes TO trial")
    execute(urls.owner, "GRANT SELECT ON trials TO PUBLIC")
    execute(urls.owner, "ALTER TABLE trial_user_attributes DISABLE ROW LEVEL SECURITY")
    before = execute(urls.owner, "SELECT has_table_privilege('trial', 'trial_system_attributes', 'INSERT')")
    assert list(migrate(urls)) == ["granted the roles their rights"]
    after = execute(urls.owner, "SELECT has_table_privilege('trial', 'trial_system_attributes', 'INSERT')")
    assert (before, after) == ([(True,)], [(False,)])
    assert list(migrate(urls)) == []


def test_tables_of_an_older_optuna_are_brought_up_to_date(urls: StorageUrls) -> None:
    list(migrate(urls))
    execute(urls.owner, "UPDATE alembic_version SET version_num = 'v3.0.0.d'")
    execute(urls.owner, "DROP INDEX IF EXISTS trials_study_id_key")
    assert list(migrate(urls)) == ["brought Optuna's tables from revision v3.0.0.d to v3.2.0.a"]
    assert list(migrate(urls)) == []


def test_tables_of_a_newer_optuna_are_left_alone(urls: StorageUrls) -> None:
    list(migrate(urls))
    execute(urls.owner, "UPDATE alembic_version SET version_num = 'v9.0.0.a'")
    with pytest.raises(PermanentError, match=r"revision v9\.0\.0\.a, newer than v3\.2\.0\.a"):
        list(migrate(urls))


def test_no_password_reaches_the_servers_log(urls: StorageUrls, server: EmbeddedPostgres) -> None:
    list(migrate(urls))
    log = (server._directory / "log.txt").read_text()
    assert "ALTER ROLE" in log
    assert PASSWORD not in log


def test_an_administrator_who_is_no_superuser_suffices(urls: StorageUrls) -> None:
    assert urls.admin is not None
    execute(urls.admin, f"CREATE ROLE clerk LOGIN CREATEROLE CREATEDB PASSWORD '{PASSWORD}'")
    clerk = (
        make_url(urls.admin).set(username="clerk", password=PASSWORD).render_as_string(hide_password=False)
    )
    list(migrate(replace(urls, admin=clerk)))
    check(urls)
    assert list(migrate(urls)) == []
    for database in ("studies", "experiments"):
        execute(urls.admin, f"DROP DATABASE {database} WITH (FORCE)")
    for role in ("owner", "trial", "reader", "mlflow"):
        execute(urls.admin, f"DROP ROLE {role}")


def test_without_an_administrator_what_exists_is_used(urls: StorageUrls) -> None:
    list(migrate(urls))
    assert list(migrate(replace(urls, admin=None))) == []


def test_without_an_administrator_a_missing_role_is_named(urls: StorageUrls) -> None:
    list(migrate(urls))
    other = make_url(urls.trial).set(username="worker").render_as_string(hide_password=False)
    with pytest.raises(PermanentError, match="role 'worker' of TACOTUNE_TRIAL_STORAGE_URL does not exist"):
        list(migrate(replace(urls, admin=None, trial=other)))


def test_a_role_that_somebody_else_made_keeps_its_password(urls: StorageUrls) -> None:
    assert urls.admin is not None
    execute(urls.admin, "CREATE ROLE reader LOGIN PASSWORD 'theirs'")
    assert "set the password of role reader" not in list(migrate(urls))
    with pytest.raises(PermanentError, match='password authentication failed for user "reader"'):
        check(urls)


def test_a_trial_role_that_no_grant_binds_is_refused(urls: StorageUrls) -> None:
    superuser = make_url(urls.trial).set(username="tacotune").render_as_string(hide_password=False)
    with pytest.raises(PermanentError, match="'tacotune' of TACOTUNE_TRIAL_STORAGE_URL is a superuser"):
        list(migrate(replace(urls, trial=superuser)))


@pytest.mark.parametrize(
    ("name", "role", "database", "message"),
    [
        ("trial", "owner", "studies", "TACOTUNE_TRIAL_STORAGE_URL names role 'owner' like another URL"),
        ("reader", "trial", "studies", "names role 'trial' like another URL"),
        ("trial", "trial", "other", "TACOTUNE_TRIAL_STORAGE_URL names database 'other'"),
        ("mlflow", "mlflow", "studies", "TACOTUNE_MLFLOW_STORAGE_URL names Optuna's database"),
    ],
)
def test_urls_that_contradict_each_other_are_refused(
    urls: StorageUrls, name: str, role: str, database: str, message: str
) -> None:
    wrong = make_url(urls.owner).set(username=role, database=database).render_as_string(hide_password=False)
    with pytest.raises(PermanentError, match=message):
        list(migrate(replace(urls, **{name: wrong})))


# What a trial may do.


def test_the_trainers_mailbox_works_as_a_trial(settled: StorageUrls, trial: FrozenTrial) -> None:
    mailbox = OptunaMailbox(libpq_uri(settled.trial), trial._trial_id)  # As the Secret has it.
    mailbox.send_value(50, 1.5)
    mailbox.send_value(50, 1.25)
    mailbox.send_progress({"step": 50})
    mailbox.send_progress({"step": 51})
    assert mailbox.stop_reason() is None
    operator = RDBStorage(settled.owner, engine_kwargs={"poolclass": NullPool})
    operator.set_trial_user_attr(trial._trial_id, PRUNE_ATTRIBUTE, "above the median")
    assert mailbox.stop_reason() == "above the median"
    seen = operator.get_trial(trial._trial_id)
    assert seen.intermediate_values == {50: 1.25}
    assert seen.user_attrs == {
        **trial.user_attrs,
        PROGRESS_ATTRIBUTE: {"step": 51},
        PRUNE_ATTRIBUTE: "above the median",
    }


FORBIDDEN_CALLS: dict[str, Callable[[RDBStorage, int], object]] = {
    "system attribute, which the operator unpickles": (
        lambda s, trial: s.set_trial_system_attr(trial, "cma:optimizer", "80")
    ),
    "another attribute of the trial": lambda s, trial: s.set_trial_user_attr(trial, "tacotune:attempts", []),
    "decision to prune": lambda s, trial: s.set_trial_user_attr(trial, PRUNE_ATTRIBUTE, ""),
    "state and value": lambda s, trial: s.set_trial_state_values(trial, TrialState.COMPLETE, [0.0]),
    "parameter": lambda s, trial: s.set_trial_param(
        trial, "x", 1.0, optuna.distributions.FloatDistribution(0, 1)
    ),
    "study's attribute": lambda s, trial: s.set_study_user_attr(1, "tacotune:finalTrial", 0),
    "study's system attribute": lambda s, trial: s.set_study_system_attr(1, "x", 0),
    "new trial": lambda s, trial: s.create_new_trial(1),
    "new study": lambda s, trial: s.create_new_study([optuna.study.StudyDirection.MINIMIZE]),
    "deleted study": lambda s, trial: s.delete_study(1),
}


@pytest.mark.parametrize("call", FORBIDDEN_CALLS.values(), ids=FORBIDDEN_CALLS)
@pytest.mark.parametrize("role", ["trial", "reader"])
def test_optuna_refuses_a_trial_and_a_reader(
    settled: StorageUrls, trial: FrozenTrial, role: str, call: Callable[[RDBStorage, int], object]
) -> None:
    before = everything(settled)
    url = settled.trial if role == "trial" else settled.reader
    assert url is not None
    storage = RDBStorage(url, engine_kwargs={"poolclass": NullPool}, skip_table_creation=True)
    with pytest.raises(optuna.exceptions.StorageInternalError) as caught:
        call(storage, trial._trial_id)
    storage.remove_session()
    words = str(caught.value.__cause__)
    assert "permission denied" in words or "violates row-level security policy" in words
    assert everything(settled) == before


TABLES = (
    "studies",
    "study_directions",
    "study_user_attributes",
    "study_system_attributes",
    "trials",
    "trial_params",
    "trial_values",
    "trial_intermediate_values",
    "trial_user_attributes",
    "trial_system_attributes",
    "trial_heartbeats",
    "version_info",
    "alembic_version",
)


def test_the_rights_on_every_table_are_these_and_no_others(settled: StorageUrls) -> None:
    rows = execute(
        settled.owner,
        "SELECT role, relname, string_agg(privilege, ' ' ORDER BY privilege) FROM pg_class, "
        "unnest(ARRAY['settled_trial', 'settled_reader', 'settled_mlflow']) role, "
        "unnest(ARRAY['SELECT','INSERT','UPDATE','DELETE','TRUNCATE','REFERENCES','TRIGGER','MAINTAIN']) privilege "
        "WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' "
        "AND CASE WHEN privilege IN ('SELECT','INSERT','UPDATE','REFERENCES') "
        "THEN has_any_column_privilege(role, pg_class.oid, privilege) "
        "ELSE has_table_privilege(role, pg_class.oid, privilege) END GROUP BY 1, 2",
    )
    closed_to_trials = {"study_system_attributes", "trial_heartbeats"}
    wanted = {("settled_reader", table): "SELECT" for table in TABLES}
    wanted |= {("settled_trial", table): "SELECT" for table in TABLES if table not in closed_to_trials}
    wanted["settled_trial", "trial_intermediate_values"] = "INSERT SELECT UPDATE"
    wanted["settled_trial", "trial_user_attributes"] = "INSERT SELECT UPDATE"
    assert {(role, table): rights for role, table, rights in rows} == wanted


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM trial_intermediate_values",
        "TRUNCATE trial_intermediate_values",
        "UPDATE trial_intermediate_values SET trial_id = 2",
        "UPDATE trial_user_attributes SET key = 'tacotune:prune'",
        "DELETE FROM trial_user_attributes",
        "CREATE TABLE mine (x int)",
        "CREATE TEMPORARY TABLE mine (x int)",
        "ALTER ROLE settled_trial CONNECTION LIMIT -1",
        "SET ROLE settled_owner",
        "SELECT pg_read_file('/etc/passwd')",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "SELECT rolpassword FROM pg_authid",
    ],
)
def test_postgres_refuses_a_trial(settled: StorageUrls, trial: FrozenTrial, statement: str) -> None:
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        execute(settled.trial, statement)


def test_a_trial_cannot_change_the_operators_attributes_in_bulk(
    settled: StorageUrls, trial: FrozenTrial
) -> None:
    before = everything(settled)
    execute(
        settled.trial, "UPDATE trial_user_attributes SET value_json = '[]' WHERE key != 'tacotune:progress'"
    )
    assert everything(settled) == before


def test_a_trial_cannot_enter_mlflows_database_nor_mlflow_optunas(settled: StorageUrls) -> None:
    assert settled.mlflow is not None
    for url, database in ((settled.trial, "settled_experiments"), (settled.mlflow, "settled_studies")):
        wrong = make_url(url).set(database=database).render_as_string(hide_password=False)
        with pytest.raises(psycopg2.OperationalError, match=f'permission denied for database "{database}"'):
            execute(wrong, "SELECT 1")


def test_trials_hold_no_more_connections_than_allowed(urls: StorageUrls) -> None:
    list(migrate(urls, trial_connections=1))
    with (
        closing(psycopg2.connect(libpq_uri(urls.trial))),
        pytest.raises(psycopg2.OperationalError, match='too many connections for role "trial"'),
    ):
        execute(urls.trial, "SELECT 1")
    execute(urls.owner, "SELECT 1")


# What a reader may do.


def test_a_reader_sees_a_trial_as_the_operator_does(settled: StorageUrls, trial: FrozenTrial) -> None:
    assert settled.reader is not None
    storage = RDBStorage(settled.reader, engine_kwargs={"poolclass": NullPool}, skip_table_creation=True)
    assert storage.get_trial(trial._trial_id) == trial
    storage.remove_session()


def test_a_person_reads_a_study_as_reader_and_makes_nothing(urls: StorageUrls) -> None:
    study = study_of()
    assert urls.reader is not None
    list(migrate(urls))
    assert read_rows(urls.reader, study).trials == (), "the operator has not begun it"
    with engine_on(urls.owner) as engine:
        store = store_on(engine, study.spec)
        store.ask(0, "sha256:0")
        store.tell(0, EngineState.COMPLETE, [0.5], metrics={"tts_score": 0.5})
        store.ask(1, "sha256:0")
        before = everything(urls)
        stored = read_rows(urls.reader, study)
        assert everything(urls) == before
        assert list(stored.trials) == list(store.trials())
        assert stored.record == store.record()


def test_a_reader_sees_tables_that_a_later_optuna_makes(urls: StorageUrls) -> None:
    list(migrate(urls))
    execute(urls.owner, "CREATE TABLE later (x int)")
    assert urls.reader is not None
    assert execute(urls.reader, "SELECT * FROM later") == []
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        execute(urls.trial, "SELECT * FROM later")


# The command.


def environment(urls: StorageUrls) -> dict[str, str]:
    assert urls.admin is not None
    assert urls.reader is not None
    assert urls.mlflow is not None
    return {
        "TACOTUNE_ADMIN_STORAGE_URL": urls.admin,
        "TACOTUNE_STORAGE_URL": urls.owner,
        "TACOTUNE_TRIAL_STORAGE_URL": urls.trial,
        "TACOTUNE_READER_STORAGE_URL": urls.reader,
        "TACOTUNE_MLFLOW_STORAGE_URL": urls.mlflow,
    }


def test_the_command_prints_changes_then_that_nothing_is_left_to_do(urls: StorageUrls) -> None:
    runner = CliRunner(env=environment(urls))
    first, second, looked = (
        runner.invoke(app, ["migrate", *more]) for more in ([], ["--wait", "1"], ["--check"])
    )
    assert first.exit_code == second.exit_code == looked.exit_code == 0
    assert "created database studies" in first.output
    assert second.output == "nothing to do\n"
    assert looked.output == "every role can log in, the tables are there\n"
    assert PASSWORD not in first.output


def test_the_check_fails_before_the_migration(urls: StorageUrls) -> None:
    result = CliRunner(env=environment(urls)).invoke(app, ["migrate", "--check"])
    assert result.exit_code == 64
    assert "password authentication failed" in result.output


def test_a_missing_url_is_named() -> None:
    with pytest.raises(PermanentError, match="TACOTUNE_TRIAL_STORAGE_URL is not set"):
        StorageUrls.from_environment({"TACOTUNE_STORAGE_URL": "postgresql://a@b/c"})


def test_a_database_that_is_away_is_waited_for_until_the_time_is_over() -> None:
    waits: list[float] = []
    now = iter(range(100))

    def action() -> None:
        if len(waits) < 3:
            raise StorageUnavailable("away")

    patiently(action, 10, sleep=waits.append, clock=lambda: next(now))
    assert waits == [2.0, 2.0, 2.0]
    waits.clear()
    with pytest.raises(StorageUnavailable):
        patiently(action, 2, sleep=waits.append, clock=lambda: next(now))
    assert waits == [2.0]


def everything(urls: StorageUrls) -> list[tuple[Any, ...]]:
    """All that a migration may touch, and the content of the tables."""
    assert urls.admin is not None
    roles = execute(
        urls.admin,
        "SELECT rolname, rolpassword, rolconnlimit, (SELECT array_agg(setconfig::text) FROM pg_db_role_setting "
        "WHERE setrole = pg_authid.oid) FROM pg_authid WHERE oid >= 16384 ORDER BY rolname",
    )
    rights = execute(
        urls.owner,
        "SELECT 'relation', oid::int, relname, relacl::text, relrowsecurity::text FROM pg_class WHERE relnamespace = 'public'::regnamespace "
        "UNION ALL SELECT 'column', attrelid::int, attname, attacl::text, '' FROM pg_attribute "
        "WHERE attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace) "
        "UNION ALL SELECT 'database', oid::int, datname, datacl::text, datdba::text FROM pg_database "
        "UNION ALL SELECT 'policy', oid::int, polname, polroles::text, '' FROM pg_policy ORDER BY 1, 2, 3",
    )
    content = [
        (table, *row) for table in TABLES for row in execute(urls.owner, f"SELECT * FROM {table} ORDER BY 1")
    ]
    return [*roles, *rights, *content]
