"""`tacotune migrate`."""

from typing import Annotated

import typer


def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing: log in as every role and look for the tables.")
    ] = False,
    wait: Annotated[
        float,
        typer.Option(
            "--wait", metavar="SECONDS", min=0, help="Wait for a database that does not answer yet."
        ),
    ] = 0,
    trial_connections: Annotated[
        int, typer.Option("--trial-connections", min=1, help="Connections that all trials together may hold.")
    ] = 300,
) -> None:
    """Prepare a Postgres: roles, databases, Optuna's tables and the least grants; again and again without harm.

    The roles, passwords and databases are those of the URLs in the environment:

    \b
      TACOTUNE_STORAGE_URL          the operator: owns the tables
      TACOTUNE_TRIAL_STORAGE_URL    the trials: read, report, nothing else
      TACOTUNE_READER_STORAGE_URL   dashboards: read (optional)
      TACOTUNE_MLFLOW_STORAGE_URL   MLflow: a database of its own (optional)
      TACOTUNE_ADMIN_STORAGE_URL    who may make roles and databases (not needed where they exist)

    \b
    Examples:
      tacotune migrate --wait 300      wait for a database that is being started
      tacotune migrate --check         change nothing, only look
    """
    import os  # noqa: PLC0415  with the rest, after --help

    from tacotune.adapters import migration  # noqa: PLC0415  Optuna is slow to import

    urls = migration.StorageUrls.from_environment(os.environ)

    def prepare() -> None:
        changes = 0
        for line in migration.migrate(urls, trial_connections=trial_connections):
            typer.echo(line)
            changes += 1
        if not changes:
            typer.echo("nothing to do")

    def look() -> None:
        migration.check(urls)
        typer.echo("every role can log in, the tables are there")

    migration.patiently(look if check else prepare, wait)
