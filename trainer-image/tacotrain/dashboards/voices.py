"""The voices of a study that can be heard: its best one, its final one, and each trial that has left a checkpoint.

Everything is read from the study's folder, while others write there; torch is not needed. What a trial was tuned with stands in
its checkpoint, and what it is worth in its result, or in its checkpoint's `best.json` while it still trains.
"""

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tacotrain.config import TrainConfig
from tacotrain.contract import RESULT_FILE
from tacotrain.dashboards.study_files import document, inside
from tacotrain.errors import ConfigError

SECONDS: Final = 5.0
"""How long a list of the study's voices is good for: a page asks at every click, and folders may be far away."""
_METADATA: Final = "metadata.json"
"""Of a checkpoint, as `checkpoint_files` writes it; that module would load torch."""
_TRIAL: Final = re.compile(r"\d{4,}")


@dataclass(frozen=True, slots=True)
class Voice:
    """A checkpoint to choose, and what is known of it without loading it."""

    key: str
    """`best`, `final` or `trial 7`: stays the same while checkpoints come and go."""
    trial: int | None
    checkpoint: Path
    state: str
    """Of the trial: complete, training, …"""
    value: float | None
    """Of the first objective."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    parameters: Mapping[str, Any] | None = None
    """As the operator published them; None: see the checkpoint."""
    stamp: str = ""
    """Another one as soon as there are other weights to load."""

    @property
    def label(self) -> str:
        """For people, such as `trial 7 (0.214)`."""
        name = self.key if self.key != "best" or self.trial is None else f"best: trial {self.trial}"
        return name if self.value is None else f"{name} ({self.value:.3f})"

    @property
    def file_name(self) -> str:
        """For a download."""
        return self.key.replace(" ", "-") if self.trial is None else f"trial-{self.trial}"


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a checkpoint says about itself."""

    language: str
    objective: str
    """The metric that was optimized; empty when it is not known."""
    preset: str
    step: int
    parameters: Mapping[str, Any]
    """Those that make it what it is: as published, else all that differ from the preset."""
    trained: Mapping[str, Any]
    """All of them."""


class Voices:
    """The voices of one study.

    Args:
        root: The study's folder.
        clock: In seconds.
    """

    def __init__(self, root: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._root = root
        self._clock = clock
        self._lock = threading.Lock()
        self._listed: tuple[float, tuple[Voice, ...]] = (float("-inf"), ())

    def best(self) -> Voice | None:
        """The published one, as it is now."""
        # Between the two renames of a publication the voice before is the best there is.
        for folder in ("best", ".best.old"):
            description = document(self._root / folder / "best.json")
            found = self._voice("best", folder, str(description.get("checkpoint", "checkpoint")), description)
            if found is not None:
                return found
        return None

    def all(self) -> tuple[Voice, ...]:
        """The best one first, then the final one, then trials by number; a few seconds old at most, but for the best one."""
        with self._lock:
            now = self._clock()
            since, others = self._listed
            if now - since >= SECONDS:
                others = tuple(self._others())
                self._listed = now, others
        best = self.best()
        return others if best is None else (best, *others)

    def _others(self) -> Iterator[Voice]:
        if (final := self._trained("final", "final")) is not None:
            yield final
        try:
            numbers = sorted(
                int(path.name) for path in (self._root / "trials").iterdir() if _TRIAL.fullmatch(path.name)
            )
        except OSError:
            return
        for number in numbers:
            if (trial := self._trained(f"trial {number}", f"trials/{number:04d}")) is not None:
                yield trial

    def _trained(self, key: str, folder: str) -> Voice | None:
        """The best checkpoint of a trial: of its result, or of its training so far."""
        description = document(self._root / folder / RESULT_FILE)
        if not description:
            description = document(self._root / folder / "checkpoints" / "best.json") | {"state": "training"}
        checkpoint = description.get("checkpoint")
        return self._voice(key, folder, checkpoint, description) if isinstance(checkpoint, str) else None

    def _voice(self, key: str, folder: str, checkpoint: str, description: Mapping[str, Any]) -> Voice | None:
        metadata = inside(self._root, f"{folder}/{checkpoint}/{_METADATA}")
        if metadata is None or not description:
            return None
        try:
            changed = metadata.stat().st_mtime_ns
        except OSError:  # Replaced at this moment.
            return None
        values = description.get("values")
        value = values[0] if isinstance(values, list) and values else description.get("value")
        metrics = description.get("metrics")
        number = description.get("trial", key.removeprefix("trial "))
        return Voice(
            key=key,
            trial=int(number) if str(number).isdecimal() else None,
            checkpoint=metadata.parent,
            state=str(description.get("state", "complete")),
            value=float(value) if isinstance(value, int | float) else None,
            metrics={k: v for k, v in metrics.items() if isinstance(v, int | float)}
            if isinstance(metrics, dict)
            else {},
            parameters=description.get("parameters")
            if isinstance(description.get("parameters"), dict)
            else None,
            stamp=f"{description.get('source', metadata.parent.name)} {changed}",
        )


def recipe(voice: Voice) -> Recipe:
    """Read what a voice's checkpoint says about itself; what it does not say stays empty."""
    metadata = document(voice.checkpoint / _METADATA)
    preset = str(metadata.get("preset", ""))
    identity, spoken = metadata.get("identity", {}), metadata.get("voice", {})
    trained = dict(identity.get("parameters", {}))
    try:
        usual = TrainConfig.resolve(preset, {}).as_dict()
    except ConfigError:  # A preset of another version of tacotrain.
        usual = {}
    changed = {name: value for name, value in trained.items() if name not in usual or usual[name] != value}
    return Recipe(
        language=str(spoken.get("language", "")),
        objective=next(iter(identity.get("objectives", {})), ""),
        preset=preset,
        step=int(metadata.get("step", 0)),
        parameters=voice.parameters if voice.parameters is not None else changed,
        trained=trained,
    )
