"""`kubectl tacotune dashboards`."""

import contextlib
import threading
import webbrowser
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tacotune.cli.kubectl.options import (
    ContextOption,
    KubeconfigOption,
    NamespaceOption,
    Shape,
    ShapeOption,
    StudyArgument,
    connect,
    print_document,
)
from tacotune.cli.manifests import complain
from tacotune.cli.output import print_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tacotune.adapters.kube_user import User
    from tacotune.api.status import DashboardStatus
    from tacotune.api.study import TTSStudy


def dashboards(  # noqa: PLR0917  typer passes by name
    study: StudyArgument,
    namespace: NamespaceOption = "",
    forward: Annotated[
        bool, typer.Option("--forward", "-f", help="Lead ports of this machine to them, until Ctrl-C.")
    ] = False,
    open_pages: Annotated[
        bool, typer.Option("--open", help="As --forward, and open each in a browser.")
    ] = False,
    wake: Annotated[bool, typer.Option("--wake", help="Serve those again that went to sleep.")] = False,
    output: ShapeOption = Shape.TABLE,
    context: ContextOption = "",
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Say where a study's pages are: MLflow, TensorBoard, Optuna, demo; or lead ports of this machine to them.

    \b
    Examples:
      kubectl tacotune dashboards ruslan
      kubectl tacotune dashboards ruslan --forward        ports 5000 to 5003, or 5010 to 5013 and so on
      kubectl tacotune dashboards ruslan --open
      kubectl tacotune dashboards ruslan --wake           after dashboards.idleAfterSeconds
    """
    from tacotune.adapters.user_studies import open_dashboards, read_study  # noqa: PLC0415  slow to import

    user = connect(namespace, context, kubeconfig)
    if wake:
        open_dashboards(user, study)
        typer.echo(f"ttsstudy.tacotune.dev/{study} dashboards are wanted")
    found, status = read_study(user, study)
    if forward or open_pages:
        _forward(user, found, status.dashboards, opened=open_pages)
        return
    if wake:
        return
    document: list[dict[str, Any]] = [row.model_dump(mode="json", by_alias=True) for row in status.dashboards]
    if output is Shape.TABLE:
        print_table(
            ["DASHBOARD", "READY", "URL"],
            [[row.name, "yes" if row.ready else "no", row.url or row.message] for row in status.dashboards],
        )
    else:
        print_document(document, output)


def _forward(user: "User", study: "TTSStudy", rows: "Sequence[DashboardStatus]", *, opened: bool) -> None:
    from tacotune.adapters.kubectl import port_forward  # noqa: PLC0415  with the rest
    from tacotune.api.dashboards import FRONT_PATHS, Dashboard  # noqa: PLC0415
    from tacotune.api.names import dashboard_name  # noqa: PLC0415
    from tacotune.ports import Missing  # noqa: PLC0415

    with contextlib.ExitStack() as stack:
        urls = []
        for dashboard, port in _ready(study, rows):
            service = dashboard_name(study.metadata.name, dashboard)
            local = stack.enter_context(port_forward(user.flags, service, port, local=port))
            urls.append(f"http://127.0.0.1:{local}{FRONT_PATHS.get(Dashboard(dashboard), '/')}")
            typer.echo(f"{dashboard:<12} {urls[-1]}")
        for row in rows:
            if not row.ready:
                complain(f"{row.name}: not ready: {row.message}")
        if not urls:
            raise Missing(f"study {study.metadata.name} has no dashboard that answers")
        if opened:
            for url in urls:
                webbrowser.open(url)
        typer.echo("Ctrl-C ends")
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


def _ready(study: "TTSStudy", rows: "Sequence[DashboardStatus]") -> "Iterator[tuple[str, int]]":
    from tacotune.engine.dashboards import wanted  # noqa: PLC0415  with the rest

    ready = {row.name for row in rows if row.ready}
    for dashboard, port in wanted(study.spec.dashboards):
        if dashboard.value in ready:
            yield dashboard.value, port
