"""Convolutions that refine the whole spectrogram once it is known."""

import torch
from torch import Tensor, nn

from tacotrain.model.convolution import ConvolutionStack
from tacotrain.model.rows import Rows


class Postnet(nn.Module):
    """Predicts what to add to the decoder's frames."""

    def __init__(self, mel_bands: int, layers: int, kernel: int, width: int) -> None:
        super().__init__()
        inner = layers - 1
        self.convolutions = ConvolutionStack(
            [mel_bands, *[width] * inner, mel_bands],
            kernel,
            [*["tanh"] * inner, "linear"],  # type: ignore[list-item]
        )

    def forward(self, mel_VM: Tensor, rows: Rows, masks: tuple[Tensor, ...]) -> Tensor:
        """Map valid frames to the correction of each."""
        return self.convolutions.run(
            mel_VM, rows, [*[torch.tanh] * (len(self.convolutions) - 1), None], masks
        )
