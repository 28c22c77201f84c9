"""The embedded Postgres: one runner at a time, adopted after a kill, under any account and any path."""

import os
import pwd
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest

from support.eventually import eventually
from tacotune.adapters import postgres_install, postgres_server
from tacotune.adapters.postgres import EmbeddedPostgres
from tacotune.adapters.postgres_install import Installation, accessible, find_installation, server_account
from tacotune.adapters.run_lock import RunLock
from tacotune.ports import Busy, PermanentError

pytestmark = pytest.mark.postgres

RUNNER = """
import os, sys
from pathlib import Path
from tacotune.adapters import postgres, postgres_install, postgres_server, run_lock
directory, account = Path(sys.argv[1]), int(sys.argv[2])
if account:  # Everything is imported: the account may not be able to read this Python.
    os.setgroups([]); os.setgid(account); os.setuid(account)
server = postgres.EmbeddedPostgres(directory, settings={"fsync": "off"})
try:
    print(server.start(), flush=True)
except Exception as error:
    print(f"{type(error).__name__}: {error}", flush=True)
    sys.exit(1)
for line in sys.stdin:
    pass
server.stop()
"""


def runner(directory: Path, account: int = 0) -> subprocess.Popen[str]:
    """Another process that holds the server until its input ends."""
    return subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(directory), str(account)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def said(process: subprocess.Popen[str]) -> str:
    """Its first line."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def finish(process: subprocess.Popen[str], *, kill: bool = False) -> None:
    """End a runner in good order, or as the kernel does."""
    if kill:
        process.kill()
    process.communicate()


def query(dsn: str, statement: str) -> object:
    """The one value of a statement."""
    connection = psycopg2.connect(dsn.replace("+psycopg2", ""))
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            row = cursor.fetchone() if cursor.description else None
            return None if row is None else row[0]
    finally:
        connection.close()


def embedded(directory: Path) -> EmbeddedPostgres:
    """A server whose data may be lost."""
    return EmbeddedPostgres(directory, settings={"fsync": "off"})


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with a cluster that the tests of this module start and kill in turn; its path is long."""
    folder = tmp_path_factory.mktemp("run") / ("a-very-long-name-" * 12) / "postgres"
    yield folder
    postgres_server.end(postgres_server.serving(folder / "data") if (folder / "data").exists() else [])


def test_data_outlives_the_server_and_nothing_else_does(directory: Path) -> None:
    with embedded(directory) as server:
        assert len(os.fsencode(directory)) > 107
        dsn = server.dsn
        sockets = Path(dsn.split("host=")[1])
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
        assert query(dsn, "SHOW listen_addresses") == ""
        query(dsn, "CREATE TABLE kept AS SELECT 7 AS number")
        assert server.start() == dsn, "starting twice is starting once"
    assert postgres_server.serving(directory / "data") == []
    assert not sockets.exists()
    with embedded(directory) as server:
        assert server.dsn == dsn
        assert query(dsn, "SELECT number FROM kept") == 7
    server.stop()
    with pytest.raises(RuntimeError, match="not started"):
        _ = server.dsn


def test_fsync_is_on_unless_it_is_asked_off() -> None:
    assert postgres_server.SETTINGS["fsync"] == "on"


def test_a_second_runner_is_refused_and_told_by_whom(directory: Path) -> None:
    first = runner(directory)
    try:
        dsn = said(first)
        assert dsn.startswith("postgresql+psycopg2://")
        with pytest.raises(Busy, match=rf"postgres is in use by process {first.pid}: wait for it") as refused:
            embedded(directory).start()
        assert str(directory) in str(refused.value)
        assert query(dsn, "SELECT 1") == 1
    finally:
        finish(first)
    assert postgres_server.serving(directory / "data") == []


def test_the_server_of_a_killed_runner_is_adopted(directory: Path) -> None:
    first = runner(directory)
    dsn = said(first)
    attempt = psycopg2.connect(dsn.replace("+psycopg2", ""))
    try:
        finish(first, kill=True)
        left = postgres_server.postmaster(directory / "data")
        assert left is not None
        with embedded(directory) as server:
            assert server.dsn == dsn
            assert postgres_server.postmaster(directory / "data") == left
            with attempt.cursor() as cursor:
                cursor.execute("SELECT 1")
                assert cursor.fetchone() == (1,)
            attempt.close()
    finally:
        attempt.close()
    assert postgres_server.serving(directory / "data") == []


def test_a_crash_of_everything_is_recovered_from(directory: Path) -> None:
    first = runner(directory)
    dsn = said(first)
    query(dsn, "CREATE TABLE written AS SELECT 8 AS number")
    left = postgres_server.postmaster(directory / "data")
    assert left is not None
    finish(first, kill=True)
    left[0].send_signal(signal.SIGKILL)
    eventually(lambda: not postgres_server.serving(directory / "data"))
    assert (directory / "data/postmaster.pid").exists()
    with embedded(directory) as server:
        assert query(server.dsn, "SELECT number FROM written") == 8


def test_a_server_that_does_not_answer_is_replaced(directory: Path) -> None:
    first = runner(directory)
    said(first)
    finish(first, kill=True)
    left = postgres_server.postmaster(directory / "data")
    assert left is not None
    for file in left[1].iterdir():
        file.unlink()
    with EmbeddedPostgres(directory, settings={"fsync": "off"}, start_seconds=0.5) as server:
        assert query(server.dsn, "SELECT 1") == 1
    assert not psutil.pid_exists(left[0].pid) or postgres_server.gone(left[0])


