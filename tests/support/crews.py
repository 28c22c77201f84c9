"""Several workers of one training, as processes of a fork server that has loaded the trainer: as torchrun would start them."""

import os
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class At:
    """One worker's batches, the first being 1, at which something happens to it."""

    rank: int
    batches: tuple[int, ...]

    def __contains__(self, moment: tuple[int, int]) -> bool:
        rank, batch = moment
        return rank == self.rank and batch in self.batches


NEVER: Final = At(0, ())


def crew(
    context: ForkServerContext,
    trial: str,
    size: int = 2,
    *,
    log: Path | None = None,
    kill: At = NEVER,
    poison: At = NEVER,
    exhaust: At = NEVER,
    ask: At = NEVER,
) -> list[int]:
    """Let workers run `tacotrain train --trial` to their ends; their exit codes by rank, negative for a signal.

    Args:
        context: Of `support.attempts.fork_server`.
        trial: The document's path.
        size: How many workers.
        log: Where they leave their last word.
        kill: Kill a worker in the middle of a batch.
        poison: Make its loss NaN.
        exhaust: Let it run out of memory.
        ask: Send it SIGTERM.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    environment = {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    if log is not None:
        environment["TACOTUNE_TERMINATION_LOG"] = str(log)
    processes = []
    for rank in range(size):
        own = {"RANK": str(rank), "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": str(size)}
        mischief = (kill, poison, exhaust, ask)
        processes.append(context.Process(target=_work, args=(trial, {**environment, **own}, mischief)))
    for process in processes:
        process.start()
    codes = []
    for process in processes:
        process.join(120)
        if process.exitcode is None:
            process.kill()
            raise AssertionError("a worker hangs")
        codes.append(process.exitcode)
    return codes


def _work(trial: str, environment: dict[str, str], mischief: Sequence[At]) -> None:
    os.environ.update(environment)
    import torch  # noqa: PLC0415 - the fork server has loaded it; the test that starts this must not have to

    from tacotrain import losses, step  # noqa: PLC0415
    from tacotrain.cli import main  # noqa: PLC0415

    kill, poison, exhaust, ask = mischief
    rank, batches = int(environment["RANK"]), 0

    def compute_loss(*arguments: Any) -> Any:
        nonlocal batches
        batches += 1
        if (rank, batches) in kill:
            os.kill(os.getpid(), signal.SIGKILL)
        if (rank, batches) in exhaust:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        if (rank, batches) in ask:
            os.kill(os.getpid(), signal.SIGTERM)
        found = losses.compute_loss(*arguments)
        if (rank, batches) in poison:
            arguments[0].mel_postnet_BTM.register_hook(lambda gradient: gradient * float("nan"))
        return found

    setattr(step, "compute_loss", compute_loss)  # noqa: B010 - as monkeypatch does
    sys.exit(main(["train", "--trial", trial]))
