"""The optimizer and the averaged weights."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

import torch
from torch import Tensor, nn

# As in Adam's paper and in NVIDIA/tacotron2.
BETA1: Final = 0.9
BETA2: Final = 0.999
EPSILON: Final = 1e-8


class AdamW:
    """AdamW by the fused kernel that `torch.optim.AdamW(fused=True)` calls.

    That class imports torch's compiler when it is made, which takes four seconds and 150 MB; a short trial has neither to
    spare. Biases and norms do not decay, for nothing pulls them towards zero but the decay itself.

    Args:
        model: On its device.
        weight_decay: Of all weights that are matrices or larger.
    """

    def __init__(self, model: nn.Module, *, weight_decay: float) -> None:
        trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        self._groups = (
            _Group({name: weight for name, weight in trained.items() if weight.ndim >= 2}, weight_decay),
            _Group({name: weight for name, weight in trained.items() if weight.ndim < 2}, 0.0),
        )
        device = next(iter(trained.values())).device
        self._steps = torch.zeros((), dtype=torch.float32, device=device)

    @torch.no_grad()
    def step(self, rate: float, bad: Tensor) -> None:
        """Update the weights and forget the gradients.

        Args:
            rate: Learning rate.
            bad: 1.0 on the device where the gradients are not finite: then nothing changes; else 0.0.
        """
        self._steps += 1
        for group in self._groups:
            group.step(self._steps, rate, bad)
        self._steps -= bad

    def state_dict(self) -> dict[str, Any]:
        """Moments by the weights' names, and the number of updates."""
        moments = {name: pair for group in self._groups for name, pair in group.moments.items()}
        return {"steps": self._steps, "moments": moments}

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""
        self._steps.copy_(state["steps"])
        for group in self._groups:
            for name, pair in group.moments.items():
                for own, saved in zip(pair, state["moments"][name], strict=True):
                    own.copy_(saved)


class _Group:
    """Weights that decay alike."""

    def __init__(self, weights: dict[str, nn.Parameter], decay: float) -> None:
        self._weights = list(weights.values())
        self._decay = decay
        self.moments = {
            name: (torch.zeros_like(weight), torch.zeros_like(weight)) for name, weight in weights.items()
        }

    def step(self, steps: Tensor, rate: float, bad: Tensor) -> None:
        trained = [
            (weight, weight.grad, *pair)
            for weight, pair in zip(self._weights, self.moments.values(), strict=True)
            if weight.grad is not None
        ]
        if not trained:
            return
        weights, gradients, first, second = (list(column) for column in zip(*trained, strict=True))
        torch._fused_adamw_(
            weights,
            gradients,
            first,
            second,
            [],
            [steps] * len(weights),
            lr=rate,
            beta1=BETA1,
            beta2=BETA2,
            weight_decay=self._decay,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
            grad_scale=None,
            found_inf=bad,
        )
        for weight in weights:
            weight.grad = None


class WeightAverage:
    """Exponential moving average of weights and running statistics.

    Early on the average follows faster than its decay says, or a short training would end close to its random start.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._decay = decay
        self._updates = 0
        self._live = _float_state(model)
        self._average = {name: tensor.clone() for name, tensor in self._live.items()}

    @torch.no_grad()
    def update(self, bad: Tensor) -> None:
        """Take in the weights after a step; `bad` (1.0 or 0.0, on the device) says that the step was skipped."""
        self._updates += 1
        decay = min(self._decay, (1 + self._updates) / (10 + self._updates))
        # A skipped step left the weights alone; a weight of zero keeps the average alone too.
        weight = (1 - decay) * (1 - bad)
        average = list(self._average.values())
        difference = torch._foreach_sub(list(self._live.values()), average)  # noqa: SLF001 - torch's own name for it
        torch._foreach_mul_(difference, weight)
        torch._foreach_add_(average, difference)

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Use the averaged weights in the model for the length of a block."""
        live = list(self._live.values())
        backup = [tensor.clone() for tensor in live]
        _copy(live, list(self._average.values()))
        try:
            yield
        finally:
            _copy(live, backup)

    def weights(self) -> dict[str, Tensor]:
        """The averaged tensors by their names in the model."""
        return dict(self._average)

    def state_dict(self) -> dict[str, object]:
        """Everything that is needed to go on."""
        return {"updates": self._updates, "average": self.weights()}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Go on from a saved state."""
        average, updates = state["average"], state["updates"]
        assert isinstance(average, dict)
        assert isinstance(updates, int)
        for name, tensor in self._average.items():
            tensor.copy_(average[name])
        self._updates = updates


def _float_state(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in model.state_dict().items() if tensor.is_floating_point()}


@torch.no_grad()
def _copy(targets: list[Tensor], sources: list[Tensor]) -> None:
    for target, source in zip(targets, sources, strict=True):
        target.copy_(source)
