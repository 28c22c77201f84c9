"""The processes that train one voice together: how they meet, agree, sum and share. Alone, all of it is nothing.

Every worker makes the same calls in the same order; who is late is waited for, and who is gone ends the others. All workers hold
the same weights, for they begin with the leader's and make the same updates, so only the leader writes anything.

Who calls it: `train` joins, `loop` agrees, `step` and `shared_norm` sum, `run` shares the leader's state.
"""

import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import torch
from torch import Tensor
from torch import distributed as dist

from tacotrain.errors import WorkerLost
from tacotrain.place import ALONE, Place

PATIENCE: Final = timedelta(minutes=30)
"""Longest wait for another worker: for its start, and for the leader's evaluations and checkpoints."""
MEETING: Final = "env://?use_libuv=0"
"""Where the environment says, and over the server that every build of PyTorch has: Debian's lacks libuv, and asking for it fails."""


class Workers:
    """This process among those that train with it. Methods raise `WorkerLost` when one of the others is gone."""

    def __init__(self, place: Place = ALONE) -> None:
        self.rank = place.rank
        self.size = place.size

    @property
    def leads(self) -> bool:
        """Whether this is the one that reports, evaluates and writes."""
        return self.rank == 0

    def agree(self, *mine: bool) -> tuple[bool, ...]:
        """Decide together: each answer is yes if any worker says so. No GPU is waited for."""
        if self.size == 1:
            return mine
        flags = torch.tensor(mine, dtype=torch.int32)
        with _in_company():
            dist.all_reduce(flags, dist.ReduceOp.MAX)
        return tuple(bool(flag) for flag in flags.tolist())

    def sum(self, own: Tensor) -> None:
        """Replace a tensor by the sum of all workers' ones: the same bits for all."""
        if self.size > 1:
            with _in_company():
                dist.all_reduce(own)

    def share(self, mine: bytes) -> bytes:
        """What the leader brings; what others bring does not matter. This is also where all have arrived."""
        if self.size == 1:
            return mine
        length = torch.tensor([len(mine)])
        with _in_company():
            dist.broadcast(length, 0)
            content = torch.frombuffer(bytearray(mine or b"\0"), dtype=torch.uint8)
            if not self.leads:
                content = torch.empty(max(1, int(length)), dtype=torch.uint8)
            dist.broadcast(content, 0)
        return content.numpy().tobytes()[: int(length)]

    def masks(self, common: torch.Generator) -> torch.Generator:
        """Where this worker draws its dropout from: its own numbers, while the common generator stays the same for all.

        So a checkpoint holds one generator, whatever the number of workers.
        """
        if self.size == 1:
            return common
        seed = int(torch.randint(2**32, (), generator=common))
        return torch.Generator().manual_seed((seed + self.rank) % 2**32)


@contextmanager
def joined(place: Place, device: torch.device) -> Iterator[Workers]:
    """Meet the others, for the length of a block: over NCCL between GPUs, over Gloo between CPUs and for decisions.

    Raises:
        WorkerLost: They did not all come.
    """
    if place.alone:
        yield Workers()
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    try:
        dist.init_process_group(backend, init_method=MEETING, timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        where = f"{os.environ.get('MASTER_ADDR', '?')}:{os.environ.get('MASTER_PORT', '?')}"
        raise WorkerLost(
            f"the {place.size} workers did not meet at {where} ({_first_line(error)}); start all of them again"
        ) from error
    # After an error nothing is taken down in order, for the others may not answer: the end of the process tells them.
    yield Workers(place)
    dist.destroy_process_group()


@dataclass(frozen=True, slots=True)
class Sent:
    """The leader's state as it arrives at the others; read like a checkpoint."""

    files: Mapping[str, Any]

    @staticmethod
    def pack(files: Mapping[str, object]) -> bytes:
        """Encode for `Workers.share`."""
        buffer = io.BytesIO()
        torch.save(dict(files), buffer)
        return buffer.getvalue()

    @classmethod
    def unpack(cls, content: bytes) -> "Sent":
        """Decode what `pack` made."""
        return cls(torch.load(io.BytesIO(content), map_location="cpu", weights_only=True))

    def load(self, name: str, device: torch.device | None = None) -> Any:  # noqa: ARG002 - as `Saved.load`
        """One of the files; it lies on the CPU, from where it is copied."""
        return self.files.get(name)


@contextmanager
def _in_company() -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise WorkerLost(
            f"another worker of this training is gone ({_first_line(error)}); start all of them again to go on from the "
            "last checkpoint"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
