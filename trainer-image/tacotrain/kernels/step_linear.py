"""A matrix product with few rows and a weight that stays the same for hundreds of steps.

BLAS packs the weight again at every call, which costs more than the product itself when x has 16 rows: 16 x 1536 x 4096 runs
at 40-80 GFLOP/s on two cores where oneDNN with a weight that was packed once runs at 160.
"""

from typing import cast

import torch
from torch import Tensor

# Below about this many elements the weight lies in the cache and oneDNN's longer call costs more than it saves.
_WORTH_PACKING = 1 << 18


class StepLinear:
    """Computes `base_NO + x_NI @ weight_OI.T` many times."""

    __slots__ = ("_packed", "_weight_IO")

    def __init__(self, weight_OI: Tensor, rows: int) -> None:
        packable = (
            weight_OI.device.type == "cpu"
            and weight_OI.dtype == torch.float32
            and weight_OI.numel() >= _WORTH_PACKING
            and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
            and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
        )
        self._packed: Tensor | None = None
        self._weight_IO: Tensor | None = None
        if packable:
            self._packed = torch.ops.mkldnn._reorder_linear_weight(weight_OI.contiguous(), rows)  # noqa: SLF001
        else:
            self._weight_IO = weight_OI.t().contiguous()

    def __call__(self, x_NI: Tensor) -> Tensor:
        """Multiply without adding."""
        if self._packed is None:
            assert self._weight_IO is not None
            return torch.mm(x_NI, self._weight_IO)
        return cast(Tensor, torch.ops.mkldnn._linear_pointwise(x_NI, self._packed, None, "none", [], ""))  # noqa: SLF001

    def add(self, base_NO: Tensor, x_NI: Tensor) -> Tensor:
        """Multiply and add."""
        if self._packed is None:
            assert self._weight_IO is not None
            return torch.addmm(base_NO, x_NI, self._weight_IO)
        linear = torch.ops.mkldnn._linear_pointwise  # noqa: SLF001
        return cast("Tensor", linear.binary(x_NI, base_NO, self._packed, None, "add"))
