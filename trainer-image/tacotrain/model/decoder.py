"""From encoded text and the frames so far to the next frames: teacher-forced in one go, or freely step by step."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tacotrain.kernels.packing import Packing
from tacotrain.kernels.scan import attention_scan, lstm_scan
from tacotrain.model.attention import Attention
from tacotrain.model.dropout import DropoutMasks
from tacotrain.model.layers import LinearNorm
from tacotrain.model.prenet import Prenet
from tacotrain.model.recurrent import library_lstm


@dataclass(frozen=True, slots=True)
class Decoded:
    """What the decoder says about each packed step."""

    mel_NRM: Tensor
    """R mel frames a step."""
    gate_NR: Tensor
    """Logit of each frame being the last."""
    alignment_NS: Tensor
    """Weight of each symbol."""


class Decoder(nn.Module):
    """Attention LSTM, attention, decoder LSTM and two projections."""

    def __init__(
        self,
        *,
        mel_bands: int,
        frames_per_step: int,
        memory_dim: int,
        prenet_dim: int,
        prenet_dropout: float,
        attention_rnn_dim: int,
        attention_dim: int,
        location_filters: int,
        location_kernel: int,
        decoder_rnn_dim: int,
        dropout_mode: Literal["recurrent", "output"],
    ) -> None:
        super().__init__()
        self.mel_bands, self.frames_per_step, self.dropout_mode = mel_bands, frames_per_step, dropout_mode
        self.prenet = Prenet(mel_bands, prenet_dim, prenet_dropout)
        self.attention_rnn = nn.LSTMCell(prenet_dim + memory_dim, attention_rnn_dim)
        self.attention_layer = Attention(
            attention_rnn_dim, memory_dim, attention_dim, location_filters, location_kernel
        )
        self.decoder_rnn = nn.LSTMCell(attention_rnn_dim + memory_dim, decoder_rnn_dim)
        joined = decoder_rnn_dim + memory_dim
        self.linear_projection = LinearNorm(joined, mel_bands * frames_per_step)
        self.gate_layer = LinearNorm(joined, frames_per_step, gain="sigmoid")

    def forward(
        self, memory_BSE: Tensor, padding_BS: Tensor, frames_NM: Tensor, packing: Packing, masks: DropoutMasks
    ) -> Decoded:
        """Decode with the teacher's frames.

        Args:
            memory_BSE: Encoder output, utterances in packed order.
            padding_BS: True at padding, in packed order.
            frames_NM: The last frame before each step; zeros before the first.
            packing: Steps of each utterance.
            masks: Dropout; here the prenet's, the attention LSTM's and the decoder LSTM's count.
        """
        prenet_masks = tuple(packing.pack_time_major(mask) for mask in masks.prenet_UBP)
        entering_NP = self.prenet(frames_NM, prenet_masks)
        with torch.autocast(memory_BSE.device.type, enabled=False):
            # The recurrences stay in full precision: 400 steps of bfloat16 sums of weights are no attention.
            hidden, context, alignment = self._attend(
                entering_NP.to(self.attention_rnn.weight_ih.dtype),
                memory_BSE,
                padding_BS,
                packing,
                masks.attention_UBH,
            )
            decoded = self._run_decoder_rnn(torch.cat((hidden, context), 1), packing, masks.decoder_UBD)
        return Decoded(*self.project(torch.cat((decoded, context), 1)), alignment)

    def project(self, joined_NI: Tensor) -> tuple[Tensor, Tensor]:
        """Turn [decoder output | context] of each step into its frames and gate logits: mel_NRM, gate_NR."""
        mel_NRM = self.linear_projection(joined_NI).view(-1, self.frames_per_step, self.mel_bands)
        return mel_NRM, self.gate_layer(joined_NI)

    def _attend(
        self,
        entering_NP: Tensor,
        memory_BSE: Tensor,
        padding_BS: Tensor,
        packing: Packing,
        mask_UBH: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        rnn, attention = self.attention_rnn, self.attention_layer
        width = entering_NP.shape[1]
        memory_BSE = memory_BSE.to(rnn.weight_ih.dtype)
        return attention_scan(
            F.linear(entering_NP, rnn.weight_ih[:, :width], rnn.bias_ih + rnn.bias_hh),
            torch.cat((rnn.weight_ih[:, width:], rnn.weight_hh), 1),
            attention.query_layer.weight,
            attention.location_layer.folded(),
            attention.v.weight[0],
            memory_BSE,
            attention.memory_layer(memory_BSE),
            padding_BS,
            packing.pack_time_major(mask_UBH) if mask_UBH is not None else None,
            packing.sizes,
        )

    def _run_decoder_rnn(self, x_NI: Tensor, packing: Packing, mask_UBD: Tensor | None) -> Tensor:
        rnn = self.decoder_rnn
        mask_ND = packing.pack_time_major(mask_UBD) if mask_UBD is not None else None
        if self.dropout_mode == "recurrent" and mask_ND is not None:
            gates = F.linear(x_NI, rnn.weight_ih, rnn.bias_ih + rnn.bias_hh)
            return lstm_scan(gates, rnn.weight_hh, mask_ND, packing.sizes)
        # Nothing drops on the way from step to step, so any LSTM will do: the library's has the cheaper steps.
        weights = [rnn.weight_ih, rnn.weight_hh, rnn.bias_ih, rnn.bias_hh]
        hidden = packing.pack_time_major(library_lstm(packing.unpack_time_major(x_NI), weights))
        return hidden if mask_ND is None else hidden * mask_ND
