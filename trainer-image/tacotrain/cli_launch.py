"""`tacotrain launch`: the workers of one machine, a process for each GPU, started as torchrun starts them.

torchrun itself also does, but it ends with 1 whatever its workers ended with, and kills them 30 s after a SIGTERM, be the
checkpoint written or not. Here the worker that knows why training ended gives the exit code, and whoever sent the signal decides
how long to wait.
"""

import argparse
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import FrameType, MappingProxyType
from typing import Final

from tacotrain.errors import ConfigError, Interrupted, WorkerLost

EPILOG = """\
examples:
  tacotrain launch --nproc-per-node 2 -- train --preset small --data prepared/voice --out runs/voice
  tacotrain launch --nnodes 2 --node-rank 0 --master-addr gpu-a --nproc-per-node 4 -- train --trial trial.json

The second one is for the first of two machines; on the other one the node rank is 1. The options are torchrun's. batch_size is that
of all workers together: the training is the same, only sooner done. Each worker takes the GPU of its number, or CPU threads.
"""

PARTING_SECONDS: Final = 30.0
"""After one worker has failed or left the others miss it and end; those that do not are killed."""
_TERMINATED: Final = 143
"""Ended by SIGTERM itself, before it could listen, or by a second one."""
_WEIGHTS: Final[Mapping[int, int]] = MappingProxyType(
    {0: 0, Interrupted.exit_code: 1, _TERMINATED: 1, WorkerLost.exit_code: 2}
)
"""How much an exit code says about the cause; any other one more than these."""
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `tacotrain launch`."""
    parser.epilog = EPILOG
    parser.add_argument("--nnodes", type=int, default=1, metavar="N", help="machines (default: 1)")
    parser.add_argument(
        "--node-rank", type=int, default=0, metavar="N", help="number of this one, from 0 (default: 0)"
    )
    parser.add_argument(
        "--nproc-per-node", type=int, default=1, metavar="N", help="workers on each machine (default: 1)"
    )
    parser.add_argument(
        "--master-addr", default="127.0.0.1", metavar="HOST", help="where the first machine is reached"
    )
    parser.add_argument(
        "--master-port", type=int, metavar="PORT", help="free port there; needed with several machines"
    )
    parser.add_argument(
        "command", nargs=argparse.REMAINDER, metavar="-- train ...", help="what each worker runs"
    )


def run(args: argparse.Namespace) -> int:
    """Run `tacotrain launch`; the exit code of the worker that knows why."""
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    if command[:1] != ["train"]:
        raise ConfigError("launch runs `train` only; write it after --, see: tacotrain launch --help")
    if not (args.nnodes >= 1 and 0 <= args.node_rank < args.nnodes and args.nproc_per_node >= 1):
        raise ConfigError(
            "launch needs --nnodes and --nproc-per-node of 1 or more, and --node-rank below --nnodes"
        )
    if args.master_port is None and args.nnodes > 1:
        raise ConfigError("launch needs --master-port, the same one on every machine")
    port = args.master_port or _free_port()
    with _Crew.listening() as crew:
        for local_rank in range(args.nproc_per_node):
            crew.start(command, environment_of(args, local_rank, port))
        return telling(crew.wait())


def environment_of(args: argparse.Namespace, local_rank: int, port: int) -> dict[str, str]:
    """What torchrun would tell a worker."""
    return {
        "RANK": str(args.node_rank * args.nproc_per_node + local_rank),
        "WORLD_SIZE": str(args.nnodes * args.nproc_per_node),
        "LOCAL_RANK": str(local_rank),
        "LOCAL_WORLD_SIZE": str(args.nproc_per_node),
        "MASTER_ADDR": args.master_addr,
        "MASTER_PORT": str(port),
    }


def telling(codes: Sequence[int]) -> int:
    """Of the workers' exit codes, in the order they came, the one that says why training ended: the first failure of its own."""
    return max(codes, key=lambda code: _WEIGHTS.get(code, 3))


class _Crew:
    """The workers of this machine, by process id."""

    def __init__(self) -> None:
        self._live: set[int] = set()
        self._signals: list[int] = []
        self._killed = False

    @classmethod
    @contextmanager
    def listening(cls) -> Iterator["_Crew"]:
        """Pass SIGTERM and SIGINT on to all workers for the length of a block."""
        crew = cls()
        before = {number: signal.signal(number, crew._pass_on) for number in _SIGNALS}
        try:
            yield crew
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def start(self, command: Sequence[str], environment: dict[str, str]) -> None:
        """Start a worker, in a session of its own: Ctrl-C reaches it once, through here."""
        words = [sys.executable, "-m", "tacotrain", *command]
        pid = os.posix_spawn(sys.executable, words, {**os.environ, **environment}, setsid=True)
        self._live.add(pid)
        for number in self._signals:
            _send(pid, number)

    def wait(self) -> list[int]:
        """Wait for all; their exit codes as a shell has them, in the order they came. Whom we killed had nothing to say."""
        codes = []
        patience = threading.Timer(PARTING_SECONDS, self._kill)
        patience.daemon = True
        while self._live:
            pid, status = os.wait()
            if pid not in self._live:
                continue  # An orphan, if this is process 1.
            self._live.remove(pid)
            code = os.waitstatus_to_exitcode(status)
            if not (self._killed and code == -signal.SIGKILL):
                codes.append(128 - code if code < 0 else code)
            if code and patience.ident is None:
                patience.start()
        patience.cancel()
        return codes

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        self._signals.append(number)
        for pid in tuple(self._live):
            _send(pid, number)

    def _kill(self) -> None:
        self._killed = True
        for pid in tuple(self._live):
            _send(pid, signal.SIGKILL)


def _send(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
