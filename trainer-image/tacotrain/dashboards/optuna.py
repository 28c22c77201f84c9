"""`tacotrain dashboard optuna`: the Optuna Dashboard, read-only, about one study, in gunicorn with one worker and its threads.

`TACOTUNE_READER_STORAGE_URL` names the database: it never stands in the arguments, which every process of the machine may read.
"""

import logging
import os
import socket
import sys
from typing import TYPE_CHECKING, Any, Final

from gunicorn.app.base import BaseApplication

from tacotrain.dashboards.databases import READER, database
from tacotrain.dashboards.listening import listen, url
from tacotrain.dashboards.options import Options
from tacotrain.dashboards.visits import Visited, Visits

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

THREADS: Final = 8
LEAVE_SECONDS: Final = 2
"""For answers under way when we are told to end."""

log = logging.getLogger("tacotrain")


def serve(options: Options) -> int:
    """Show the study until SIGTERM; the exit code.

    Raises:
        ConfigError: The port is taken, or the environment names no database.
    """
    storage_url = database(READER)
    listener = listen(options.host, options.port)
    try:
        _Server(options, storage_url, listener).run()
    except SystemExit as ended:  # Gunicorn's way to return.
        return ended.code if isinstance(ended.code, int) else 0
    return 0


def application(options: Options, storage_url: str) -> "WSGIApplication":
    """The page as a WSGI application; no connection is opened before the first request."""
    # Where scikit-learn is installed, Optuna loads it for an estimate of importance that this page does not use: 170 MB.
    sys.modules.setdefault("sklearn", None)  # type: ignore[arg-type]
    from optuna_dashboard import wsgi  # noqa: PLC0415 - only the worker needs these

    from tacotrain.dashboards.artifacts import Artifacts, StudyFolder, files  # noqa: PLC0415
    from tacotrain.dashboards.read_only import ReadOnly  # noqa: PLC0415
    from tacotrain.dashboards.study_storage import OneStudy  # noqa: PLC0415

    root = options.study_directory
    storage = OneStudy(storage_url, options.study_name, Artifacts(root))
    page = ReadOnly(wsgi(storage, artifact_store=StudyFolder(root)), files(root))
    visits = Visits(options.idle_after)
    visits.watch(os.getppid())  # Gunicorn's first process, which ends the worker.
    return Visited(page, visits)


class _Server(BaseApplication):  # type: ignore[misc]
    """Gunicorn with one worker: the storage's cache is in its memory, and all threads share it."""

    def __init__(self, options: Options, storage_url: str, listener: socket.socket) -> None:
        self._options = options
        self._storage_url = storage_url
        self._address = url(listener)
        self._descriptor = listener.detach()  # Gunicorn makes it its own, and closes it.
        super().__init__()

    def load_config(self) -> None:
        """Tell gunicorn what we want; it reads no file and no argument."""
        settings: dict[str, Any] = {
            "bind": f"fd://{self._descriptor}",
            "workers": 1,
            "worker_class": "gthread",
            "threads": THREADS,
            "timeout": 120,
            "graceful_timeout": LEAVE_SECONDS,
            "control_socket_disable": True,
            "loglevel": "warning",
            "post_worker_init": lambda _: log.info("optuna answers at %s/dashboard", self._address),
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> "WSGIApplication":
        """Make the page, in the worker."""
        return application(self._options, self._storage_url)
