"""Symbols in, one vector a symbol out: convolutions for the neighborhood, a bidirectional LSTM for the sentence."""

import torch
from torch import Tensor, nn

from tacotrain.model.convolution import ConvolutionStack
from tacotrain.model.recurrent import library_lstm
from tacotrain.model.rows import Rows


class Encoder(nn.Module):
    """Encodes valid symbols; padding exists only as zeros that the LSTM walks after the end of a text."""

    def __init__(self, embedding_dim: int, layers: int, kernel: int, width: int) -> None:
        super().__init__()
        self.convolutions = ConvolutionStack([embedding_dim, *[width] * layers], kernel, ["relu"] * layers)
        self.lstm = nn.LSTM(width, width // 2, batch_first=True, bidirectional=True)

    def forward(self, embedded_VD: Tensor, rows: Rows, masks: tuple[Tensor, ...]) -> Tensor:
        """Map embedded symbols to encoder_VE."""
        x = self.convolutions.run(embedded_VD, rows, [torch.relu] * len(self.convolutions), masks)
        forward = self._direction(x, rows, rows.position_V, "")
        backward = self._direction(x, rows, rows.remaining_V, "_reverse")
        return torch.cat((forward, backward), 1)

    def _direction(self, x_VC: Tensor, rows: Rows, time_V: Tensor, suffix: str) -> Tensor:
        """Run one direction with each text starting at time 0, so that padding only ever comes after it."""
        index_V = time_V * rows.utterances + rows.utterance_V
        padded = x_VC.new_zeros(rows.longest * rows.utterances, x_VC.shape[1]).index_copy(0, index_V, x_VC)
        names = (
            f"weight_ih_l0{suffix}",
            f"weight_hh_l0{suffix}",
            f"bias_ih_l0{suffix}",
            f"bias_hh_l0{suffix}",
        )
        hidden = library_lstm(
            padded.view(rows.longest, rows.utterances, -1), [getattr(self.lstm, name) for name in names]
        )
        return hidden.flatten(0, 1)[index_V]
