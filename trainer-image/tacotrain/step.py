"""One optimizer step: forward and backward over the accumulated batches, clip, update, all without asking the device.

Whether a step was finite is decided on the device: a bad one changes neither weights nor running statistics, and the host
learns of it when it next reads the numbers. Hence the GPU is never waited for between two readings. Of several workers each
computes its part of a batch; their gradients are summed before anything is decided, so all decide alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tacotrain.batch import Batch
from tacotrain.config import TrainConfig
from tacotrain.losses import Losses, compute_loss, guided_weight
from tacotrain.model.tacotron2 import Tacotron2
from tacotrain.optim import AdamW, WeightAverage
from tacotrain.parts import Part
from tacotrain.shared_norm import norms_of
from tacotrain.workers import Workers


@dataclass(slots=True)
class Tally:
    """Sums over the steps since they were last read; tensors stay on the device."""

    steps: int
    frames: int
    losses: Tensor
    """Sums in the order of `LOSSES`, of the good steps."""
    gradient_norm: Tensor
    """Sum of the good steps' norms before clipping."""
    bad_steps: Tensor
    bad_in_a_row: Tensor
    """As of the newest step; not reset by reading."""

    @classmethod
    def empty(cls, device: torch.device, bad_in_a_row: int = 0) -> "Tally":
        """Nothing yet."""
        zero = torch.zeros((), device=device)
        return cls(0, 0, torch.zeros(len(LOSSES), device=device), zero, zero, zero + float(bad_in_a_row))


LOSSES = ("loss", "mel", "mel_postnet", "gate", "guided")

