"""The server process of one data folder: make the folder, find, start, await and end the process; `postgres` is the only caller.

A process belongs to us when it is a `postgres` whose working directory is our data folder: Postgres changes there at its
start and stays. Its number alone proves nothing, numbers are given out again.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import psycopg2

from tacotune.adapters.postgres_install import Account, Installation
from tacotune.ports import PermanentError

OWNER = "tacotune"
"""The database role that owns everything."""
SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "32MB",
    "max_wal_size": "256MB",
    "fsync": "on",
    "log_checkpoints": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
}
POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Place:
    """Everything the server needs to know about where it works."""

    installation: Installation
    account: Account | None
    data: Path
    log: Path


def initialize(place: Place) -> None:
    """Make an empty cluster; a run that is cut off leaves nothing that looks finished.

    Raises:
        PermanentError: with the last words of initdb.
    """
    scratch = place.data.with_name(place.data.name + ".new")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(mode=0o700)
    if place.account is not None:
        os.chown(scratch, place.account.user, place.account.group)
    options = ["-U", OWNER, "--auth=trust", "--encoding=UTF8", "--locale=C"]
    process = _spawn(place, scratch, "initdb", options)
    if process.wait() != 0:
        raise PermanentError(f"Postgres could not be set up in {place.data.parent}:\n{tail(place.log)}")
    scratch.rename(place.data)


def spawn(place: Place, sockets: Path, changed: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start the server, in a session of its own: Ctrl-C reaches the runner, and the runner ends the server last."""
    own = {"unix_socket_directories": str(sockets), "unix_socket_permissions": "0700"}
    settings = {**SETTINGS, **changed, **own}
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    return _spawn(place, place.data, "postgres", options)


def _spawn(place: Place, data: Path, program: str, options: Sequence[str]) -> subprocess.Popen[bytes]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "LC_"))} | {"LC_ALL": "C"}
    argument = str(data)
    other: dict[str, Any] = {}
    if place.account is not None:
        # The account may not be able to enter the folders above. It needs not: the working directory is entered before
        # the identity changes, and this name for it leads there without passing them.
        argument = "/proc/self/cwd"
        other = {"user": place.account.user, "group": place.account.group, "extra_groups": []}
    with place.log.open("ab") as log:
        return subprocess.Popen(  # noqa: S603  a program of the installed wheel
            [str(place.installation.programs / program), "-D", argument, *options],
            cwd=data,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **other,
        )


def serving(data: Path) -> list[psutil.Process]:
    """Processes that work in this data folder, the oldest first."""
    found = []
    for process in psutil.process_iter(["name", "create_time"]):
        if process.info["name"] != "postgres":
            continue
        with contextlib.suppress(psutil.Error, OSError):
            if not gone(process) and Path(process.cwd()).samefile(data):
                found.append(process)
    return sorted(found, key=lambda process: (process.info["create_time"], process.pid))


def postmaster(data: Path) -> tuple[psutil.Process, Path] | None:
    """The server that another runner has left here, with its socket folder."""
    try:
        lines = (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        number, sockets = int(lines[0]), Path(lines[4])
    except (OSError, ValueError, IndexError):
        return None
    for process in serving(data):
        if process.pid == number:
            return process, sockets
    return None


def dsn(sockets: Path, database: str) -> str:
    """SQLAlchemy's URL of a database over the unix socket."""
    return f"postgresql+psycopg2://{OWNER}@/{database}?host={quote(str(sockets))}"


def answers(sockets: Path) -> bool:
    """Whether the server takes a connection now."""
    try:
        psycopg2.connect(host=str(sockets), user=OWNER, dbname="postgres", connect_timeout=5).close()
    except psycopg2.OperationalError:
        return False
    return True


def await_answer(process: psutil.Process, sockets: Path, seconds: float) -> bool:
    """Wait until the server takes connections; False when it ended or the time is over."""
    deadline = time.monotonic() + seconds
    while not answers(sockets):
        if gone(process) or time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def gone(process: psutil.Process) -> bool:
    """Ended, or ended and not yet fetched by its parent."""
    try:
        return not process.is_running() or bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def end(processes: Sequence[psutil.Process]) -> None:
    """End our servers: in good order, then quickly, then by force; the next start recovers from the write-ahead log."""
    for number, seconds in ((signal.SIGINT, 30.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
        left = [process for process in processes if not gone(process)]
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        deadline = time.monotonic() + seconds
        while any(not gone(process) for process in left) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)


def tail(log: Path, lines: int = 12) -> str:
    """The last lines of the log, for error messages."""
    try:
        return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    except OSError as error:
        return f"({error})"
