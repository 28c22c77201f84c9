"""Requests and limits: what Kubernetes would refuse is refused here, with the field's place."""

from decimal import Decimal
from typing import Any

import pytest

from tacotune.api.resources import gpus, quantity, resource_findings


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2", "2"), (2, "2"), (0.5, "0.5"), ("500m", "0.5"), ("16Gi", str(16 * 2**30)), ("1k", "1000"), ("1.5M", "1500000"),
        ("1e3", "1000"), ("1E3", "1000"), ("2E", "2e18"), (".5", "0.5"), ("100n", "1e-7"), ("+1", "1"), ("-1", "-1"),
    ],
)  # fmt: skip
def test_a_quantity_is_read_as_kubernetes_reads_it(text: object, value: str) -> None:
    assert quantity(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "Gi", "16GB", "16 Gi", "1e3k", "1ki", "one", True, None, [1]])
def test_what_kubernetes_cannot_read_is_no_quantity(text: object) -> None:
    assert quantity(text) is None


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "GPUs without their vendor": (
        {"limits": {"gpu": 1}},
        "limits.gpu: unknown resource (did you mean nvidia.com/gpu?)",
    ),
    "a misspelled resource": (
        {"limits": {"memry": "1Gi"}},
        "limits.memry: unknown resource (did you mean memory?)",
    ),
    "a resource that is none": (
        {"limits": {"xyzzy": 1}},
        "limits.xyzzy: unknown resource (known here: cpu, memory, ",
    ),
    "an amount that is none": (
        {"limits": {"memory": "16GB"}},
        "limits.memory: '16GB' is no quantity (write ",
    ),
    "less than nothing": ({"limits": {"cpu": -1}}, "limits.cpu: -1 is less than nothing"),
    "half a GPU": ({"limits": {"nvidia.com/gpu": 0.5}}, "limits.nvidia.com/gpu: 0.5 is no whole number"),
    "thousandths of a byte": (
        {"requests": {"memory": "16m"}},
        "requests.memory: 16m of memory is a part of a byte (did you mean 16Mi?)",
    ),
    "a request above its limit": (
        {"requests": {"cpu": "1500m"}, "limits": {"cpu": 1}},
        "requests.cpu: 1500m is greater than the limit 1",
    ),
    "GPUs requested without a limit": (
        {"requests": {"nvidia.com/gpu": 1}},
        "requests.nvidia.com/gpu: needs an equal limit (put it under limits)",
    ),
    "fewer GPUs requested than the limit": (
        {"requests": {"nvidia.com/gpu": 1}, "limits": {"nvidia.com/gpu": 2}},
        "requests.nvidia.com/gpu: 1 must equal the limit 2 (leave the request out, it follows the limit)",
    ),
}


@pytest.mark.parametrize(("resources", "message"), REFUSED.values(), ids=REFUSED)
def test_what_the_api_server_would_refuse_is_refused_here(resources: Any, message: str) -> None:
    (finding,) = resource_findings(resources)
    assert str(finding).startswith(message)


def test_requests_up_to_their_limits_are_fine() -> None:
    resources: Any = {
        "requests": {"cpu": "500m", "memory": "4Gi", "nvidia.com/gpu": 1},
        "limits": {
            "cpu": 2,
            "memory": "4096Mi",
            "nvidia.com/gpu": "1",
            "hugepages-2Mi": "4Mi",
            "rdma/hca": 1,
        },
    }
    assert not list(resource_findings(resources))


@pytest.mark.parametrize(
    ("resources", "count"),
    [
        ({}, 0),
        ({"limits": {"cpu": 8}}, 0),
        ({"limits": {"nvidia.com/gpu": "2"}}, 2),
        ({"limits": {"amd.com/gpu": 1}, "requests": {"amd.com/gpu": 1}}, 1),
        ({"limits": {"gpu.intel.com/i915": 1}}, 1),
        ({"limits": {"nvidia.com/mig-1g.10gb": 3}}, 3),
        ({"limits": {"rdma/hca": 1}}, 0),
    ],
)
def test_gpus_and_their_slices_are_counted(resources: Any, count: int) -> None:
    assert gpus(resources) == count
