"""`tacotune report`."""

from pathlib import Path
from typing import Annotated

import typer

from tacotune.cli.manifests import find_study
from tacotune.cli.status import RunsOption, StudyArgument


def report(
    study: StudyArgument = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE", help="The page; replaced when it is there.", dir_okay=False
        ),
    ] = Path("report.html"),
    directory: RunsOption = Path("runs"),
    storage: Annotated[
        str | None,
        typer.Option(
            "--storage",
            metavar="DSN",
            envvar="TACOTUNE_STORAGE_URL",
            show_envvar=True,
            help="The Postgres that the study was run with, when it was one of your own.",
        ),
    ] = None,
) -> None:
    """Write the page about a study: one file with plots, pictures and samples to hear, which needs no network.

    Summary, best trial, history, importance of parameters, parallel coordinates, the top five, failures and retries by
    cause, hours by outcome. `tacotune run` leaves one beside the best voice; this makes it at any time, also while the
    study runs.

    \b
    Examples:
      tacotune report
      tacotune report quickstart -o report.html
      tacotune report runs/quickstart -o report.html --storage postgresql://user@host/tacotune
    """
    from tacotune.adapters.dsn import check_dsn  # noqa: PLC0415  SQLAlchemy is slow to import
    from tacotune.adapters.postgres import visited  # noqa: PLC0415
    from tacotune.adapters.study_page import make_page  # noqa: PLC0415
    from tacotune.api.study_key import StudyKey  # noqa: PLC0415
    from tacotune.ports import Missing  # noqa: PLC0415

    run = find_study(study, directory)
    metadata = run.read_study().metadata
    key = StudyKey(metadata.namespace, metadata.name, metadata.uid)
    if storage:
        said = make_page(run.root, key, run.study_path, output, check_dsn(storage))
    else:
        database = run.root.absolute().parent / ".postgres"
        if not (database / "data").exists():
            raise Missing(
                f"{database} holds no database: study {metadata.name} was run with one of your own; name it with --storage"
            )
        with visited(database) as dsn:
            said = make_page(run.root, key, run.study_path, output, dsn)
    typer.echo(said, err=True)
