"""`tacotune dashboards`."""

import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tacotune.cli.manifests import complete_study, find_study
from tacotune.cli.output import print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tacotune.api.status import DashboardStatus


def dashboards(  # noqa: PLR0917  typer passes by name
    study: Annotated[
        str | None,
        typer.Argument(
            metavar="STUDY",
            help="Name below the runs folder, a path, or a manifest; not needed where there is only one.",
            autocompletion=complete_study,
        ),
    ] = None,
    directory: Annotated[
        Path, typer.Option("--directory", "-d", help="Folder of all runs.", file_okay=False)
    ] = Path("runs"),
    storage: Annotated[
        str | None,
        typer.Option(
            "--storage",
            metavar="DSN",
            envvar="TACOTUNE_STORAGE_URL",
            show_envvar=True,
            help="The Postgres that the study was run with, where it was one of your own.",
        ),
    ] = None,
    list_only: Annotated[bool, typer.Option("--list", help="Only say where they are.")] = False,
    open_pages: Annotated[
        bool, typer.Option("--open", help="Open each in a browser once it answers.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --list: as JSON.")] = False,
) -> None:
    """Serve the pages of a study: MLflow, TensorBoard, Optuna, demo. Lists them while `tacotune run` serves them.

    Ctrl-C ends them.

    \b
    Examples:
      tacotune dashboards
      tacotune dashboards quickstart --open
      tacotune dashboards quickstart --list --json
    """
    from tacotune.adapters.run_lock import RunLock  # noqa: PLC0415  with the rest, after --help
    from tacotune.ports import Busy  # noqa: PLC0415

    run = find_study(study, directory)
    if list_only:
        _list(run.read_status().dashboards, as_json=as_json)
        return
    try:
        with RunLock(run.root):
            from tacotune.local.dashboards import serve  # noqa: PLC0415  slow

            serve(
                run,
                directory,
                storage=storage,
                say=typer.echo,
                opened=webbrowser.open if open_pages else None,
            )
    except Busy:
        # Its runner serves them.
        rows = run.read_status().dashboards
        _list(rows, as_json=as_json)
        if open_pages:
            for row in rows:
                if row.ready:
                    webbrowser.open(row.url)


def _list(rows: "Sequence[DashboardStatus]", *, as_json: bool) -> None:
    if as_json:
        print_json([row.model_dump(mode="json", by_alias=True) for row in rows])
        return
    print_table(
        ["DASHBOARD", "READY", "URL"],
        [[row.name, "yes" if row.ready else "no", row.url or row.message] for row in rows],
    )
