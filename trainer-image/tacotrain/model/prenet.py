"""The bottleneck that the decoder's own past goes through."""

import torch
from torch import Tensor, nn

from tacotrain.model import dropout
from tacotrain.model.layers import LinearNorm


class Prenet(nn.Module):
    """Two linear layers with dropout that stays on when speaking: its noise keeps the decoder from copying the last frame."""

    def __init__(self, mel_bands: int, width: int, probability: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            LinearNorm(inputs, outputs, bias=False)
            for inputs, outputs in ((mel_bands, width), (width, width))
        )
        self.width = width
        self.probability = probability

    def draw(self, shape: tuple[int, ...], generator: torch.Generator, like: Tensor) -> tuple[Tensor, ...]:
        """Draw a mask for each layer; `shape` is all but the last dimension."""
        if self.probability == 0:
            return ()
        return tuple(
            dropout.draw((*shape, self.width), self.probability, generator, like) for _ in self.layers
        )

    def forward(self, x: Tensor, masks: tuple[Tensor, ...]) -> Tensor:
        """Map frames (... x M) to ... x P."""
        for number, layer in enumerate(self.layers):
            x = torch.relu(layer(x))
            if masks:
                x = x * masks[number]
        return x
