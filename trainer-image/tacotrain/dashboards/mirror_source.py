"""What there is to copy into MLflow: a study's trials in Optuna's storage, and what each left in its folder. Read by `mirror`."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from tacotrain.contract import RESULT_FILE
from tacotrain.dashboards.reading import open_storage
from tacotrain.dashboards.study_files import document, inside, trial_directory, trial_media

ATTEMPTS: Final = "tacotune:attempts"
MESSAGE: Final = "tacotune:message"
OBJECTIVE: Final = "objective"


@dataclass(frozen=True, slots=True)
class Point:
    """One number of a course."""

    name: str
    step: int
    value: float
    milliseconds: int
    """Unix time."""


@dataclass(frozen=True, slots=True)
class TrialFacts:
    """A trial as the database has it."""

    number: int
    state: str
    """Optuna's: RUNNING, COMPLETE, PRUNED, FAIL, WAITING."""
    parameters: Mapping[str, object]
    values: tuple[float, ...]
    intermediate: Mapping[int, float]
    attempts: tuple[Mapping[str, Any], ...]
    message: str
    started: datetime | None
    ended: datetime | None

    @property
    def finished(self) -> bool:
        """Nothing of it changes any more."""
        return self.state in {"COMPLETE", "PRUNED", "FAIL"}


@dataclass(frozen=True, slots=True)
class StudyFacts:
    """A study as the database has it."""

    minimize: bool
    """The first objective."""
    trials: tuple[TrialFacts, ...]


@dataclass(frozen=True, slots=True)
class TrialFiles:
    """What a trial left in its folder."""

    points: tuple[Point, ...] = ()
    media: tuple[tuple[str, Path], ...] = ()
    """Folder among a run's artifacts, and the file."""
    result: Mapping[str, Any] | None = None
    checkpoint: Mapping[str, Any] | None = None
    """Metadata of the checkpoint; never its weights."""


class Source:
    """Reads one study; opened at the first look, and again after each failure to open it.

    Args:
        url: Of Optuna's database; it is only read.
        study: The study's name there.
        root: The study's folder; it may be missing.
    """

    def __init__(self, url: str, study: str, root: Path) -> None:
        self._url = url
        self._study = study
        self._root = root
        self._storage: BaseStorage | None = None
        self._events: dict[int, Any] = {}
        """What was read of the event files of trials that run: they only grow."""

    def study(self) -> StudyFacts | None:
        """The study with all its trials; None while there is none. Finished trials are read from the database once."""
        if self._storage is None:
            self._storage = open_storage(self._url)
        try:
            study = self._storage.get_study_id_from_name(self._study)
        except KeyError:
            return None
        minimize = self._storage.get_study_directions(study)[0] is not StudyDirection.MAXIMIZE
        trials = tuple(map(_facts, self._storage.get_all_trials(study, deepcopy=False)))
        for trial in trials:
            if trial.finished:
                self._events.pop(trial.number, None)
        return StudyFacts(minimize, trials)

    def files(self, number: int) -> TrialFiles:
        """What lies in a trial's folder by now."""
        folder = self._root / trial_directory(number)
        result = document(folder / RESULT_FILE)
        checkpoint = result.get("checkpoint")
        found = inside(folder, f"{checkpoint}/metadata.json") if isinstance(checkpoint, str) else None
        return TrialFiles(
            points=tuple(self._points(number, folder / "tensorboard")),
            media=tuple(
                (_shelf(media.path), path)
                for media in trial_media(self._root, number)
                if (path := inside(self._root, media.path)) is not None
            ),
            result=result or None,
            checkpoint=document(found) if found is not None else None,
        )

    def _points(self, number: int, folder: Path) -> list[Point]:
        """The scalars of a trial's event files, of all its attempts."""
        if number not in self._events:
            if not folder.is_dir():
                return []
            self._events[number] = _event_files(folder)
        events = self._events[number]
        events.Reload()
        return [
            Point(tag, int(event.step), float(event.value), int(event.wall_time * 1000))
            for tag in events.Tags()["scalars"]
            for event in events.Scalars(tag)
        ]


def _facts(trial: FrozenTrial) -> TrialFacts:
    attempts = trial.user_attrs.get(ATTEMPTS)
    message = trial.user_attrs.get(MESSAGE)
    return TrialFacts(
        number=trial.number,
        state=trial.state.name,
        parameters=dict(trial.params),
        values=tuple(trial.values or ()) if trial.state is TrialState.COMPLETE else (),
        intermediate=dict(trial.intermediate_values),
        attempts=tuple(item for item in attempts if isinstance(item, dict))
        if isinstance(attempts, list)
        else (),
        message=message if isinstance(message, str) else "",
        started=trial.datetime_start,
        ended=trial.datetime_complete,
    )


def _shelf(path: str) -> str:
    """`trials/0007/samples/step-00000250/0.wav` -> `samples/step-00000250`."""
    return "/".join(path.split("/")[2:-1])


def _event_files(folder: Path) -> Any:
    """TensorBoard's reader of a folder: all of its numbers, next to nothing of pictures and sounds."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: PLC0415

    # It tells of each file that it has read to its end.
    logging.getLogger("tensorboard").setLevel(logging.WARNING)
    sizes = {
        "scalars": 0,
        "images": 1,
        "audio": 1,
        "histograms": 1,
        "compressedHistograms": 1,
        "tensors": 1,
        "graph": 0,
    }
    return EventAccumulator(str(folder), size_guidance=sizes)
