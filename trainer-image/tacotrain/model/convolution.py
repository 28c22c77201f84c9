"""Convolution, batch norm, activation and dropout over valid positions only: the block of encoder and postnet."""

from collections.abc import Callable

from torch import Tensor, nn

from tacotrain.model.layers import ConvNorm, Gain
from tacotrain.model.rows import Rows


class ConvolutionStack(nn.ModuleList):
    """Convolutions in a row; each entry is (convolution, batch norm), the names of NVIDIA's state dict.

    An utterance gives the same result alone and in a padded batch, and batch statistics are those of valid positions.
    """

    def __init__(self, channels: list[int], kernel: int, gains: list[Gain]) -> None:
        super().__init__(
            nn.Sequential(ConvNorm(inputs, outputs, kernel, gain=gain), nn.BatchNorm1d(outputs))
            for inputs, outputs, gain in zip(channels[:-1], channels[1:], gains, strict=True)
        )
        self.widths = tuple(channels[1:])
        self._gap = kernel // 2

    def run(
        self,
        x_VC: Tensor,
        rows: Rows,
        activations: list[Callable[[Tensor], Tensor] | None],
        masks: tuple[Tensor, ...],
    ) -> Tensor:
        """Apply all layers.

        Args:
            x_VC: Valid positions.
            rows: Where they lie.
            activations: One a layer; None: linear.
            masks: Dropout of each layer, each V x its channels; empty: no dropout.
        """
        index_V, length = rows.gapped_index(self._gap), rows.gapped_length(self._gap)
        for number, (layer, activation) in enumerate(zip(self, activations, strict=True)):
            assert isinstance(layer, nn.Sequential)
            convolution, norm = layer
            gapped = x_VC.new_zeros(length, x_VC.shape[1]).index_copy(0, index_V, x_VC)
            x_VC = norm(convolution(gapped).index_select(0, index_V))
            if activation is not None:
                x_VC = activation(x_VC)
            if masks:
                x_VC = x_VC * masks[number]
        return x_VC