def test_a_stale_pid_file_with_the_number_of_a_living_process_harms_nobody(directory: Path) -> None:
    bystander = subprocess.Popen(["sleep", "600"])
    try:
        lines = [str(bystander.pid), "/elsewhere", "1", "5432", "/tmp", "", "1 1", "ready"]
        (directory / "data/postmaster.pid").write_text("\n".join(lines) + "\n", encoding="utf-8")
        assert postgres_server.postmaster(directory / "data") is None
        with embedded(directory) as server:
            assert query(server.dsn, "SELECT 1") == 1
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_foreign_socket_folder_is_not_used(directory: Path) -> None:
    with embedded(directory) as server:
        usual = Path(server.dsn.split("host=")[1])
    usual.mkdir(mode=0o777)
    usual.chmod(0o777)
    try:
        with embedded(directory) as server:
            assert Path(server.dsn.split("host=")[1]) != usual
            assert query(server.dsn, "SELECT 1") == 1
    finally:
        usual.rmdir()


def test_databases_are_made_once(directory: Path) -> None:
    with embedded(directory) as server:
        assert server.create_database("mlflow") == server.create_database("mlflow")
        assert query(server.database_dsn("mlflow"), "SELECT current_database()") == "mlflow"


def test_a_server_that_cannot_start_shows_its_last_words(directory: Path) -> None:
    with pytest.raises(PermanentError, match=r"(?s)did not start in .*invalid value for parameter") as failed:
        EmbeddedPostgres(directory, settings={"shared_buffers": "many"}).start()
    assert "log.txt" in str(failed.value)
    with embedded(directory) as server:
        assert query(server.dsn, "SELECT 1") == 1


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(PermanentError, match="file/run cannot be used for the database"):
        EmbeddedPostgres(tmp_path / "file" / "run").start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_an_ordinary_user_runs_it_as_himself(tmp_path_factory: pytest.TempPathFactory) -> None:
    account = pwd.getpwnam("nobody")
    home = Path("/tmp") / f"tacotune-user-{os.getpid()}"
    home.mkdir(mode=0o700)
    os.chown(home, account.pw_uid, account.pw_gid)
    process = runner(home / "postgres", account.pw_uid)
    try:
        dsn = said(process)
        assert query(dsn, "SELECT 1") == 1
        assert (home / "postgres/log.txt").stat().st_uid == account.pw_uid
    finally:
        finish(process)
        subprocess.run(["rm", "-rf", home], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to give its rights away")
def test_root_opens_no_folder_to_others(directory: Path) -> None:
    parents = [folder for folder in (directory / "data").parents if folder.stat().st_uid == 0]
    before = [folder.stat().st_mode for folder in parents]
    closed = [folder for folder in parents if not folder.stat().st_mode & stat.S_IXOTH]
    assert closed, "pytest keeps its folders to itself; without one this test shows nothing"
    with embedded(directory):
        served = postgres_server.serving(directory / "data")
        assert {process.uids().real for process in served} == {pwd.getpwnam("nobody").pw_uid}
    assert [folder.stat().st_mode for folder in parents] == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to give its rights away")
def test_programs_that_the_account_cannot_reach_are_copied_once(
    tmp_path: Path, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = find_installation(directory / "data")
    hidden = tmp_path / "wheel"
    hidden.mkdir(mode=0o700)
    link = hidden / installed.programs.parent.parent.name
    link.mkdir()
    subprocess.run(["cp", "-a", installed.programs.parent, link], check=True)
    libraries = installed.programs.parent.parent.with_name(link.name + ".libs")
    subprocess.run(["cp", "-a", libraries, hidden], check=True)
    secluded = Installation(installed.version, link / installed.programs.parent.name / "bin")
    # Below pytest's own folders, which are closed to others, the account would not reach the copy either.
    copies = Path(tempfile.mkdtemp(prefix="tacotune-copies-"))
    copies.chmod(0o755)
    monkeypatch.setattr(postgres_install.tempfile, "gettempdir", lambda: str(copies))
    monkeypatch.setattr(postgres_install.tempfile, "tempdir", str(copies))
    try:
        account = server_account(directory / "data")
        assert account is not None
        reached = accessible(secluded, account)
        assert reached.programs.is_relative_to(copies)
        assert accessible(secluded, account) == reached
        with EmbeddedPostgres(tmp_path / "run", installation=secluded, settings={"fsync": "off"}) as server:
            assert query(server.dsn, "SELECT 1") == 1
    finally:
        subprocess.run(["rm", "-rf", copies], check=True)


def test_without_the_wheel_the_error_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_install, "find_spec", lambda _: None)
    with pytest.raises(
        PermanentError, match=r"pip install 'tacotune\[local\]', or name a database with --storage"
    ):
        EmbeddedPostgres(tmp_path / "run").start()


def test_data_of_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/PG_VERSION").write_text("9\n", encoding="ascii")
    with pytest.raises(PermanentError, match=r"was made by Postgres 9, installed are \[16, 18\]"):
        find_installation(tmp_path / "data")


def test_a_lock_is_released_and_taken_again(tmp_path: Path) -> None:
    with RunLock(tmp_path) as first:
        first.acquire()
        with pytest.raises(Busy, match=f"in use by process {os.getpid()}"):
            RunLock(tmp_path).acquire()
    with RunLock(tmp_path):
        pass
