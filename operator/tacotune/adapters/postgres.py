"""A Postgres of one's own for `tacotune run` without `--storage`, and for tests; the local driver makes and holds it.

    <directory>/
      lock        held by the runner; names its process
      data/       the cluster
      log.txt     the server's words

It listens on a unix socket only, in a short folder of its own that nobody else may enter (socket paths end at 107 bytes,
run directories need not). A runner that was killed leaves the server running, so that attempts can go on reporting; the
next start adopts it.
"""

import hashlib
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

import psutil
import psycopg2
from psycopg2 import sql

from tacotune.adapters import postgres_server as server
from tacotune.adapters.postgres_install import Installation, accessible, find_installation, server_account
from tacotune.adapters.run_lock import RunLock
from tacotune.ports import Missing, PermanentError

DATABASE = "optuna"
MAX_SOCKET_PATH = 103
"""Bytes of a unix socket's path that every system takes (Linux 107, macOS 103)."""
START_SECONDS = 60.0
"""Longest wait for one start. A crash recovery reads the write-ahead log; a busy machine takes its time."""


class EmbeddedPostgres:
    """One Postgres server in one directory, as long as this object is started.

    Args:
        directory: Of the server; made when it is missing.
        installation: Other programs than those of the wheel.
        settings: Of `postgresql.conf`, over our own.
        start_seconds: Longest wait for one start.
    """

    def __init__(
        self,
        directory: Path,
        *,
        installation: Installation | None = None,
        settings: Mapping[str, str] = MappingProxyType({}),
        start_seconds: float = START_SECONDS,
    ) -> None:
        self._directory = directory.absolute()
        self._installation = installation
        self._settings = settings
        self._start_seconds = start_seconds
        self._lock = RunLock(self._directory)
        self._process: psutil.Process | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._sockets: Path | None = None

    def start(self) -> str:
        """Start the server, or adopt the one that a killed runner has left.

        Returns:
            SQLAlchemy's URL of the database for Optuna.

        Raises:
            Busy: another runner holds the directory.
            PermanentError: the wheel is missing, or the server cannot run here; the message says what to do.
        """
        if self._process is not None:
            return self.dsn
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except OSError as error:
            raise PermanentError(f"{self._directory} cannot be used for the database: {error}") from error
        try:
            self._start()
            return self.create_database(DATABASE)
        except OSError as error:
            self.stop()
            raise PermanentError(
                f"Postgres does not start in {self._directory}: {error}; "
                "run as an ordinary user, or name a database with --storage"
            ) from error
        except BaseException:
            self.stop()
            raise

    @property
    def dsn(self) -> str:
        """SQLAlchemy's URL of the database for Optuna; only while started."""
        return self.database_dsn(DATABASE)

    def database_dsn(self, name: str) -> str:
        """SQLAlchemy's URL of a database of this server."""
        if self._sockets is None:
            raise RuntimeError("the embedded Postgres is not started")
        return server.dsn(self._sockets, name)

    def create_database(self, name: str) -> str:
        """Make a database unless it is there; returns its URL."""
        url = self.database_dsn(name)
        connection = psycopg2.connect(host=str(self._sockets), user=server.OWNER, dbname="postgres")
        try:
            connection.autocommit = True  # CREATE DATABASE refuses transactions.
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
                if cursor.fetchone() is None:
                    cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        finally:
            connection.close()
        return url

    def stop(self) -> None:
        """End the server in good order and give the directory back; harmless when nothing runs."""
        if self._process is not None:
            server.end([self._process])
            self._process = None
        if self._child is not None:
            self._child.wait()
            self._child = None
        if self._sockets is not None:
            shutil.rmtree(self._sockets, ignore_errors=True)
            self._sockets = None
        self._lock.release()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self) -> None:
        data = self._directory / "data"
        if data.exists() and self._adopt(data):
            return
        account = server_account(data)
        installation = accessible(self._installation or find_installation(data), account)
        place = server.Place(installation, account, data, self._directory / "log.txt")
        if not data.exists():
            server.initialize(place)
        # Postgres refuses to start beside a foreign process that by now has the number in this file (in a new container
        # almost every number comes again). Nothing serves the folder: the file means nothing.
        (data / "postmaster.pid").unlink(missing_ok=True)
        self._sockets = _socket_folder(data, account.user if account else os.geteuid())
        for _ in range(2):
            self._child = server.spawn(place, self._sockets, self._settings)
            self._process = psutil.Process(self._child.pid)
            if server.await_answer(self._process, self._sockets, self._start_seconds):
                return
            server.end([self._process])
            self._child.wait()
        raise PermanentError(
            f"Postgres did not start in {self._directory} within {self._start_seconds:g} s; "
            f"the end of {place.log}:\n{server.tail(place.log)}"
        )

    def _adopt(self, data: Path) -> bool:
        """Take over the server of a killed runner. One that does not answer is ended, so that a fresh one can start."""
        left = server.postmaster(data)
        if left is not None:
            process, sockets = left
            if server.await_answer(process, sockets, self._start_seconds):
                self._process, self._sockets = process, sockets
                return True
        server.end(server.serving(data))
        return False


@contextmanager
def visited(directory: Path) -> Iterator[str]:
    """URL of a directory's database for a moment: of the server that runs there, else of one that is started meanwhile.

    Raises:
        Missing: There is no database.
        Busy: Somebody is just starting or ending it.
    """
    data = directory.absolute() / "data"
    if not data.exists():
        raise Missing(f"{directory} holds no database")
    left = server.postmaster(data)
    if left is not None and server.answers(left[1]):
        # A runner's, or one that a killed runner has left to its trials: it is not ours to end.
        yield server.dsn(left[1], DATABASE)
        return
    with EmbeddedPostgres(directory) as started:
        yield started.dsn


def _socket_folder(data: Path, owner: int) -> Path:
    """A short folder that only the server's account may enter.

    Its name follows from the data folder, so that attempts which outlive a server find the next one.
    """
    name = f"tacotune-{owner}-{hashlib.sha256(os.fsencode(data)).hexdigest()[:12]}"
    base = Path(tempfile.gettempdir())
    if len(os.fsencode(base / name / ".s.PGSQL.5432")) > MAX_SOCKET_PATH:
        base = Path("/tmp")  # noqa: S108  the folder is made private below
    folder = base / name
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        status = folder.lstat()
        private = stat.S_ISDIR(status.st_mode) and not status.st_mode & 0o077
        if private and status.st_uid in {owner, os.geteuid()}:
            # Left by a server that was killed. Postgres would respect its lock while anything, even a zombie, has its number.
            for left in folder.iterdir():
                left.unlink()
        else:
            folder = Path(tempfile.mkdtemp(prefix="tacotune-", dir=base))
    if os.geteuid() == 0:
        os.chown(folder, owner, -1)
    return folder
