"""`tacotrain dashboard mlflow`: an MLflow server about one study, and the mirror that fills it.

Trials do not know of it. What they write anyway, into Optuna's storage and their folder, is copied from there (`mirror.py`), so
nothing is missing when MLflow was away, came later, or had been scaled to zero, and no training ever waits for it.
"""

import logging
import os
import tempfile
import threading
from pathlib import Path
from typing import Final

from tacotrain.dashboards.databases import READER, database
from tacotrain.dashboards.listening import listen, url
from tacotrain.dashboards.mlflow_server import (
    ARTIFACTS_ENV,
    LEAVE_SECONDS,
    environment,
    prepare,
    server,
    storage_url,
)
from tacotrain.dashboards.options import Options
from tacotrain.dashboards.until import Every, termination
from tacotrain.dashboards.visits import Visits
from tacotrain.report import redact

MIRROR_SECONDS: Final = 5.0

log = logging.getLogger("tacotrain")


def serve(options: Options) -> int:
    """Show the study until SIGTERM; the exit code.

    Raises:
        ConfigError: The port is taken, or the environment does not name the databases.
    """
    own, reader = storage_url(), database(READER)
    artifacts = Path(os.environ.get(ARTIFACTS_ENV) or options.study_directory / "mlflow")
    with (
        listen(options.host, options.port) as listener,
        tempfile.TemporaryDirectory(prefix="tacotrain-mlflow-") as home,
    ):
        address = url(listener)
        os.environ |= environment(own, artifacts, options.study_name, options.allowed_hosts)
        # MLflow writes into the folder in which it was started.
        os.chdir(home)
        prepare(own)
        from tacotrain.dashboards.mirror import Mirror  # noqa: PLC0415 - loads Optuna and MLflow
        from tacotrain.dashboards.mirror_runs import Runs  # noqa: PLC0415
        from tacotrain.dashboards.mirror_source import Source  # noqa: PLC0415

        source = Source(reader, options.study_name, options.study_directory)
        runs = Runs(f"http://127.0.0.1:{listener.getsockname()[1]}", options.study_name)
        mirror = Mirror(source, runs)
        visits = Visits(options.idle_after)
        running = server(listener, visits, lambda: runs.experiment)
        # In the main thread uvicorn would end the process by the signal itself.
        thread = threading.Thread(target=running.run, name="tacotrain-mlflow", daemon=True)
        with termination() as told:
            thread.start()
            visits.watch()
            log.info("mlflow answers at %s", address)
            with Every(
                MIRROR_SECONDS,
                mirror.copy,
                name="mlflow's mirror",
                redact=lambda text: redact(redact(text, reader), own),
            ):
                told.wait()
            running.should_exit = True
            thread.join(LEAVE_SECONDS + 1)
    return 0
