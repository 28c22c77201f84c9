"""Memory of the container and of the GPU, watched so that a trial warns before it is killed.

The limit that counts is the cgroup's, not the machine's: a container of 2 GiB on a machine of 512 GiB dies at 2 GiB.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

THRESHOLD: Final = 0.90
"""Share of the limit above which a warning is due."""
# Version 1 writes "no limit" as the largest page-aligned integer; no machine has an exbibyte.
_UNLIMITED: Final = 1 << 60

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Usage:
    """Bytes of one kind of memory."""

    kind: str
    """`memory` or `gpu_memory`."""
    used: int
    limit: int

    @property
    def share(self) -> float:
        """Used part of the limit."""
        return self.used / self.limit if self.limit > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Pressure:
    """A memory that is nearly full."""

    usage: Usage

    @property
    def message(self) -> str:
        """For people."""
        usage = self.usage
        name = "GPU memory" if usage.kind == "gpu_memory" else "memory"
        return f"{name} {usage.share:.0%} full: {usage.used / 2**20:.0f} of {usage.limit / 2**20:.0f} MiB"


def pressures(usages: Iterable[Usage]) -> tuple[Pressure, ...]:
    """Those above the threshold; at it, all is still well."""
    return tuple(Pressure(usage) for usage in usages if usage.share > THRESHOLD)


def container_memory(root: Path = Path("/")) -> Usage:
    """Memory against the cgroup's limit (version 2, then 1), or the machine's where there is none."""
    used_and_limit = _cgroup_v2(root) or _cgroup_v1(root)
    if used_and_limit is None:
        machine = psutil.virtual_memory()
        return Usage("memory", machine.total - machine.available, machine.total)
    return Usage("memory", *used_and_limit)


def _cgroup_v2(root: Path) -> tuple[int, int] | None:
    """Nearest limit on the way from this process's cgroup up to the root."""
    base = root / "sys/fs/cgroup"
    own = base / _own_group(root)
    for group in (own, *own.parents):
        limit = _number(group / "memory.max")
        used = _number(group / "memory.current")
        if limit is not None and used is not None:
            # Page cache is given back under pressure; counting it would warn whenever a dataset is read.
            return max(0, used - _statistic(group / "memory.stat", "inactive_file")), limit
        if group == base:
            break
    return None


def _own_group(root: Path) -> str:
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line[3:].lstrip("/") for line in lines if line.startswith("0::")), "")


def _cgroup_v1(root: Path) -> tuple[int, int] | None:
    group = root / "sys/fs/cgroup/memory"
    limit = _number(group / "memory.limit_in_bytes")
    used = _number(group / "memory.usage_in_bytes")
    if limit is None or used is None:
        return None
    return max(0, used - _statistic(group / "memory.stat", "total_inactive_file")), limit


def _number(path: Path) -> int | None:
    """The number in a cgroup file; None where the file is missing or sets no limit."""
    try:
        text = path.read_text(encoding="utf-8").strip()
    except OSError:
        return None
    if not text.isdigit() or int(text) >= _UNLIMITED:
        return None
    return int(text)


def _statistic(path: Path, name: str) -> int:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name} ")), 0)


def gpu_memory() -> Usage | None:
    """Memory of the current GPU, other processes' part included; None without a GPU."""
    import torch  # noqa: PLC0415 - seconds to load, and the command line needs this module without it

    if not torch.cuda.is_available() or not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return None
    free, total = torch.cuda.mem_get_info()
    # What the allocator caches is free for this process.
    cached = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
    return Usage("gpu_memory", total - free - cached, total)


class Monitor:
    """Looks at the memory now and then, and clears up when it runs short.

    Args:
        probes: What to look at; None from a probe means there is no such memory.
        clear: Frees what can be freed.
        warn: Told of each pressure, once until it has passed.
    """

    def __init__(
        self,
        *,
        probes: Iterable[Callable[[], Usage | None]],
        clear: Callable[[], None],
        warn: Callable[[Pressure], None],
    ) -> None:
        self._probes = tuple(probes)
        self._clear = clear
        self._warn = warn
        self._alarms: dict[str, str] = {}
        """What was said of each memory that is nearly full, when it began to be."""

    @property
    def alarm(self) -> str:
        """What is nearly full, as it was when it began to be: the same words until that has passed; empty while all is well."""
        return "; ".join(self._alarms.values())

    def check(self) -> dict[str, float]:
        """Look; the shares found are metrics (`memory_share`, `gpu_memory_share`)."""
        usages = [usage for probe in self._probes if (usage := probe()) is not None]
        found = pressures(usages)
        if found:
            self._clear()
        for pressure in found:
            if pressure.usage.kind not in self._alarms:
                log.warning("%s", pressure.message)
                self._warn(pressure)
        self._alarms = {p.usage.kind: self._alarms.get(p.usage.kind, p.message) for p in found}
        return {f"{usage.kind}_share": usage.share for usage in usages}
