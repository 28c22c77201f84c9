"""`spec.trainer.resources`: quantities as Kubernetes reads them, and what its API server would refuse only later.

cpu, memory and ephemeral storage may be overcommitted; everything else (GPUs, huge pages) is counted out in whole pieces, and
its request is its limit.
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final, Literal

from tacotune.api.findings import Finding, nearest

Resources = Mapping[Literal["limits", "requests"], Mapping[str, Any]]

OVERCOMMITTED: Final = ("cpu", "memory", "ephemeral-storage")
GPU: Final = re.compile(r"nvidia\.com/(gpu(\.shared)?|mig-.+)|amd\.com/gpu|gpu\.intel\.com/(i915|xe)")
_GPU_NAMES: Final = ("nvidia.com/gpu", "amd.com/gpu", "gpu.intel.com/xe")
_EXTENDED: Final = re.compile(
    r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/[A-Za-z0-9]([-_.A-Za-z0-9]*[A-Za-z0-9])?"
)
_QUANTITY: Final = re.compile(
    r"(?P<number>[+-]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?)(?P<suffix>[KMGTPE]i|[numkMGTPE]?)"
)
_SUFFIXES: Final[Mapping[str, Decimal]] = MappingProxyType(
    {
        "": Decimal(1),
        **{letter: Decimal(1000) ** power for power, letter in enumerate("kMGTPE", start=1)},
        **{letter: Decimal(1000) ** -power for power, letter in enumerate("mun", start=1)},
        **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", start=1)},
    }
)


def quantity(value: object) -> Decimal | None:
    """What an amount such as `500m`, `16Gi` or 2 comes to; None when Kubernetes could not read it."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    found = _QUANTITY.fullmatch(str(value))
    # `1e3k` has two exponents, which Kubernetes refuses.
    if found is None or (found["suffix"] and found["number"].lower().count("e")):
        return None
    return Decimal(found["number"]) * _SUFFIXES[found["suffix"]]


def gpus(resources: Resources) -> int:
    """GPUs of one pod, a MIG slice counting as one."""
    limits = {**resources.get("requests", {}), **resources.get("limits", {})}
    return sum(int(quantity(amount) or 0) for name, amount in limits.items() if GPU.fullmatch(name))


def is_gpu(name: str) -> bool:
    """Whether a resource is a GPU or a slice of one."""
    return GPU.fullmatch(name) is not None


def resource_findings(resources: Resources) -> Iterator[Finding]:
    """What is wrong with requests and limits; places are counted from them."""
    broken: set[str] = set()
    for kind, amounts in resources.items():
        for name, amount in amounts.items():
            for finding in _amount_findings(name, amount):
                broken.add(name)
                yield finding.below(kind, name)
    limits, requests = resources.get("limits", {}), resources.get("requests", {})
    for name, request in requests.items():
        if name in broken:
            continue
        if name not in limits:
            if not _overcommitted(name):
                yield Finding(("requests", name), "needs an equal limit", "put it under limits")
            continue
        wanted, allowed = quantity(request), quantity(limits[name])
        assert wanted is not None
        assert allowed is not None
        if _overcommitted(name):
            if wanted > allowed:
                yield Finding(("requests", name), f"{request} is greater than the limit {limits[name]}")
        elif wanted != allowed:
            yield Finding(
                ("requests", name),
                f"{request} must equal the limit {limits[name]}",
                "leave the request out, it follows the limit",
            )


def _overcommitted(name: str) -> bool:
    return name in OVERCOMMITTED


def _amount_findings(name: str, amount: object) -> Iterator[Finding]:
    if not _overcommitted(name) and not name.startswith("hugepages-") and not _EXTENDED.fullmatch(name):
        choice = _GPU_NAMES[0] if "gpu" in name.lower() else nearest(name, OVERCOMMITTED)
        hint = (
            f"did you mean {choice}?" if choice else f"known here: {', '.join((*OVERCOMMITTED, *_GPU_NAMES))}"
        )
        yield Finding((), "unknown resource", hint)
        return
    value = quantity(amount)
    if value is None:
        yield Finding((), f"{amount!r} is no quantity", "write a number such as 2, 500m or 16Gi")
    elif value < 0:
        yield Finding((), f"{amount} is less than nothing")
    elif _EXTENDED.fullmatch(name) and value != value.to_integral_value():
        yield Finding(
            (), f"{amount} is no whole number", "devices are not shared; use a MIG or time-sliced one"
        )
    elif name == "memory" and value != value.to_integral_value():
        yield Finding(
            (), f"{amount} of memory is a part of a byte", f"did you mean {str(amount).rstrip('m')}Mi?"
        )
