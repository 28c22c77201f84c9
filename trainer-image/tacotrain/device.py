"""Where to compute: the device, its arithmetic, the threads, and the random numbers of the process."""

import os
import random
from pathlib import Path

import numpy as np
import torch

from tacotrain.errors import ConfigError, DeviceUnavailable
from tacotrain.place import ALONE, Place


def choose_device(name: str, place: Place = ALONE) -> torch.device:
    """Turn `auto`, `cpu`, `cuda` or `cuda:N` into a device; each of several workers takes the GPU of its number.

    Raises:
        DeviceUnavailable: It is not there.
        ConfigError: Several workers are to share one GPU.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
        if place.alone:
            return torch.device(name)
    device = torch.device(name)
    if device.type == "cuda" and not place.alone:
        if ":" in name:
            raise ConfigError(
                f"device: {name} is one GPU, and {place.size} workers train here; use auto, and each takes one of its own"
            )
        device = torch.device("cuda", place.local_rank)
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            found = f"{count} GPUs are there" if count else "no GPU is usable here"
            raise DeviceUnavailable(f"device: {device} is not available, {found}; use auto or cpu")
    return device


def use_bfloat16(precision: str, device: torch.device) -> bool:
    """Whether dense layers compute in bfloat16: `auto` takes it on GPUs that have it.

    Not on CPUs: most only imitate it, and exact resume is promised there.
    """
    if precision == "auto":
        return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return precision == "bfloat16"


def available_threads(root: Path = Path("/")) -> int:
    """CPUs that this process may use: the cgroup's quota and the affinity, not the machine's cores."""
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota_v2(root / "sys/fs/cgroup/cpu.max") or _quota_v1(root / "sys/fs/cgroup/cpu")
    return max(1, min(threads, int(quota))) if quota else threads


def _quota_v2(path: Path) -> float | None:
    try:
        quota, period = path.read_text(encoding="ascii").split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        return None


def _quota_v1(directory: Path) -> float | None:
    try:
        quota = int((directory / "cpu.cfs_quota_us").read_text(encoding="ascii"))
        period = int((directory / "cpu.cfs_period_us").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return quota / period if quota > 0 else None


def seed_everything(seed: int) -> None:
    """Seed every generator that a library may draw from; training itself draws from its own."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - the global generator is what libraries use
    torch.manual_seed(seed)
