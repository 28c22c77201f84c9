"""The library's LSTM over a whole sequence, in full precision."""

import torch
from torch import Tensor


def library_lstm(x_TBI: Tensor, weights: list[Tensor]) -> Tensor:
    """Run one direction of one layer from zero states.

    One call for all steps is several times faster on a CPU than PyTorch's packed sequences; padding must come last, where it
    cannot reach a valid step.

    Args:
        x_TBI: Inputs.
        weights: weight_ih, weight_hh, bias_ih and bias_hh.
    """
    with torch.autocast(x_TBI.device.type, enabled=False):
        x_TBI = x_TBI.to(weights[0].dtype)
        zeros = x_TBI.new_zeros(1, x_TBI.shape[1], weights[1].shape[1])
        hidden: Tensor = torch._VF.lstm(x_TBI, (zeros, zeros), weights, True, 1, 0.0, True, False, False)[0]  # noqa: SLF001
        return hidden
