"""Checkpoints that a crash, a full disk or a torn file cannot turn into lost work.

```
checkpoints/step-00000250/   weights.pt     the model
                             average.pt     averaged weights, when there are any
                             training.pt    optimizer, sampler, random numbers, … : all that exact resume needs
                             metadata.json  what it belongs to, and the sha256 of the files above
checkpoints/best.json        which one is the best so far
```

A checkpoint is written beside its place, synced and renamed, so a directory with a proper name is whole unless the disk lost
it; then its hashes tell, and the one before is used.
"""

import fcntl
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from tacotrain import checkpoint_files
from tacotrain.checkpoint_files import METADATA, Damaged, Saved, verify
from tacotrain.errors import CannotCreate, ConfigError, InputMissing
from tacotrain.files import encode_json, explain, make_directory, read_json, sync_directory, write_atomic

WEIGHTS: Final = "weights.pt"
AVERAGE: Final = "average.pt"
TRAINING: Final = "training.pt"
BEST: Final = "best.json"
_NAME: Final = re.compile(r"step-(\d{8,})")
_FRESH, _REPLACED, _TRASH = ".new-", ".old-", ".trash-"


@dataclass(frozen=True, slots=True)
class Best:
    """The best evaluation so far and the checkpoint with its weights."""

    step: int
    value: float
    """Of the first objective."""
    metrics: Mapping[str, float]

    @property
    def checkpoint(self) -> str:
        """Relative to the trial directory."""
        return f"checkpoints/{directory_name(self.step)}"


def directory_name(step: int) -> str:
    """Name of the checkpoint of a step; names sort as steps do."""
    return f"step-{step:08d}"


class CheckpointStore:
    """The checkpoints of one trial.

    Args:
        directory: Usually `<trial>/checkpoints`.
        keep: How many of the newest stay; the best one stays besides.
    """

    def __init__(self, directory: Path, *, keep: int) -> None:
        assert keep >= 1
        self.directory = directory
        self._keep = keep

    @contextmanager
    def held(self) -> Iterator[Self]:
        """Make the directory, keep other attempts out for the length of a block, and clear away what a kill has left half done.

        Raises:
            CannotCreate: Another process trains here, or the directory cannot be made.
        """
        make_directory(self.directory)
        lock = _lock(self.directory)
        try:
            self._tidy()
            yield self
        finally:
            os.close(lock)

    def _tidy(self) -> None:
        for entry in self.directory.iterdir():
            if entry.name.startswith(_REPLACED) and not (place := _place_of(entry)).exists():
                entry.rename(place)  # Killed between the two renames of `save`.
            elif entry.name.startswith((_FRESH, _REPLACED, _TRASH)):
                shutil.rmtree(entry, ignore_errors=True)

    def save(self, step: int, files: Mapping[str, object], metadata: Mapping[str, Any]) -> Path:
        """Write a checkpoint, then remove those that are no longer kept.

        Args:
            step: Optimizer steps.
            files: What goes into each file.
            metadata: Added to the step and the hashes.

        Raises:
            WriteError: The disk is full. Nothing half written stays and all earlier checkpoints are as they were.
        """
        target = self.directory / directory_name(step)
        fresh = self.directory / f"{_FRESH}{target.name}"
        checkpoint_files.write(fresh, step, files, metadata)
        try:
            self._put_in_place(fresh, target)
            self._retire()
        except OSError as error:
            raise explain(error, target) from error
        return target

    def newest(self) -> tuple[Saved | None, tuple[Damaged, ...]]:
        """The newest checkpoint that is whole, and the damaged ones that are newer."""
        damaged: list[Damaged] = []
        for path in reversed(self.paths()):
            match verify(path):
                case Saved() as saved:
                    return saved, tuple(damaged)
                case Damaged() as broken:
                    damaged.append(broken)
        return None, tuple(damaged)

    def newest_good(self) -> Saved | None:
        """The newest whole checkpoint that was not taken among bad steps."""
        whole = (found for path in reversed(self.paths()) if isinstance(found := verify(path), Saved))
        return next((saved for saved in whole if saved.metadata.get("good", True)), None)

    def discard_after(self, step: int) -> None:
        """Remove the checkpoints of later steps: training went back and makes them again."""
        for path in self.paths():
            if _step(path) > step:
                self._remove(path)

    def read(self, step: int) -> Saved | None:
        """The checkpoint of a step, if it is there and whole."""
        found = verify(self.directory / directory_name(step))
        return found if isinstance(found, Saved) else None

    def paths(self) -> list[Path]:
        """All checkpoints, oldest first."""
        if not self.directory.is_dir():
            return []
        return sorted((path for path in self.directory.iterdir() if _NAME.fullmatch(path.name)), key=_step)

    def write_best(self, best: Best | None) -> None:
        """Point to the best checkpoint, which exists already; None: there is none yet."""
        if best is None:
            (self.directory / BEST).unlink(missing_ok=True)
            return
        document = {
            "step": best.step,
            "checkpoint": best.checkpoint,
            "value": best.value,
            "metrics": best.metrics,
        }
        write_atomic(self.directory / BEST, encode_json(document, indent=2) + "\n", durable=True)

    def _put_in_place(self, fresh: Path, target: Path) -> None:
        old = self.directory / f"{_REPLACED}{target.name}"
        if target.exists():  # A damaged one, or the one that training went back to.
            shutil.rmtree(old, ignore_errors=True)
            target.rename(old)
        fresh.rename(target)
        sync_directory(self.directory)
        shutil.rmtree(old, ignore_errors=True)

    def _retire(self) -> None:
        best = _best_step(self.directory)
        for path in self.paths()[: -self._keep]:
            if _step(path) != best:
                self._remove(path)

    def _remove(self, path: Path) -> None:
        # Renamed first: a kill in the middle must not leave a proper name without its files.
        doomed = self.directory / f"{_TRASH}{path.name}"
        shutil.rmtree(doomed, ignore_errors=True)
        path.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)


