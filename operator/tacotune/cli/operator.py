"""`tacotune operator`."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tacotune.cli.exit_codes import Exit
from tacotune.cli.manifests import complain


class LogLevel(StrEnum):
    """Python's, without the one that nobody uses."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """For whom lines are."""

    JSON = "json"
    TEXT = "text"


def operator(  # noqa: PLR0917  typer passes by name
    storage_url: Annotated[
        str,
        typer.Option(
            "--storage",
            metavar="DSN",
            envvar="TACOTUNE_STORAGE_URL",
            show_envvar=True,
            help="Postgres, as owner.",
        ),
    ] = "",
    trial_storage_url: Annotated[
        str,
        typer.Option(
            "--trial-storage",
            metavar="DSN",
            envvar="TACOTUNE_TRIAL_STORAGE_URL",
            show_envvar=True,
            help="The same database as trials reach it, with the role that may only report.",
        ),
    ] = "",
    trainer_image: Annotated[
        str,
        typer.Option(
            "--trainer-image",
            envvar="TACOTUNE_TRAINER_IMAGE",
            show_envvar=True,
            help="Image of trials whose study names none.",
        ),
    ] = "",
    pull_policy: Annotated[
        str, typer.Option("--image-pull-policy", envvar="TACOTUNE_IMAGE_PULL_POLICY", help="Of that image.")
    ] = "IfNotPresent",
    pull_secrets: Annotated[
        list[str] | None,
        typer.Option(
            "--image-pull-secret",
            envvar="TACOTUNE_IMAGE_PULL_SECRETS",
            help="In each study's namespace; repeatable.",
        ),
    ] = None,
    reader_storage_url: Annotated[
        str,
        typer.Option(
            "--reader-storage",
            metavar="DSN",
            envvar="TACOTUNE_READER_STORAGE_URL",
            show_envvar=True,
            help="The same database for those who only read: dashboards.",
        ),
    ] = "",
    mlflow_storage_url: Annotated[
        str,
        typer.Option(
            "--mlflow-storage",
            metavar="DSN",
            envvar="TACOTUNE_MLFLOW_STORAGE_URL",
            show_envvar=True,
            help="MLflow's own database.",
        ),
    ] = "",
    dashboards: Annotated[
        str,
        typer.Option(
            "--dashboards",
            metavar="JSON",
            envvar="TACOTUNE_DASHBOARDS",
            show_envvar=True,
            help='Image of the dashboards and how they are reached, such as {"image": "tacotune/dashboards:0.1.0"}; none without.',
        ),
    ] = "",
    namespaces: Annotated[
        list[str] | None,
        typer.Option(
            "--namespace",
            "-n",
            envvar="TACOTUNE_WATCH_NAMESPACES",
            help="Watch only this one; repeatable. All without it.",
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", min=1, max=64, help="Studies looked at at the same time.")
    ] = 4,
    poll_seconds: Annotated[
        float, typer.Option("--poll-seconds", min=0.1, help="How often running trials' reports are read.")
    ] = 10.0,
    telegram_url: Annotated[
        str,
        typer.Option(
            "--telegram-url",
            metavar="URL",
            envvar="TACOTUNE_TELEGRAM_URL",
            show_envvar=True,
            help="A Bot API server of your own instead of https://api.telegram.org.",
        ),
    ] = "",
    kubeconfig: Annotated[
        Path | None, typer.Option("--kubeconfig", help="Instead of the pod's ServiceAccount.", dir_okay=False)
    ] = None,
    log_level: Annotated[
        LogLevel, typer.Option("--log-level", case_sensitive=False, help="The least that is logged.")
    ] = LogLevel.INFO,
    log_format: Annotated[
        LogFormat | None,
        typer.Option(
            "--log-format", case_sensitive=False, help="Without it text on a terminal, JSON elsewhere."
        ),
    ] = None,
    liveness: Annotated[
        str, typer.Option("--liveness", metavar="URL", help="Where the probe is answered; empty: nowhere.")
    ] = "http://0.0.0.0:8080/healthz",
    metrics_port: Annotated[
        int,
        typer.Option("--metrics-port", min=0, max=65535, help="Where Prometheus scrapes; 0: nowhere."),
    ] = 8081,
    trainer_metrics_port: Annotated[
        int,
        typer.Option(
            "--trainer-metrics-port",
            envvar="TACOTUNE_TRAINER_METRICS_PORT",
            min=0,
            max=65535,
            help="Where each trial's pod answers Prometheus; 0: nowhere.",
        ),
    ] = 9090,
    trainer_log_format: Annotated[
        LogFormat,
        typer.Option(
            "--trainer-log-format",
            envvar="TACOTUNE_TRAINER_LOG_FORMAT",
            case_sensitive=False,
            help="Of the logs of studies' pods, which people read too.",
        ),
    ] = LogFormat.TEXT,
) -> None:
    """Run the operator: watch TTSStudies of a cluster and bring them further.

    The Helm chart runs it in a pod. On your own machine it takes the rights of your kubeconfig.

    \b
    Examples:
      tacotune operator --trainer-image registry.example.com/tacotrain:0.1.0
      tacotune operator -n voices --kubeconfig ~/.kube/config --liveness "" --metrics-port 0
    """
    for value, option in (
        (storage_url, "--storage"),
        (trial_storage_url, "--trial-storage"),
        (trainer_image, "--trainer-image"),
    ):
        if not value:
            complain(f"{option} is needed, or its environment variable; see tacotune operator --help")
            raise typer.Exit(Exit.USAGE)

    if kubeconfig is not None:
        # For the client and for kopf alike, which both read it when they are loaded.
        os.environ["KUBECONFIG"] = str(kubeconfig)

    from tacotune.adapters.clock import SystemClock  # noqa: PLC0415  kopf and the client are slow to import
    from tacotune.adapters.kube_api import connect  # noqa: PLC0415
    from tacotune.handlers.logs import configure_logging  # noqa: PLC0415
    from tacotune.handlers.operator import run_operator  # noqa: PLC0415
    from tacotune.handlers.page_settings import page_settings  # noqa: PLC0415
    from tacotune.handlers.settings import OperatorSettings  # noqa: PLC0415
    from tacotune.manifests.common import Platform  # noqa: PLC0415

    settings = OperatorSettings(
        platform=Platform(
            trainer_image=trainer_image,
            image_pull_policy=pull_policy,
            image_pull_secrets=tuple(pull_secrets or ()),
            metrics_port=trainer_metrics_port,
            log_format=trainer_log_format.value,
        ),
        storage_url=storage_url,
        trial_storage_url=trial_storage_url,
        pages=page_settings(dashboards, reader_url=reader_storage_url, mlflow_url=mlflow_storage_url),
        namespaces=tuple(namespaces or ()),
        workers=workers,
        poll_seconds=poll_seconds,
        telegram_url=telegram_url,
    )
    configure_logging(log_level, as_json=None if log_format is None else log_format is LogFormat.JSON)
    run_operator(connect(), settings, SystemClock(), liveness=liveness, metrics_port=metrics_port)
