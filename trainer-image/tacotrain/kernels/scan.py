"""The two recurrences of the decoder as autograd functions that walk only the rows that exist.

Under teacher forcing nothing but the attention LSTM and the attention itself depends on the step before; the decoder LSTM and
all projections can wait (`model.decoder` does them in one product). Each scan does per step what cannot be deferred, keeps the
states in one buffer whose rows are outputs and next inputs at once, and leaves every weight gradient to a single product after
the loop. `kernels.reference` is the same mathematics step by step; the tests hold both to 1e-12.

Shapes besides those of `batch`: N = rows of a `Packing`, H = cells of the LSTM, G = 4 H gates, A = attention width, K = location kernel,
B = rows of the first step in packed order.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import Function, once_differentiable
from torch.nn import functional as F

from tacotrain.kernels import lstm_cell
from tacotrain.kernels.packing import by_step, previous_rows
from tacotrain.kernels.step_linear import StepLinear

_softmax_backward = torch.ops.aten._softmax_backward_data  # noqa: SLF001
_tanh_backward = torch.ops.aten.tanh_backward


def attention_scan(  # noqa: PLR0917 - autograd functions take positions
    gates_NG: Tensor,
    recurrent_GI: Tensor,
    query_AH: Tensor,
    location_LA: Tensor,
    energy_A: Tensor,
    memory_BSE: Tensor,
    keys_BSA: Tensor,
    padding_BS: Tensor,
    mask_NH: Tensor | None,
    sizes: tuple[int, ...],
) -> tuple[Tensor, Tensor, Tensor]:
    """Run the attention LSTM and location-sensitive attention over all steps.

    Args:
        gates_NG: What the prenet and the biases add to the gates.
        recurrent_GI: Weights of the gates for [context | hidden]; I = E + H.
        query_AH: Weights of the query.
        location_LA: Location filters and their dense layer folded into one product over a window of K symbols, each with its
            previous and its cumulative weight; L = 2 K.
        energy_A: Weights of the energy.
        memory_BSE: Encoder output.
        keys_BSA: Encoder output through the memory layer.
        padding_BS: True at padding.
        mask_NH: Dropout of the LSTM's output, which is also what the next step gets; None: no dropout.
        sizes: Active rows of each step.

    Returns:
        hidden_NH, context_NE and alignment_NS, each row of which sums to 1.
    """
    outputs: tuple[Tensor, Tensor, Tensor] = _AttentionScan.apply(
        gates_NG,
        recurrent_GI,
        query_AH,
        location_LA,
        energy_A,
        memory_BSE,
        keys_BSA,
        padding_BS,
        mask_NH,
        sizes,
    )
    return outputs


def lstm_scan(
    gates_NG: Tensor, recurrent_GH: Tensor, mask_NH: Tensor | None, sizes: tuple[int, ...]
) -> Tensor:
    """Run an LSTM whose dropped output is what the next step gets.

    Args:
        gates_NG: What the inputs and the biases add to the gates.
        recurrent_GH: Weights of the gates for the output of the step before.
        mask_NH: Dropout of the output; None: no dropout.
        sizes: Active rows of each step.

    Returns:
        hidden_NH, dropped.
    """
    hidden: Tensor = _LstmScan.apply(gates_NG, recurrent_GH, mask_NH, sizes)
    return hidden


def _grown(x: Tensor, rows: int) -> Tensor:
    """Add zero rows: utterances that end here receive no gradient from later steps."""
    return x if x.shape[0] == rows else F.pad(x, (0, 0) * (x.dim() - 1) + (0, rows - x.shape[0]))


class _AttentionScan(Function):
    @staticmethod
    def forward(  # noqa: PLR0917
        ctx: Any,
        gates_NG: Tensor,
        recurrent_GI: Tensor,
        query_AH: Tensor,
        location_LA: Tensor,
        energy_A: Tensor,
        memory_BSE: Tensor,
        keys_BSA: Tensor,
        padding_BS: Tensor,
        mask_NH: Tensor | None,
        sizes: tuple[int, ...],
    ) -> tuple[Tensor, Tensor, Tensor]:
        first, symbols, context_dim = memory_BSE.shape
        total, width, reach = sum(sizes), gates_NG.shape[1] // 4, location_LA.shape[0] // 4
        states = gates_NG.new_zeros(first + total, context_dim + width)  # [context | hidden]
        cells = gates_NG.new_zeros(first + total, width)
        # Previous and cumulative weight side by side: a window of K symbols is one run of 2 K numbers.
        weights = gates_NG.new_zeros(first + total, symbols + 2 * reach, 2)
        gates = torch.empty_like(gates_NG)
        alignment = gates_NG.new_empty(total, symbols)
        step, query_HA = StepLinear(recurrent_GI, first), query_AH.t().contiguous()
        bias_BS = torch.zeros_like(memory_BSE[..., 0]).masked_fill_(padding_BS, float("-inf"))

        state, cell, weight = (by_step(x, (first, *sizes)) for x in (states, cells, weights))
        mask = by_step(mask_NH, sizes) if mask_NH is not None else None
        steps = zip(
            by_step(gates_NG, sizes),
            by_step(gates, sizes),
            by_step(alignment, sizes),
            strict=True,
        )
        for t, (entering, activated, aligned) in enumerate(steps):
            n = sizes[t]
            hidden = state[t + 1][:, context_dim:]
            lstm_cell.forward_(step.add(entering, state[t][:n]), cell[t][:n], activated, cell[t + 1], hidden)
            if mask is not None:
                hidden.mul_(mask[t])
            windows = _windows(weight[t][:n], symbols, 4 * reach + 2)
            squashed = _squash(keys_BSA[:n], windows, location_LA, torch.mm(hidden, query_HA))
            energy = torch.mv(squashed.view(n * symbols, -1), energy_A).view(n, symbols).add_(bias_BS[:n])
            torch.softmax(energy, 1, out=aligned)
            state[t + 1][:, :context_dim] = torch.bmm(aligned.unsqueeze(1), memory_BSE[:n]).squeeze(1)
            now, before = weight[t + 1][:, reach : reach + symbols], weight[t][:n, reach : reach + symbols]
            now[..., 0] = aligned
            torch.add(before[..., 1], aligned, out=now[..., 1])

        ctx.save_for_backward(
            states,
            cells,
            weights,
            gates,
            alignment,
            recurrent_GI,
            query_AH,
            location_LA,
            energy_A,
            memory_BSE,
            keys_BSA,
            mask_NH,
        )
        ctx.sizes = sizes
        return states[first:, context_dim:], states[first:, :context_dim], alignment

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (
            states,
            cells,
            weights,
            gates,
            alignment,
            recurrent_GI,
            query_AH,
            location_LA,
            energy_A,
            memory_BSE,
            keys_BSA,
            mask_NH,
        ) = ctx.saved_tensors
        sizes: tuple[int, ...] = ctx.sizes
        first, symbols, context_dim = memory_BSE.shape
        kernel = location_LA.shape[0] // 2
        hidden_NH = states[first:, context_dim:]
        query_NA = torch.mm(hidden_NH, query_AH.t())

        dpre_NG = torch.empty_like(gates)
        dquery_NA = torch.empty_like(query_NA)
        dcontext_NE = grads[1].clone(memory_format=torch.contiguous_format)
        dkeys_BSA, dlocation_LA, denergy_A = (
            torch.zeros_like(keys_BSA),
            torch.zeros_like(location_LA),
            torch.zeros_like(energy_A),
        )
        back = StepLinear(recurrent_GI.t(), first)
        location_AL, memory_BES = location_LA.t().contiguous(), memory_BSE.transpose(1, 2)
        overlap = _OverlapAdd(first, symbols, kernel, states)

        last = sizes[-1]
        dstate = states.new_zeros(last, states.shape[1])
        dcell = cells.new_zeros(last, cells.shape[1])
        dprevious, dcumulative = states.new_zeros(last, symbols), states.new_zeros(last, symbols)

        cell, weight = by_step(cells, (first, *sizes)), by_step(weights, (first, *sizes))
        dhiddens, dalignments, dcontexts = (by_step(x, sizes) for x in (grads[0], grads[2], dcontext_NE))
        mask = by_step(mask_NH, sizes) if mask_NH is not None else None
        queries, aligned, activated = (
            by_step(query_NA, sizes),
            by_step(alignment, sizes),
            by_step(gates, sizes),
        )
        dqueries, dpres = by_step(dquery_NA, sizes), by_step(dpre_NG, sizes)
        for t in range(len(sizes) - 1, -1, -1):
            n = sizes[t]
            dstate, dcell, dprevious, dcumulative = (
                _grown(x, n) for x in (dstate, dcell, dprevious, dcumulative)
            )

            dcontext = dcontexts[t].add_(dstate[:, :context_dim])
            dweight = torch.bmm(dcontext.unsqueeze(1), memory_BES[:n]).squeeze(1)
            dweight.add_(dalignments[t]).add_(dprevious).add_(dcumulative)
            denergy = _softmax_backward(dweight, aligned[t], 1, dweight.dtype)

            windows = _windows(weight[t][:n], symbols, 2 * kernel)
            squashed = _squash(keys_BSA[:n], windows, location_LA, queries[t])
            denergy_A.addmv_(squashed.view(n * symbols, -1).t(), denergy.view(-1))
            dsum = _tanh_backward(denergy.unsqueeze(-1) * energy_A, squashed)
            torch.sum(dsum, 1, out=dqueries[t])
            dkeys_BSA[:n].add_(dsum)
            dsum = dsum.view(n * symbols, -1)
            dlocation_LA.addmm_(windows.t(), dsum)
            dpast = overlap.add(dsum, location_AL, n)
            dprevious = dpast[..., 0]
            dcumulative = dcumulative + dpast[..., 1]

            dhidden = torch.addmm(dstate[:, context_dim:], dqueries[t], query_AH).add_(dhiddens[t])
            if mask is not None:
                dhidden.mul_(mask[t])
            dcell = lstm_cell.backward_(dhidden, dcell, activated[t], cell[t][:n], cell[t + 1], dpres[t])
            dstate = back(dpres[t])

        drecurrent_GI = torch.mm(dpre_NG.t(), previous_rows(states, sizes))
        dquery_AH = torch.mm(dquery_NA.t(), hidden_NH)
        dmemory_BSE = torch.bmm(
            _by_utterance(alignment, sizes).transpose(1, 2), _by_utterance(dcontext_NE, sizes)
        )
        return (
            dpre_NG,
            drecurrent_GI,
            dquery_AH,
            dlocation_LA,
            denergy_A,
            dmemory_BSE,
            dkeys_BSA,
            None,
            None,
            None,
        )


class _LstmScan(Function):
    @staticmethod
    def forward(
        ctx: Any, gates_NG: Tensor, recurrent_GH: Tensor, mask_NH: Tensor | None, sizes: tuple[int, ...]
    ) -> Tensor:
        first, total, width = sizes[0], sum(sizes), recurrent_GH.shape[1]
        states, cells = gates_NG.new_zeros(first + total, width), gates_NG.new_zeros(first + total, width)
        gates = torch.empty_like(gates_NG)
        step = StepLinear(recurrent_GH, first)
        state, cell = by_step(states, (first, *sizes)), by_step(cells, (first, *sizes))
        mask = by_step(mask_NH, sizes) if mask_NH is not None else None
        for t, (entering, activated) in enumerate(
            zip(by_step(gates_NG, sizes), by_step(gates, sizes), strict=True)
        ):
            n = sizes[t]
            lstm_cell.forward_(
                step.add(entering, state[t][:n]), cell[t][:n], activated, cell[t + 1], state[t + 1]
            )
            if mask is not None:
                state[t + 1].mul_(mask[t])
        ctx.save_for_backward(states, cells, gates, recurrent_GH, mask_NH)
        ctx.sizes = sizes
        return states[first:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        states, cells, gates, recurrent_GH, mask_NH = ctx.saved_tensors
        sizes: tuple[int, ...] = ctx.sizes
        first = sizes[0]
        dpre_NG = torch.empty_like(gates)
        back = StepLinear(recurrent_GH.t(), first)
        dstate = dcell = states.new_zeros(sizes[-1], states.shape[1])
        cell, mask = (
            by_step(cells, (first, *sizes)),
            by_step(mask_NH, sizes) if mask_NH is not None else None,
        )
        dhiddens, activated, dpres = (by_step(x, sizes) for x in (grads[0], gates, dpre_NG))
        for t in range(len(sizes) - 1, -1, -1):
            n = sizes[t]
            dhidden = dhiddens[t] + _grown(dstate, n)
            if mask is not None:
                dhidden.mul_(mask[t])
            dcell = lstm_cell.backward_(
                dhidden, _grown(dcell, n), activated[t], cell[t][:n], cell[t + 1], dpres[t]
            )
            dstate = back(dpres[t])
        return dpre_NG, torch.mm(dpre_NG.t(), previous_rows(states, sizes)), None, None


def _windows(weight_NPQ: Tensor, symbols: int, length: int) -> Tensor:
    """Give the padded weights around each symbol as rows: `windows_XL`, X = N S."""
    rows, padded, _ = weight_NPQ.shape
    return weight_NPQ.as_strided((rows, symbols, length), (2 * padded, 2, 1)).reshape(rows * symbols, length)


def _squash(keys_NSA: Tensor, windows_XL: Tensor, location_LA: Tensor, query_NA: Tensor) -> Tensor:
    """Compute `tanh(query + location + memory)`: `squashed_NSA`."""
    total = torch.addmm(keys_NSA.view(-1, keys_NSA.shape[2]), windows_XL, location_LA).view(keys_NSA.shape)
    return total.add_(query_NA.unsqueeze(1)).tanh_()


class _OverlapAdd:
    """Gives the gradient of windows back to the weights they were cut from.

    Window s covers the numbers 2 s .. 2 s + 2 K of its utterance. Written with rows that are 2 longer than the sum is wide, window s
    starts 2 s further to the right, and the overlapping sum is a plain sum over rows. What is never written stays zero.
    """

    def __init__(self, rows: int, symbols: int, kernel: int, like: Tensor) -> None:
        self._symbols, self._reach = symbols, kernel // 2
        width = 2 * (symbols + kernel - 1)
        store = like.new_zeros(rows * symbols * (width + 2))
        self._written = store.as_strided((rows * symbols, 2 * kernel), (width + 2, 1))
        self._summed = store.as_strided((rows, symbols, width), (symbols * (width + 2), width, 1))

    def add(self, dsum_XA: Tensor, location_AL: Tensor, rows: int) -> Tensor:
        """Map back to windows and sum them: `dpast_NSQ` with Q = (previous, cumulative)."""
        torch.mm(dsum_XA, location_AL, out=self._written[: rows * self._symbols])
        return self._summed[:rows].sum(1).view(rows, -1, 2)[:, self._reach : self._reach + self._symbols]


def _by_utterance(x_ND: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """Put packed rows into `x_BUD` in packed order, zero at padding."""
    if sizes[-1] == sizes[0]:
        return x_ND.view(len(sizes), sizes[0], -1).transpose(0, 1)
    padded = x_ND.new_zeros(len(sizes), sizes[0], x_ND.shape[1])
    for t, rows in enumerate(by_step(x_ND, sizes)):
        padded[t, : len(rows)] = rows
    return padded.transpose(0, 1)
