"""The study page that a run leaves: beside the best voice, or in the run's folder when there is none. Called by `runner`.

The study is over by then. Whatever goes wrong here is a line on the screen, and the same command makes the page later.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tacotune.adapters.study_page import make_page
from tacotune.api.study_key import StudyKey
from tacotune.local.rundir import RunDirectory
from tacotune.ports import TacotuneError

PAGE: Final = "report.html"


def leave_page(run: RunDirectory, study: StudyKey, dsn: str, say: Callable[[str], None]) -> Path | None:
    """Make the page; where it lies, None when it could not be made."""
    folder = run.best_path if run.best_path.is_dir() else run.root
    page = folder / PAGE
    try:
        with _interruptible():
            make_page(run.root, study, run.study_path, page, dsn)
    except TacotuneError as error:
        say(f"no study page: {error}; `tacotune report {run.root}` makes it")
        return None
    except KeyboardInterrupt:
        # The study has ended and is whole; only the page is left out.
        say(f"no study page: stopped; `tacotune report {run.root}` makes it")
        return None
    return page


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM stops it as Ctrl-C does: what the runner has still to close is closed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
