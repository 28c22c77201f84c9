"""The Typer application of `tacotune`: all its commands."""

from typing import Annotated

import typer

from tacotune.cli import (
    best,
    completion,
    crd,
    dashboards,
    init,
    migrate,
    notify,
    operator,
    plan,
    report,
    run,
    status,
    trials,
    validate,
)
from tacotune.cli.group import Commands

EPILOG = """\b
Begin:
  tacotune init voice --data recordings/   write a manifest to begin with
  tacotune validate voice.yaml             all mistakes at once, with line numbers
  tacotune plan voice.yaml                 what would run, how long, how many bytes
  tacotune run voice.yaml                  tune on this machine; Ctrl-C stops, the same command goes on
  tacotune best voice                      the best voice: parameters, checkpoint, samples
  tacotune report voice                    one page: plots, pictures, samples to hear

\b
Exit codes: 0 done, 1 the study failed, 2 wrong usage, 64 invalid manifest, 66 file or study missing,
            69 busy or unavailable, 75 interrupted: the same command goes on."""


app = typer.Typer(
    name="tacotune",
    cls=Commands,
    help="Tune text-to-speech training: run a TTSStudy on this machine, check it, read its results.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415  slow, and seldom asked

        typer.echo(f"tacotune {version('tacotune')}")
        raise typer.Exit


@app.callback()
def root(
    _version: Annotated[
        bool,
        typer.Option("--version", "-V", help="Print the version.", is_eager=True, callback=_print_version),
    ] = False,
) -> None:
    """Tune text-to-speech training: run a TTSStudy on this machine, check it, read its results."""


# In the order in which a person needs them.
app.command("init", short_help="Write a manifest with comments.")(init.init)
app.command("validate", short_help="Check manifests: all mistakes at once.")(validate.validate)
app.command("plan", short_help="Dry run: parameters, hours and bytes.")(plan.plan)
app.command("run", short_help="Run a study on this machine.")(run.run)
app.command("status", short_help="Show how far a study is.")(status.status)
app.command("trials", short_help="List trials: table, JSON or CSV.")(trials.trials)
app.command("best", short_help="Show or export the best voice.")(best.best)
app.command("dashboards", short_help="Serve a study's pages: MLflow, TensorBoard, Optuna, demo.")(
    dashboards.dashboards
)
app.add_typer(notify.app, name="notify")
app.command("report", short_help="Write the page about a study.")(report.report)
app.command("migrate", short_help="Prepare a Postgres: roles, tables, grants.")(migrate.migrate)
app.command("operator", short_help="Run the operator of a cluster.")(operator.operator)
app.command("crd", short_help="Print the CustomResourceDefinition.")(crd.crd)
app.command("completion", short_help="Print a shell's completion script.")(completion.completion)
