"""The Typer application of `kubectl tacotune`: all its commands."""

from typing import Annotated

import typer
from typer._completion_classes import completion_init

from tacotune.cli.group import Commands
from tacotune.cli.kubectl import (
    best,
    completion,
    dashboards,
    export,
    logs,
    notify,
    plan,
    report,
    suspend,
    trials,
)

HELP = "Read and steer the TTSStudies of a cluster, with your own kubeconfig and rights."
EPILOG = """\b
Begin:
  kubectl apply -f study.yaml               kubectl get ttsstudies --watch
  kubectl tacotune logs ruslan -f           what a trial says
  kubectl tacotune trials ruslan            all trials, with parameters and values
  kubectl tacotune dashboards ruslan -f     MLflow, TensorBoard, Optuna and demo, here
  kubectl tacotune export ruslan -o voice/  the best voice, here

\b
Exit codes: 0 done, 2 wrong usage, 64 refused, 66 study, pod or voice missing, 69 unavailable or not allowed."""

# With add_completion there would be --install-completion, which writes a script for a program called `kubectl tacotune`.
completion_init()
app = typer.Typer(
    name="kubectl tacotune",
    cls=Commands,
    help=HELP,
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415  slow, and seldom asked

        typer.echo(f"kubectl-tacotune {version('tacotune')}")
        raise typer.Exit


@app.callback(help=HELP)
def root(
    _version: Annotated[
        bool,
        typer.Option("--version", "-V", help="Print the version.", is_eager=True, callback=_print_version),
    ] = False,
) -> None:
    """Read and steer the TTSStudies of a cluster."""


# In the order in which a person needs them.
app.command("trials", short_help="List trials: table, JSON, YAML or CSV.")(trials.trials)
app.command("best", short_help="Show the best voice.")(best.best)
app.command("logs", short_help="Print what a trial's pod says.")(logs.logs)
app.command("plan", short_help="Parameters, hours and bytes to expect.")(plan.plan)
app.command("suspend", short_help="Let trials checkpoint and free their GPUs.")(suspend.suspend)
app.command("resume", short_help="Let a suspended study go on.")(suspend.resume)
app.command("dashboards", short_help="Where the pages are; lead ports to them.")(dashboards.dashboards)
app.command("export", short_help="Copy the best voice here.")(export.export)
app.add_typer(notify.app, name="notify")
app.command("report", short_help="Copy the study page here.")(report.report)
app.command("completion", short_help="Print a shell's completion script.")(completion.completion)
