"""Docker from Debian sid in mount and process namespaces of its own, for a machine where none runs.

When the first process of the namespaces ends, the kernel ends all others of them and takes the mounts back. What Docker leaves
outside, in the host's network and control groups, is taken back by `traces.py`.
"""

import os
import shutil
import signal
import time
from pathlib import Path
from typing import Final

import psutil

from support.kind import paths, traces
from support.kind.debian import Root, require_debian, scratch, tarball, unpack
from support.kind.docker import Docker
from support.kind.errors import EX_UNAVAILABLE, KindError
from support.kind.processes import tail
from support.kind.progress import POLL_SECONDS, step

DEBIAN: Final = Root(
    "docker",
    "sid",
    ("docker.io", "docker-cli", "docker-buildx", "runc", "iptables", "ca-certificates", "procps", "iproute2"),
)
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 60.0
LONGEST_SOCKET: Final = 107


def running() -> Docker | None:
    """Our daemon, when it answers."""
    docker = _docker()
    return docker if _process() is not None and docker.answers else None


def start() -> Docker:
    """Start our daemon, or find it running.

    Raises:
        KindError: when it does not come up.
    """
    if docker := running():
        return docker
    stop()
    root = _root()
    state = _state()
    with step("starting Docker in a mount namespace of its own"):
        _write_client(root)
        traces.remember(state, root)
        log = paths.logs() / "dockerd.log"
        _launch(root, state, log)
        docker = _docker()
        deadline = time.monotonic() + START_SECONDS
        while not docker.answers:
            if _process() is None or time.monotonic() > deadline:
                stop()
                raise KindError(f"Docker did not come up ({log}):\n{tail(log)}")
            time.sleep(POLL_SECONDS)
    return docker


def stop() -> None:
    """Stop our daemon and all that it started; without one, only take back what an earlier one left."""
    state = _state()
    if process := _process():
        with step("stopping Docker"):
            # The parent waits for the first process of the namespaces and ends with it.
            for first in process.children():
                first.send_signal(signal.SIGTERM)
            if not _ended(process, STOP_SECONDS):
                for first in process.children():
                    first.kill()
                process.kill()
                _ended(process, STOP_SECONDS)
    if root := next(iter(sorted(state.glob("root-*"))), None):
        traces.take_back(state, root)
    for leftover in ("pid", "docker.sock"):
        (state / leftover).unlink(missing_ok=True)


def _launch(root: Path, state: Path, log: Path) -> None:
    """Start the daemon, which outlives this process, and note who it is."""
    if len(f"{state}/docker.sock") > LONGEST_SOCKET:
        raise KindError(
            f"{state} is too long for the name of a socket; set TACOTUNE_CACHE to a shorter folder.",
            EX_UNAVAILABLE,
        )
    command = (
        *("unshare", "--mount", "--pid", "--fork", "--kill-child=SIGKILL", "--propagation", "private"),
        *(
            "sh",
            str(paths.FILES / "dockerd.sh"),
            str(root),
            str(state),
            str(Path("/etc/resolv.conf").resolve()),
        ),
    )
    number = os.posix_spawnp(
        command[0],
        command,
        os.environ,
        file_actions=(
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ),
        setsid=True,
    )
    (state / "pid").write_text(f"{number} {psutil.Process(number).create_time()}")


def _process() -> psutil.Process | None:
    """The process that `start` left, not one that has got its number since."""
    try:
        number, created = (_state() / "pid").read_text().split()
        process = psutil.Process(int(number))
        alive = process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - float(created)) < 1
    except (FileNotFoundError, psutil.NoSuchProcess):
        return None
    return process if alive else None


def _ended(process: psutil.Process, within: float) -> bool:
    deadline = time.monotonic() + within
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _state() -> Path:
    folder = paths.cache() / "docker"
    (folder / "data").mkdir(parents=True, exist_ok=True)
    return folder


def _root() -> Path:
    """The root file system of the daemon, unpacked once."""
    require_debian()
    root = _state() / f"root-{paths.digest(DEBIAN.key)}"
    if not root.exists():
        for outdated in _state().glob("root-*"):
            shutil.rmtree(outdated)
        tar = tarball(DEBIAN)
        with scratch() as folder:
            unpack(tar, folder)
            folder.rename(root)
        tar.unlink()
    return root


def _docker() -> Docker:
    state = _state()
    settings = {
        "DOCKER_HOST": f"unix://{state}/docker.sock",
        "DOCKER_CONFIG": f"{state}/client",
        "PATH": f"{state}/client/bin:{os.environ['PATH']}",
    }
    return Docker(ours=True, settings=settings)


def _write_client(root: Path) -> None:
    """The client and its builder from the same Debian, started with that Debian's own loader and libraries."""
    client = _state() / "client"
    for place, program in (
        ("bin", "usr/bin/docker"),
        ("cli-plugins", "usr/libexec/docker/cli-plugins/docker-buildx"),
    ):
        script = client / place / Path(program).name
        script.parent.mkdir(parents=True, exist_ok=True)
        loader = next(iter(root.glob("lib64/ld-linux-*.so.*")), None) or next(
            root.glob("lib/ld-linux-*.so.*")
        )
        libraries = ":".join(str(path) for path in root.glob("usr/lib/*-linux-gnu"))
        script.write_text(
            f'#!/bin/sh\nexec "{loader}" --library-path "{libraries}" --argv0 "{script.name}" "{root / program}" "$@"\n'
        )
        script.chmod(0o755)
