"""The pointwise half of an LSTM step and its gradient, on buffers that the scans own.

Gates lie side by side in PyTorch's order: input, forget, candidate, output.
"""

import torch
from torch import Tensor

_tanh_backward = torch.ops.aten.tanh_backward
_sigmoid_backward = torch.ops.aten.sigmoid_backward


def forward_(pre_NG: Tensor, before_NH: Tensor, gates_NG: Tensor, cell_NH: Tensor, hidden_NH: Tensor) -> None:
    """Write the activated gates, the new cell state and the output, none of them dropped."""
    width = before_NH.shape[1]
    torch.sigmoid(pre_NG, out=gates_NG)
    torch.tanh(pre_NG[:, 2 * width : 3 * width], out=gates_NG[:, 2 * width : 3 * width])
    enter, forget, candidate, leave = gates_NG.chunk(4, 1)
    torch.mul(forget, before_NH, out=cell_NH)
    cell_NH.addcmul_(enter, candidate)
    torch.mul(torch.tanh(cell_NH), leave, out=hidden_NH)


def backward_(  # noqa: PLR0917 - buffers
    dhidden_NH: Tensor,
    dcell_NH: Tensor,
    gates_NG: Tensor,
    before_NH: Tensor,
    cell_NH: Tensor,
    dpre_NG: Tensor,
) -> Tensor:
    """Write the gradient before the activations and return that of the cell state before the step.

    Args:
        dhidden_NH: Gradient of the output, dropout already undone.
        dcell_NH: Gradient of the new cell state from the step after.
        gates_NG: Activated gates.
        before_NH: Cell state before the step.
        cell_NH: Cell state after it.
        dpre_NG: Written.
    """
    width = before_NH.shape[1]
    enter, forget, candidate, leave = gates_NG.chunk(4, 1)
    denter, dforget, dcandidate, dleave = dpre_NG.chunk(4, 1)
    squashed = torch.tanh(cell_NH)
    dcell: Tensor = _tanh_backward(dhidden_NH * leave, squashed).add_(dcell_NH)
    torch.mul(dcell, candidate, out=denter)
    torch.mul(dcell, before_NH, out=dforget)
    torch.mul(dcell, enter, out=dcandidate)
    torch.mul(dhidden_NH, squashed, out=dleave)
    entering = dpre_NG[:, : 2 * width]
    _sigmoid_backward.grad_input(entering, gates_NG[:, : 2 * width], grad_input=entering)
    _tanh_backward.grad_input(dcandidate, candidate, grad_input=dcandidate)
    _sigmoid_backward.grad_input(dleave, leave, grad_input=dleave)
    return dcell.mul_(forget)