def locate(path: Path) -> Path:
    """Find the checkpoint that a user means: the directory itself, or the best one of a trial.

    Raises:
        InputMissing: There is none.
    """
    if (path / METADATA).exists():
        return path
    for directory in (path, path / "checkpoints"):
        best = _best_step(directory)
        if best is not None and (directory / directory_name(best)).is_dir():
            return directory / directory_name(best)
        if paths := CheckpointStore(directory, keep=1).paths():
            return paths[-1]
    raise InputMissing(f"{path}: no checkpoint here; name a checkpoint directory or a trial directory")


def require_same(saved: Saved, identity: Mapping[str, Any], *, ignore: frozenset[str] = frozenset()) -> None:
    """Refuse to go on from a checkpoint of something else.

    Args:
        saved: The checkpoint.
        identity: What this training is: nested values by name.
        ignore: Names that may differ.

    Raises:
        ConfigError: Names each difference with both values. Nothing is deleted.
    """
    differences = differing(saved.metadata.get("identity", {}), identity)
    found = [
        f"{name}: {_short(there)} there, {_short(here)} here"
        for name, there, here in differences
        if name not in ignore
    ]
    if found:
        raise ConfigError(
            f"{saved.path}: this checkpoint is of another training ({'; '.join(found)}); "
            "use another output directory, or set the old values to go on"
        )


def differing(there: Any, here: Any, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Walk two nested documents; yields the path and both values of each difference."""
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        for name in dict.fromkeys([*here, *there]):
            path = f"{prefix}.{name}" if prefix else str(name)
            yield from differing(there.get(name), here.get(name), path)
    elif there != here:
        yield prefix, there, here


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:40]}…"


def _lock(directory: Path) -> int:
    """Lock a directory for the life of this process; a kill unlocks it."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise CannotCreate(
            f"{directory}: another process trains here; wait for its end or use another directory"
        ) from error
    except OSError:
        # A file system without locks: the operator's one live attempt per trial has to do.
        pass
    return descriptor


def _place_of(entry: Path) -> Path:
    return entry.with_name(entry.name.removeprefix(_REPLACED))


def _best_step(directory: Path) -> int | None:
    path = directory / BEST
    if not path.exists():
        return None
    try:
        return int(read_json(path)["step"])
    except (ConfigError, KeyError, TypeError, ValueError):
        return None


def _step(path: Path) -> int:
    match = _NAME.fullmatch(path.name)
    assert match is not None
    return int(match[1])
