"""The documents of a run on one machine: the runner writes them, `status`, `trials` and `best` read them.

    runs/<name>/study.json     the parsed manifest, with its uid
    runs/<name>/status.json    TTSStudyStatus
    runs/<name>/trials.json    every trial, by number
    runs/<name>/best/          best.json, checkpoint/, samples/, alignments/: the best voice, complete in itself

They are a mirror for people and scripts, never the truth: the truth is in the study's database. Each file is replaced as a
whole, so a reader sees the state before or after a write, with or without a runner alive.
"""

import json
import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from tacotune.api.status import TTSStudyStatus
from tacotune.api.study import TTSStudy
from tacotune.ports import PermanentError

DEFAULT_RUNS: Final = Path("runs")
Value = str | int | float | bool | None


class RunError(PermanentError):
    """A run cannot be read or continued; the message names the file or the field."""


class RunMissingError(RunError):
    """There is no such run."""


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One trial as `trials.json` has it. Paths are relative to the run directory."""

    __pydantic_config__ = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")

    number: int
    state: str
    value: float | None = None
    values: tuple[float | None, ...] = ()
    parameters: Mapping[str, Value] = field(default_factory=dict)
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    attempts: int = 0
    steps: int = 0
    seconds: float = 0.0
    checkpoint: str = ""
    samples: tuple[str, ...] = ()
    alignments: tuple[str, ...] = ()
    message: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class BestVoice:
    """`best/best.json`, as the driver publishes it. Paths are relative to `best/`, so that the folder can be moved."""

    __pydantic_config__ = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")

    trial: int
    purpose: str = "trial"
    """`final` when this is the full training with the best trial's parameters."""
    preset: str = ""
    value: float | None = None
    parameters: Mapping[str, Value] = field(default_factory=dict)
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    checkpoint: str = "checkpoint"
    samples: tuple[str, ...] = ()
    alignments: tuple[str, ...] = ()
    gate_threshold: float | None = None


_ROWS: Final = TypeAdapter(tuple[TrialRow, ...])
_BEST: Final = TypeAdapter(BestVoice)


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """Paths, readers and writers of one run."""

    root: Path

    @classmethod
    def of(cls, runs: Path, name: str) -> Self:
        """The directory of the study `name` below the folder of all runs."""
        return cls(runs / name)

    @property
    def name(self) -> str:
        """Name of the study."""
        return self.root.name

    @property
    def study_path(self) -> Path:
        """The parsed manifest; a folder without it is not a run."""
        return self.root / "study.json"

    @property
    def status_path(self) -> Path:
        """TTSStudyStatus."""
        return self.root / "status.json"

    @property
    def trials_path(self) -> Path:
        """All trials."""
        return self.root / "trials.json"

    @property
    def best_path(self) -> Path:
        """Folder of the best voice."""
        return self.root / "best"

    @property
    def _replaced_best_path(self) -> Path:
        return self.root / ".best.old"

    def exists(self) -> bool:
        """Whether a runner ever started here."""
        return self.study_path.is_file()

    def resolve(self, path: str) -> Path:
        """A path of `trials.json` on this machine."""
        return self.root / path

    # Reading.

    def read_study(self) -> TTSStudy:
        """The study this run was started with.

        Raises:
            RunError: no run is here, or its file is broken.
        """
        try:
            return TTSStudy.model_validate_json(_read(self.study_path))
        except ValidationError as error:
            raise RunError(f"{self.study_path}: {error.errors()[0]['msg']}") from error

    def read_status(self) -> TTSStudyStatus:
        """The last status; an empty one before the first pass.

        Raises:
            RunError: the file is broken.
        """
        if not self.status_path.exists():
            return TTSStudyStatus()
        try:
            return TTSStudyStatus.model_validate_json(_read(self.status_path))
        except ValidationError as error:
            raise RunError(f"{self.status_path}: {error.errors()[0]['msg']}") from error

    def read_trials(self) -> tuple[TrialRow, ...]:
        """All trials by number; none before the first pass.

        Raises:
            RunError: the file is broken.
        """
        if not self.trials_path.exists():
            return ()
        try:
            return _ROWS.validate_json(_read(self.trials_path))
        except ValidationError as error:
            raise RunError(f"{self.trials_path}: {error.errors()[0]['msg']}") from error

    def read_best(self) -> tuple[BestVoice, Path] | None:
        """The best voice and the folder that holds it; None before there is one.

        Raises:
            RunError: the file is broken.
        """
        # Between the two renames of a promotion the voice before is the best there is.
        for folder in (self.best_path, self._replaced_best_path):
            document = folder / "best.json"
            if document.is_file():
                try:
                    return _BEST.validate_json(_read(document)), folder
                except ValidationError as error:
                    raise RunError(f"{document}: {error.errors()[0]['msg']}") from error
        return None

    # Writing.

    def write_study(self, study: TTSStudy) -> None:
        """Keep the manifest as it was understood, without its status."""
        write_json(
            self.study_path, study.model_dump(mode="json", by_alias=True, exclude={"status"}), durable=True
        )

    def write_status(self, status: TTSStudyStatus) -> None:
        """Replace the status."""
        write_json(self.status_path, status.model_dump(mode="json", by_alias=True))

    def write_trials(self, rows: Sequence[TrialRow]) -> None:
        """Replace the table of trials."""
        write_json(self.trials_path, rows_as_json(rows))


def rows_as_json(rows: Sequence[TrialRow]) -> Any:
    """The table as `trials.json` has it."""
    return _finite(_ROWS.dump_python(tuple(rows), mode="json", by_alias=True))


def write_json(path: Path, document: Any, *, durable: bool = False) -> None:
    """Replace a file as a whole; NaN and infinity become null.

    Args:
        path: The file; its folder is made.
        document: Anything JSON knows.
        durable: Wait until the disk has it. Mirrors that the next pass writes again need not.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(_finite(document), file, ensure_ascii=False, indent=1, allow_nan=False)
            file.write("\n")
            if durable:
                file.flush()
                os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _finite(value: Any) -> Any:
    match value:
        case float() if not math.isfinite(value):
            return None
        case dict():
            return {key: _finite(item) for key, item in value.items()}
        case list() | tuple():
            return [_finite(item) for item in value]
        case _:
            return value


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}") from error


def list_runs(runs: Path) -> tuple[RunDirectory, ...]:
    """All runs below a folder, by name."""
    if not runs.is_dir():
        return ()
    return tuple(run for folder in sorted(runs.iterdir()) if (run := RunDirectory(folder)).exists())


def find_run(study: str | None, runs: Path = DEFAULT_RUNS) -> RunDirectory:
    """The run that a person means: a name below `runs`, a path, or the only one there is.

    Raises:
        RunMissingError: there is none, or more than one when no name is given.
    """
    if study is None:
        found = list_runs(runs)
        if len(found) == 1:
            return found[0]
        if not found:
            raise RunMissingError(f"no study was run below {runs}/; start one with `tacotune run FILE`")
        names = ", ".join(run.name for run in found)
        raise RunMissingError(f"{runs}/ holds {len(found)} studies, name one of: {names}")
    for candidate in (RunDirectory(runs / study), RunDirectory(Path(study))):
        if candidate.exists():
            return candidate
    names = ", ".join(run.name for run in list_runs(runs))
    raise RunMissingError(f"no run of {study!r} in {runs}/" + (f"; there are: {names}" if names else ""))