Work = tuple[Part, Batch | None]
"""A worker's part of a batch and its content, None where it has none."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """A tally, read: means per good step."""

    steps: int
    frames: int
    losses: dict[str, float]
    gradient_norm: float
    bad_steps: int
    bad_in_a_row: int


def read(tally: Tally) -> Numbers:
    """Fetch a tally in one transfer; this is where the host waits for the device."""
    packed = torch.cat(
        [
            tally.losses.double(),
            torch.stack([tally.gradient_norm, tally.bad_steps, tally.bad_in_a_row]).double(),
        ]
    )
    *losses, norm, bad, bad_in_a_row = packed.tolist()
    good = tally.steps - int(bad)
    scale = 1 / good if good else float("nan")
    return Numbers(
        steps=tally.steps,
        frames=tally.frames,
        losses={name: value * scale for name, value in zip(LOSSES, losses, strict=True)},
        gradient_norm=norm * scale,
        bad_steps=int(bad),
        bad_in_a_row=int(bad_in_a_row),
    )


class Stepper:
    """Trains a model step by step.

    Args:
        model: On its device.
        optimizer: Fused, over the model's weights.
        average: Averaged weights, if any.
        config: Loss weights, clipping, accumulation.
        device: Where to compute.
        bfloat16: Whether dense layers compute in bfloat16.
        workers: Who trains the same model at the same time.
    """

    def __init__(
        self,
        model: Tacotron2,
        optimizer: AdamW,
        average: WeightAverage | None,
        config: TrainConfig,
        device: torch.device,
        *,
        bfloat16: bool,
        workers: Workers,
    ) -> None:
        self._workers = workers
        self._norms = norms_of(model)
        self._model = model
        self._optimizer = optimizer
        self._average = average
        self._config = config
        self._device = device
        self._bfloat16 = bfloat16
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        # Running statistics of the batch norms: a forward pass with an infinite weight would poison them for good.
        self._statistics = [buffer for buffer in model.buffers() if buffer.is_floating_point()]
        self._saved = [buffer.clone() for buffer in self._statistics]

    def __call__(
        self, work: Sequence[Work], masks: torch.Generator, tally: Tally, *, step: int, rate: float
    ) -> Tally:
        """Make one step and add it to the tally.

        Args:
            work: This worker's part of each batch that is accumulated.
            masks: Where dropout comes from; in the same state for all workers.
            tally: Of the steps so far.
            step: Its number, from 0.
            rate: Learning rate.

        Raises:
            WorkerLost: Another worker is gone.
        """
        self._model.train()
        for saved, buffer in zip(self._saved, self._statistics, strict=True):
            saved.copy_(buffer)
        losses_K = self._sum(self._accumulate(work, masks, step))
        norm = nn.utils.clip_grad_norm_(self._parameters, self._config.gradient_clip, foreach=True)
        bad = 1.0 - (torch.isfinite(norm) & torch.isfinite(losses_K[0])).float()
        self._update(rate, bad)
        return _add(tally, losses_K, norm, bad, sum(part.frames for part, _ in work))

    def _accumulate(self, work: Sequence[Work], masks: torch.Generator, step: int) -> Tensor:
        """Make the gradients of this worker's parts; their losses."""
        share = 1 / self._config.accumulation_steps
        total_K = torch.zeros(len(LOSSES), device=self._device)
        for part, batch in work:
            own_masks = self._workers.masks(masks)
            if batch is None:
                self._stand_by()
                continue
            moved = batch.to(self._device)
            with torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self._bfloat16):
                outputs = self._model(moved, self._model.draw_masks(moved, own_masks))
            losses = _weighed(compute_loss(outputs, moved, self._config, step), part, self._config, step)
            (losses.total * share).backward()  # type: ignore[no-untyped-call]
            values = (losses.total, losses.mel, losses.mel_postnet, losses.gate, losses.guided)
            total_K += torch.stack([value.detach().float() for value in values]) * share
        return total_K

    def _stand_by(self) -> None:
        """The others normalize over the positions of all workers; this one has none."""
        for norm in self._norms:
            norm.stand_by()
        for norm in reversed(self._norms):
            norm.stand_by_backward()

    def _sum(self, losses_K: Tensor) -> Tensor:
        """Sum gradients and losses over all workers, in one go."""
        if self._workers.size == 1:
            return losses_K
        gradients = [
            torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in self._parameters
        ]
        flat = torch.cat([*(gradient.reshape(-1) for gradient in gradients), losses_K])
        self._workers.sum(flat)
        *summed, losses_K = torch.split(flat, [*(weight.numel() for weight in self._parameters), len(LOSSES)])
        for weight, gradient in zip(self._parameters, summed, strict=True):
            weight.grad = gradient.view_as(weight)
        return losses_K

    def _update(self, rate: float, bad: Tensor) -> None:
        self._optimizer.step(rate, bad)
        with torch.no_grad():
            for saved, buffer in zip(self._saved, self._statistics, strict=True):
                torch.where(bad > 0, saved, buffer, out=buffer)
        if self._average is not None:
            self._average.update(bad)


def _weighed(losses: Losses, part: Part, config: TrainConfig, step: int) -> Losses:
    """A part's losses by their weight in those of the whole batch: summed over workers they are what one worker would find."""
    if part.frame_share == part.step_share == 1.0:
        return losses
    # The guided loss is a mean over decoder steps, the others are means over frames.
    guided_too_much = part.frame_share - part.step_share
    return Losses(
        total=losses.total * part.frame_share - guided_weight(config, step) * guided_too_much * losses.guided,
        mel=losses.mel * part.frame_share,
        mel_postnet=losses.mel_postnet * part.frame_share,
        gate=losses.gate * part.frame_share,
        guided=losses.guided * part.step_share,
    )


def _add(tally: Tally, losses_K: Tensor, norm: Tensor, bad: Tensor, frames: int) -> Tally:
    good = bad == 0
    return Tally(
        steps=tally.steps + 1,
        frames=tally.frames + frames,
        losses=tally.losses + torch.where(good, losses_K, 0.0),
        gradient_norm=tally.gradient_norm + torch.where(good, norm, 0.0),
        bad_steps=tally.bad_steps + bad,
        bad_in_a_row=(tally.bad_in_a_row + 1) * bad,
    )
