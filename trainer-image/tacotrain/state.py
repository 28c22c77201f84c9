"""Everything that changes while a model trains, and its way into a checkpoint and back.

A checkpoint is only taken between two optimizer steps. There no gradient is half accumulated, so what is here is all:
the next step after a resume sees the same batches, masks, rate and weights as it would have without the interruption.
"""

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch

from tacotrain.checkpoint import AVERAGE, TRAINING, WEIGHTS, Best
from tacotrain.checkpoint_files import Saved
from tacotrain.config import TrainConfig
from tacotrain.data.sampler import BatchSampler
from tacotrain.early_stopping import Patience
from tacotrain.model.tacotron2 import Tacotron2
from tacotrain.optim import AdamW, WeightAverage
from tacotrain.recovery import Recovery
from tacotrain.workers import Sent


@dataclass(slots=True)
class LastEvaluation:
    """What the newest evaluation said; shown as progress and needed to speak."""

    value: float | None = None
    """Of the first objective."""
    alignment: float | None = None
    gate_threshold: float = 0.5


@dataclass(slots=True)
class TrainState:
    """A training at one optimizer step."""

    model: Tacotron2
    optimizer: AdamW
    average: WeightAverage | None
    sampler: BatchSampler
    masks: torch.Generator
    """Draws the dropout masks; on the CPU, so that every device sees the same ones."""
    step: int = 0
    """Optimizer steps taken, skipped ones included."""
    frames: int = 0
    """Mel frames seen."""
    seconds: float = 0.0
    """Wall time of training and evaluation, over all attempts."""
    evaluated_at: int = 0
    """Step of the newest evaluation."""
    last: LastEvaluation = field(default_factory=LastEvaluation)
    best: Best | None = None
    patience: Patience = field(default_factory=Patience)
    recovery: Recovery = field(default_factory=Recovery)

    @classmethod
    def fresh(
        cls, model: Tacotron2, config: TrainConfig, sampler: BatchSampler, *, seed: int
    ) -> "TrainState":
        """A training before its first step."""
        return cls(
            model=model,
            optimizer=AdamW(model, weight_decay=config.weight_decay),
            average=WeightAverage(model, config.ema_decay) if config.ema_decay else None,
            sampler=sampler,
            masks=torch.Generator().manual_seed(seed),
        )

    def files(self) -> dict[str, object]:
        """The content of a checkpoint's files."""
        training = {
            "optimizer": self.optimizer.state_dict(),
            "sampler": self.sampler.state_dict(),
            "masks": self.masks.get_state(),
            "random": _random_state(),
            "step": self.step,
            "frames": self.frames,
            "seconds": self.seconds,
            "evaluated_at": self.evaluated_at,
            "last": asdict(self.last),
            "best": None if self.best is None else {**asdict(self.best), "metrics": dict(self.best.metrics)},
            "patience": asdict(self.patience),
            "recovery": asdict(self.recovery),
        }
        files: dict[str, object] = {WEIGHTS: self.model.state_dict(), TRAINING: training}
        if self.average is not None:
            files[AVERAGE] = self.average.state_dict()
        return files

    def restore(self, saved: Saved | Sent, device: torch.device) -> None:
        """Become what a checkpoint holds, or what the leader has sent."""
        self.model.load_state_dict(saved.load(WEIGHTS, device))
        if self.average is not None:
            self.average.load_state_dict(saved.load(AVERAGE, device))
        training: Mapping[str, Any] = saved.load(TRAINING)
        self.optimizer.load_state_dict(training["optimizer"])
        self.sampler.load_state_dict(training["sampler"])
        self.masks.set_state(training["masks"])
        _restore_random_state(training["random"])
        self.step = training["step"]
        self.frames = training["frames"]
        self.seconds = training["seconds"]
        self.evaluated_at = training["evaluated_at"]
        self.last = LastEvaluation(**training["last"])
        self.best = None if training["best"] is None else Best(**training["best"])
        self.patience = Patience(**training["patience"])
        self.recovery = Recovery(**training["recovery"])

    def weights_finite(self) -> bool:
        """Whether every weight is a number: a checkpoint of others could never be gone back to."""
        norms = torch._foreach_norm([weight.detach() for weight in self.model.parameters()])  # noqa: SLF001
        return bool(torch.isfinite(torch.stack(norms)).all())


def _random_state() -> dict[str, Any]:
    name, keys, position, has_gauss, cached = np.random.get_state()  # noqa: NPY002 - the global one, on purpose
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": (
            str(name),
            torch.from_numpy(np.asarray(keys).astype(np.int64)),
            position,
            has_gauss,
            cached,
        ),
        "python": random.getstate(),
    }


def _restore_random_state(state: Mapping[str, Any]) -> None:
    torch.set_rng_state(state["torch"])
    # Another number of GPUs than before: the states of those that are left do.
    if state["cuda"] and torch.cuda.is_available():
        for index, device_state in enumerate(state["cuda"][: torch.cuda.device_count()]):
            torch.cuda.set_rng_state(device_state, index)
    name, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, cached))  # noqa: NPY002
    random.setstate(state["python"])
