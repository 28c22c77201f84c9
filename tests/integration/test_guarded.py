"""Servers of a test run end with it, even when it is killed."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil

from support.eventually import eventually
from support.guarded import end, free_ports, spawn, tail

PARENT = """
import sys
from pathlib import Path
from support.guarded import spawn
print(spawn(["sleep", "600"], Path(sys.argv[1])).pid, flush=True)
sys.stdin.read()
"""


def gone(pid: int) -> bool:
    """Ended, whether or not anybody has asked how."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def test_a_server_ends_when_the_run_is_killed(tmp_path: Path) -> None:
    support = Path(__file__).parents[1]
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "log")],
        cwd=support,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert not gone(child)
        parent.kill()
    eventually(lambda: gone(child))


def test_a_server_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    server = spawn(["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"], tmp_path / "log")
    eventually(lambda: tail(tmp_path / "log") == "ready")
    end(server, patience=0.2)
    assert server.returncode == -signal.SIGKILL


def test_ports_differ_and_are_free() -> None:
    assert len(set(free_ports(20))) == 20
