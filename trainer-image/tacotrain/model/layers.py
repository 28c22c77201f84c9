"""Linear and convolution with Xavier initialization; the extra level of names is that of NVIDIA's state dict."""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

Gain = Literal["linear", "relu", "sigmoid", "tanh"]


class LinearNorm(nn.Module):
    """A linear layer whose weights are called `linear_layer.*`."""

    def __init__(self, inputs: int, outputs: int, *, bias: bool = True, gain: Gain = "linear") -> None:
        super().__init__()
        self.linear_layer = nn.Linear(inputs, outputs, bias=bias)
        nn.init.xavier_uniform_(self.linear_layer.weight, nn.init.calculate_gain(gain))

    @property
    def weight(self) -> Tensor:
        """The weight, outputs x inputs."""
        return self.linear_layer.weight

    def forward(self, x: Tensor) -> Tensor:
        """Map the last dimension."""
        return F.linear(x, self.linear_layer.weight, self.linear_layer.bias)


class ConvNorm(nn.Module):
    """A centred convolution over rows whose weights are called `conv.*`."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, bias: bool = True, gain: Gain = "linear"
    ) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2, bias=bias)
        nn.init.xavier_uniform_(self.conv.weight, nn.init.calculate_gain(gain))

    def forward(self, x_LC: Tensor) -> Tensor:
        """Convolve along rows.

        Rows of channels are what a channels-last image of height 1 looks like in memory, so nothing is moved on the way
        in or out of the library's fastest kernel.
        """
        length, channels = x_LC.shape
        image = x_LC.view(1, 1, length, channels).permute(0, 3, 1, 2)
        y = F.conv2d(
            image, self.conv.weight.unsqueeze(2), self.conv.bias, padding=(0, self.conv.weight.shape[2] // 2)
        )
        return y.permute(0, 2, 3, 1).reshape(length, -1)
