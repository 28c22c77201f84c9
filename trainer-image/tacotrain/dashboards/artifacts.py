"""The study's sounds and pictures as artifacts of the Optuna Dashboard, which nobody had to upload.

The dashboard finds the artifacts of a trial in its system attributes, where `optuna.artifacts.upload_artifact` notes them. Ours
are the files that lie in the study's folder anyway: `study_storage` adds their attributes on the way to the page, and `files`
answers for their content. An artifact's id is its path, in hexadecimal: the dashboard's routes know no other letters.
"""

import json
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO, Final, NoReturn

from bottle import Bottle, HTTPError, HTTPResponse, static_file  # type: ignore[import-untyped]
from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.trial import FrozenTrial

from tacotrain.dashboards.study_files import KINDS, Media, best_media, inside, trial_media

ATTRIBUTE: Final = "artifacts:"
"""What the system attribute of an artifact begins with; the id follows."""
LIVE_SECONDS: Final = 10.0
SETTLED_SECONDS: Final = 600.0
"""How long a trial's files are taken as they were seen: evaluations come by the minute, and a finished trial changes no more."""


class Artifacts:
    """Attributes of the artifacts of one study; each folder is looked into now and then, not at every poll."""

    def __init__(self, root: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._root = root
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: dict[int | None, tuple[float, dict[str, str]]] = {}

    def of_study(self) -> dict[str, str]:
        """Those of the best voice."""
        return self._cached(None, LIVE_SECONDS, lambda: best_media(self._root))

    def of_trial(self, trial: FrozenTrial) -> dict[str, str]:
        """Those of a trial."""
        seconds = SETTLED_SECONDS if trial.state.is_finished() else LIVE_SECONDS
        return self._cached(trial.number, seconds, lambda: trial_media(self._root, trial.number))

    def _cached(self, key: int | None, seconds: float, look: Callable[[], Iterable[Media]]) -> dict[str, str]:
        with self._lock:
            now = self._clock()
            since, found = self._seen.get(key, (float("-inf"), {}))
            # A trial that has just ended is looked at as a live one is: its last files may have come with its end.
            if now - since >= seconds or (not found and now - since >= LIVE_SECONDS):
                since, found = now, dict(map(_attribute, look()))
                self._seen[key] = since, found
            return found


class StudyFolder:
    """Optuna's artifact store over the study's folder; it gives and never takes."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """Open an artifact.

        Raises:
            ArtifactNotFound: There is none of that id, or no longer.
        """
        path = _path(self._root, artifact_id)
        if path is None:
            raise ArtifactNotFound(artifact_id)
        return path.open("rb")

    def write(self, artifact_id: str, content_body: BinaryIO) -> NoReturn:  # noqa: ARG002
        """Refuse."""
        raise PermissionError("the study's files are only shown here")

    def remove(self, artifact_id: str) -> NoReturn:  # noqa: ARG002
        """Refuse."""
        raise PermissionError("the study's files are only shown here")


def files(root: Path) -> Bottle:
    """The dashboard's two artifact routes, with the ranges that players ask for: Safari plays nothing without."""
    app = Bottle()

    def send(artifact_id: str, **_: Any) -> HTTPResponse:
        path = _path(root, artifact_id)
        if path is None:
            return HTTPError(404, "There is no such file in the study's folder.")
        return static_file(path.name, root=str(path.parent), mimetype=KINDS[path.suffix])

    app.get("/artifacts/<study_id:int>/<artifact_id:re:[0-9a-fA-F-]+>", callback=send)
    app.get("/artifacts/<study_id:int>/<trial_id:int>/<artifact_id:re:[0-9a-fA-F-]+>", callback=send)
    return app


def _attribute(media: Media) -> tuple[str, str]:
    artifact_id = media.path.encode().hex()
    description = {
        "artifact_id": artifact_id,
        "filename": media.name,
        "mimetype": media.mime_type,
        "encoding": None,
    }
    return ATTRIBUTE + artifact_id, json.dumps(description)


def _path(root: Path, artifact_id: str) -> Path | None:
    """The file of an id: anybody can make one, so only what the pages show is given."""
    try:
        name = bytes.fromhex(artifact_id).decode()
    except ValueError:
        return None
    path = inside(root, name)
    return path if path is not None and path.suffix in KINDS else None
