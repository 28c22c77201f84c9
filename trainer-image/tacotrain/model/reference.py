"""The decoder step by step on padded batches: the oracle of the tests and the yardstick of `bench`, never used in training."""

import torch
from torch import Tensor
from torch.nn import functional as F

from tacotrain.kernels import reference
from tacotrain.kernels.packing import Packing
from tacotrain.model.decoder import Decoded, Decoder
from tacotrain.model.dropout import DropoutMasks


class ReferenceDecoder(Decoder):
    """Gives what `Decoder` gives, slowly: every step on every row, autograd's own gradients."""

    def forward(
        self, memory_BSE: Tensor, padding_BS: Tensor, frames_NM: Tensor, packing: Packing, masks: DropoutMasks
    ) -> Decoded:
        """Decode with the teacher's frames; arguments and result as in `Decoder`."""
        order = packing.order_B
        rnn, attention = self.attention_rnn, self.attention_layer
        frames_UBM = packing.unpack_time_major(frames_NM)[:, order]
        entering_UBP = self.prenet(frames_UBM, tuple(mask[:, order] for mask in masks.prenet_UBP))
        width = entering_UBP.shape[2]
        hidden, context, alignment = reference.attention_steps(
            F.linear(entering_UBP, rnn.weight_ih[:, :width], rnn.bias_ih + rnn.bias_hh),
            torch.cat((rnn.weight_ih[:, width:], rnn.weight_hh), 1),
            attention.query_layer.weight,
            attention.location_layer.location_conv.conv.weight,
            attention.location_layer.location_dense.weight,
            attention.v.weight[0],
            memory_BSE,
            attention.memory_layer(memory_BSE),
            padding_BS,
            None if masks.attention_UBH is None else masks.attention_UBH[:, order],
        )
        rnn = self.decoder_rnn
        gates = F.linear(torch.cat((hidden, context), 2), rnn.weight_ih, rnn.bias_ih + rnn.bias_hh)
        mask_UBD = None if masks.decoder_UBD is None else masks.decoder_UBD[:, order]
        if self.dropout_mode == "recurrent":
            decoded = reference.lstm_steps(gates, rnn.weight_hh, mask_UBD)
        else:
            decoded = reference.lstm_steps(gates, rnn.weight_hh, None) * (1 if mask_UBD is None else mask_UBD)
        row_N = packing.step_N * packing.utterances + packing.rank_N
        mel_NRM, gate_NR = self.project(torch.cat((decoded, context), 2).flatten(0, 1)[row_N])
        return Decoded(mel_NRM, gate_NR, alignment.flatten(0, 1)[row_N])
