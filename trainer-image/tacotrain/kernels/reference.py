"""The decoder's recurrences one step at a time, as the papers write them: slow, readable, and the oracle of the tests and of `bench`.

Padded, unsorted, with autograd's own gradients. Shapes as in `scan`, but U steps x B utterances instead of packed rows.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def lstm_cell(pre_BG: Tensor, cell_BH: Tensor) -> tuple[Tensor, Tensor]:
    """Make one LSTM step from the sum of all that enters the gates; returns hidden and cell."""
    enter, forget, candidate, leave = pre_BG.chunk(4, 1)
    cell_BH = torch.sigmoid(forget) * cell_BH + torch.sigmoid(enter) * torch.tanh(candidate)
    return torch.sigmoid(leave) * torch.tanh(cell_BH), cell_BH


def attention_steps(  # noqa: PLR0917 - the arguments of the scan
    gates_UBG: Tensor,
    recurrent_GI: Tensor,
    query_AH: Tensor,
    filters_F2K: Tensor,
    dense_AF: Tensor,
    energy_A: Tensor,
    memory_BSE: Tensor,
    keys_BSA: Tensor,
    padding_BS: Tensor,
    mask_UBH: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Attention LSTM, then location-sensitive attention (Chorowski et al. 2015), step by step.

    Returns:
        hidden_UBH, context_UBE, alignment_UBS.
    """
    batch, symbols, context_dim = memory_BSE.shape
    width = recurrent_GI.shape[0] // 4
    hidden, cell = gates_UBG.new_zeros(batch, width), gates_UBG.new_zeros(batch, width)
    context = gates_UBG.new_zeros(batch, context_dim)
    weights, cumulative = gates_UBG.new_zeros(batch, symbols), gates_UBG.new_zeros(batch, symbols)
    hiddens, contexts, alignments = [], [], []
    for t, gates in enumerate(gates_UBG):
        hidden, cell = lstm_cell(gates + F.linear(torch.cat((context, hidden), 1), recurrent_GI), cell)
        if mask_UBH is not None:
            hidden = hidden * mask_UBH[t]
        seen = torch.stack((weights, cumulative), 1)
        location = F.linear(
            F.conv1d(seen, filters_F2K, padding=filters_F2K.shape[2] // 2).transpose(1, 2), dense_AF
        )
        energy = torch.tanh(F.linear(hidden, query_AH).unsqueeze(1) + location + keys_BSA) @ energy_A
        weights = torch.softmax(energy.masked_fill(padding_BS, float("-inf")), 1)
        context = torch.einsum("bs,bse->be", weights, memory_BSE)
        cumulative = cumulative + weights
        hiddens.append(hidden)
        contexts.append(context)
        alignments.append(weights)
    return torch.stack(hiddens), torch.stack(contexts), torch.stack(alignments)


def lstm_steps(gates_UBG: Tensor, recurrent_GH: Tensor, mask_UBH: Tensor | None) -> Tensor:
    """An LSTM whose dropped output is what the next step gets: hidden_UBH."""
    batch, width = gates_UBG.shape[1], recurrent_GH.shape[1]
    hidden, cell = gates_UBG.new_zeros(batch, width), gates_UBG.new_zeros(batch, width)
    hiddens = []
    for t, gates in enumerate(gates_UBG):
        hidden, cell = lstm_cell(gates + F.linear(hidden, recurrent_GH), cell)
        if mask_UBH is not None:
            hidden = hidden * mask_UBH[t]
        hiddens.append(hidden)
    return torch.stack(hiddens)
