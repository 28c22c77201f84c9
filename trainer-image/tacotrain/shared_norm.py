"""Batch norm whose statistics are those of all workers' positions, so that a batch is normalized alike on one worker or many.

torch's `SyncBatchNorm` does this on GPUs only, and its workers must all have something to do. `assemble` puts it in.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from tacotrain.workers import Workers


class SharedNorm(nn.BatchNorm1d):
    """`nn.BatchNorm1d` with the same names, weights and numbers, over the positions of all workers (x_VC: V of this one)."""

    def __init__(self, own: nn.BatchNorm1d, workers: Workers) -> None:
        super().__init__(own.num_features, eps=own.eps, momentum=own.momentum)
        # The very same tensors: whoever holds the old ones holds the new ones.
        self.weight, self.bias = own.weight, own.bias
        self.running_mean, self.running_var = own.running_mean, own.running_var
        self.num_batches_tracked = own.num_batches_tracked
        self._workers = workers

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """Normalize; in training with the statistics of all workers."""
        if not self.training:
            return super().forward(input)
        mean_C, scale_C, positions = self._statistics(input)
        normalized: Tensor = _Normalize.apply(
            input, self.weight, self.bias, mean_C, scale_C, positions, self._workers
        )
        return normalized

    def stand_by(self) -> None:
        """Take part in the others' forward pass with no position of one's own."""
        self._statistics(self.weight.new_empty(0, self.num_features))

    def stand_by_backward(self) -> None:
        """The same for their backward pass."""
        self._workers.sum(self.weight.new_zeros(2, self.num_features))

    @torch.no_grad()
    def _statistics(self, x_VC: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean, 1 / deviation and number of all positions; the running statistics take them in."""
        channels = self.num_features
        rows = self.weight.new_zeros(self._workers.size, 2 * channels + 1)
        if len(x_VC):
            variance_C, mean_C = torch.var_mean(x_VC.float(), 0, correction=0)
            count = variance_C.new_full((1,), len(x_VC))
            rows[self._workers.rank] = torch.cat([mean_C, variance_C, count])
        self._workers.sum(rows)
        means_RC, variances_RC, counts_R1 = torch.split(rows, [channels, channels, 1], 1)
        positions = counts_R1.sum()
        mean_C = (counts_R1 * means_RC).sum(0) / positions
        # Around the common mean, which loses no digits as a difference of squares would.
        variance_C = (counts_R1 * (variances_RC + (means_RC - mean_C).square())).sum(0) / positions
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean_C, self.momentum)
        self.running_var.lerp_(variance_C * positions / (positions - 1), self.momentum)
        return mean_C, torch.rsqrt(variance_C + self.eps), positions


class _Normalize(torch.autograd.Function):
    """The arithmetic, with statistics given; the gradient knows that they came from the positions of all workers."""

    @staticmethod
    def forward(  # noqa: PLR0917 - autograd passes them one after another
        ctx: Any,
        x_VC: Tensor,
        weight_C: Tensor,
        bias_C: Tensor,
        mean_C: Tensor,
        scale_C: Tensor,
        positions: Tensor,
        workers: Workers,
    ) -> Tensor:
        normal_VC = (x_VC.float() - mean_C) * scale_C
        ctx.save_for_backward(normal_VC, weight_C, scale_C, positions)
        ctx.workers, ctx.dtype = workers, x_VC.dtype
        return (normal_VC * weight_C + bias_C).to(x_VC.dtype)

    @staticmethod
    def backward(ctx: Any, gradient_VC: Tensor) -> tuple[Tensor | None, ...]:
        normal_VC, weight_C, scale_C, positions = ctx.saved_tensors
        gradient_VC = gradient_VC.float()
        own_2C = torch.stack([gradient_VC.sum(0), (gradient_VC * normal_VC).sum(0)])
        all_2C = own_2C.clone()
        ctx.workers.sum(all_2C)
        # What each position adds to mean and variance comes back from all of them.
        pulled_VC = gradient_VC - (all_2C[0] + normal_VC * all_2C[1]) / positions
        # Weight and bias get this worker's part; the whole gradient is summed over workers afterwards.
        return (
            (pulled_VC * (weight_C * scale_C)).to(ctx.dtype),
            own_2C[1],
            own_2C[0],
            None,
            None,
            None,
            None,
        )


def share_statistics(model: nn.Module, workers: Workers) -> None:
    """Put `SharedNorm` in the place of every batch norm, where there are several workers."""
    if workers.size == 1:
        return
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.BatchNorm1d:
                setattr(module, name, SharedNorm(child, workers))


def norms_of(model: nn.Module) -> tuple[SharedNorm, ...]:
    """All of them, in the order of the forward pass."""
    return tuple(_norms(model))


def _norms(model: nn.Module) -> Iterator[SharedNorm]:
    return (module for module in model.modules() if isinstance(module, SharedNorm))
