"""Location-sensitive attention (Chorowski et al. 2015): where in the text the decoder is, given where it has been."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tacotrain.model.layers import ConvNorm, LinearNorm


class LocationLayer(nn.Module):
    """Features of the previous and the cumulative weights around each symbol."""

    def __init__(self, filters: int, kernel: int, width: int) -> None:
        super().__init__()
        self.location_conv = ConvNorm(2, filters, kernel, bias=False)
        self.location_dense = LinearNorm(filters, width, bias=False, gain="tanh")

    def forward(self, seen_B2S: Tensor) -> Tensor:
        """Map (previous, cumulative) weights to features_BSA."""
        conv = self.location_conv.conv
        features: Tensor = self.location_dense(
            F.conv1d(seen_B2S, conv.weight, padding=conv.weight.shape[2] // 2).transpose(1, 2)
        )
        return features

    def folded(self) -> Tensor:
        """Both linear maps as one: `location_LA`, L = 2 K with (previous, cumulative) side by side for each place."""
        filters_F2K, dense_AF = self.location_conv.conv.weight, self.location_dense.weight
        return torch.einsum("fck,af->kca", filters_F2K, dense_AF).flatten(0, 1)


class Attention(nn.Module):
    """Holds the weights; `kernels.attention_scan` does the steps."""

    def __init__(self, query_dim: int, memory_dim: int, width: int, filters: int, kernel: int) -> None:
        super().__init__()
        self.query_layer = LinearNorm(query_dim, width, bias=False, gain="tanh")
        self.memory_layer = LinearNorm(memory_dim, width, bias=False, gain="tanh")
        self.v = LinearNorm(width, 1, bias=False)
        self.location_layer = LocationLayer(filters, kernel, width)
