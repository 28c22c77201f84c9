"""Figures as a person reads them."""

import statistics
from collections.abc import Sequence


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of all does not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(max(round(share * len(ordered) + 0.5) - 1, 0), len(ordered) - 1)]


def spread(values: Sequence[float], limits: str = "") -> str:
    """Median and tail, in seconds."""
    if not values:
        return "nothing measured"
    tail = "  ".join(f"p{share} {percentile(values, share / 100):7.3f}" for share in (95, 99))
    return (
        f"p50 {statistics.median(values):7.3f}  {tail}  max {max(values):7.3f} s  (n {len(values)}){limits}"
    )
