"""MLflow's tracking server in this process, with one worker: its own launcher holds a second copy of MLflow in memory.

`mlflow server` hands its settings to the worker through environment variables; we set the same ones. They are not public, so
`tests/trainer/dashboards/test_mlflow_page.py` looks whether the server still obeys.
"""

import socket
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from tacotrain.dashboards.databases import MLFLOW, database
from tacotrain.dashboards.gate import Application, Receive, Scope, Send
from tacotrain.dashboards.visits import VisitedASGI, Visits

ARTIFACTS_ENV: Final = "TACOTUNE_MLFLOW_ARTIFACTS"
LOCAL: Final = (
    *("localhost", "127.0.0.1", "[[]::1]"),
    *("10.*", "192.168.*", *(f"172.{second}.*" for second in range(16, 32))),
)
"""This machine, and addresses of pods and Services."""
LEAVE_SECONDS: Final = 1
STUDY_PATH: Final = "/study"


def storage_url() -> str:
    """MLflow's database.

    Raises:
        ConfigError: The environment names none.
    """
    from tacotrain.report import with_driver  # noqa: PLC0415 - loads Optuna

    return with_driver(database(MLFLOW))


def environment(url: str, artifacts: Path, study: str, allowed_hosts: Iterable[str]) -> Mapping[str, str]:
    """What the server is told.

    Args:
        url: Of the database.
        artifacts: Folder to which the server writes what clients hand it.
        study: `<namespace>.<name>.<uid8>`.
        allowed_hosts: Names under which browsers ask, besides this machine's and a Service's.
    """
    names = [*LOCAL, *_services(study), *allowed_hosts]
    # The Host header has a port unless it is 80 or 443, and MLflow compares them as they are.
    hosts = [pattern for name in names for pattern in (name, f"{name}:*")]
    origins = [f"{scheme}://{name}" for name in allowed_hosts for scheme in ("http", "https")]
    return {
        "_MLFLOW_SERVER_FILE_STORE": url,
        "_MLFLOW_SERVER_REGISTRY_STORE": url,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(artifacts),
        "_MLFLOW_SGI_NAME": "uvicorn",
        "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(hosts),
        **({"MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": ",".join(origins)} if origins else {}),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": "2",
        "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW": "3",
        "MLFLOW_SQLALCHEMYSTORE_POOL_RECYCLE": "600",
        "GIT_PYTHON_REFRESH": "quiet",
        "MLFLOW_LOGGING_LEVEL": "WARNING",
        # The mirror's own requests.
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    }


class StudyFirst:
    """Before MLflow: `/study` leads to the study's runs, for MLflow's own first page is about language models.

    Args:
        page: MLflow.
        experiment: See `server`.
    """

    def __init__(self, page: Application, experiment: Callable[[], str]) -> None:
        self._page = page
        self._experiment = experiment

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on."""
        if scope["type"] != "http" or scope["path"] != STUDY_PATH:
            await self._page(scope, receive, send)
            return
        known = self._experiment()
        place = f"/#/experiments/{known}/runs" if known else "/#/experiments"
        headers = [
            (b"location", f"{place}?workflowType=machine_learning".encode()),
            (b"content-length", b"0"),
        ]
        await send({"type": "http.response.start", "status": 302, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def _services(study: str) -> tuple[str, ...]:
    """The names of the study's Service, as pods of its namespace and of others call it."""
    namespace = study.partition(".")[0]
    return ("*-mlflow", f"*-mlflow.{namespace}", f"*.{namespace}.svc", f"*.{namespace}.svc.cluster.local")


def prepare(url: str) -> None:
    """Make or upgrade MLflow's tables."""
    from mlflow.server.handlers import initialize_backend_stores  # noqa: PLC0415 - seconds

    initialize_backend_stores(url, url, "mlflow-artifacts:/")


def server(listener: socket.socket, visits: Visits, experiment: Callable[[], str]) -> Any:
    """A uvicorn server on an open port; `run` lasts until its `should_exit` is set.

    Args:
        listener: The port.
        visits: Is told who asks.
        experiment: The id of the study's experiment; empty before there is one.
    """
    import uvicorn  # noqa: PLC0415
    from mlflow.server.fastapi_app import app  # noqa: PLC0415 - reads the environment when it is loaded

    config = uvicorn.Config(
        VisitedASGI(StudyFirst(app, experiment), visits),
        fd=listener.fileno(),
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=LEAVE_SECONDS,
    )
    return uvicorn.Server(config)
