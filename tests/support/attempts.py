"""Attempts in processes of their own that are killed at an exact moment, without loading torch for each of them.

A fork server loads the trainer once; each attempt is a child of it. The kill is the kernel's SIGKILL, sent from inside the
training step: nothing of the process gets a chance to clean up.
"""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerContext
from typing import Any


@contextmanager
def fork_server() -> Iterator[ForkServerContext]:
    """A context whose processes start with the trainer loaded."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tacotrain.train"])
    yield context


def attempt(context: ForkServerContext, document: dict[str, Any], *, kill_at_batch: int | None = None) -> int:
    """Run an attempt to its end, or kill it in the middle of a batch (the first is 1); its exit code, negative for a signal."""
    process = context.Process(target=_train, args=(document, kill_at_batch))
    process.start()
    process.join(120)
    assert process.exitcode is not None, "the attempt hangs"
    return process.exitcode


def _train(document: dict[str, Any], kill_at_batch: int | None) -> None:
    import torch  # noqa: PLC0415 - the fork server has loaded it; the test that starts this must not have to

    from tacotrain import losses, step  # noqa: PLC0415
    from tacotrain.contract import parse_trial  # noqa: PLC0415
    from tacotrain.interruption import Interruption  # noqa: PLC0415
    from tacotrain.train import train  # noqa: PLC0415

    torch.set_num_threads(1)
    batches = 0

    def compute_loss(*arguments: Any) -> Any:
        nonlocal batches
        batches += 1
        if batches == kill_at_batch:
            os.kill(os.getpid(), signal.SIGKILL)
        return losses.compute_loss(*arguments)

    setattr(step, "compute_loss", compute_loss)  # noqa: B010 - as monkeypatch does
    train(parse_trial(document, source="test"), Interruption())
