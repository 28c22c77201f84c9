"""`tacotune notify test`."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tacotune.cli.exit_codes import Exit
from tacotune.cli.manifests import complain, complete_study, find_study, load_study
from tacotune.cli.output import paint

if TYPE_CHECKING:
    from tacotune.api.study import TTSStudy

HELP = "Messages to Telegram, Slack, Discord, mail and more."

TelegramUrlOption = Annotated[
    str,
    typer.Option(
        "--telegram-url",
        metavar="URL",
        envvar="TACOTUNE_TELEGRAM_URL",
        show_envvar=True,
        help="A Bot API server of your own instead of https://api.telegram.org.",
    ),
]

app = typer.Typer(help=HELP, short_help=HELP, no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def root() -> None:
    """Messages to Telegram, Slack, Discord, mail and more."""


@app.command("test", short_help="Send a test message through each channel of a study.")
def send_test_message(
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
    telegram_url: TelegramUrlOption = "",
) -> None:
    """Send a test message through each channel of spec.notifications, whatever its events and cooldown.

    On one machine the secrets come from the environment: TACOTUNE_TELEGRAM_TOKEN, TACOTUNE_APPRISE_URL. For a study in a
    cluster, whose secrets lie there: kubectl tacotune notify test STUDY.

    \b
    Examples:
      TACOTUNE_TELEGRAM_TOKEN=$(cat token) tacotune notify test study.yaml
      tacotune notify test ruslan

    \b
    Exit codes: 0 all arrived, 1 one did not, 64 the study wants no messages, 66 there is no such study.
    """
    from tacotune.adapters.channels import from_environment, send_test  # noqa: PLC0415  slow to import

    found = (
        load_study(Path(study))
        if study is not None and study.endswith((".yaml", ".yml"))
        else find_study(study, directory).read_study()
    )
    name = found.metadata.name
    require_channels(found)
    report(send_test(name, found.spec, from_environment, telegram_url=telegram_url))


def require_channels(study: "TTSStudy") -> None:
    """A study that wants to tell somebody.

    Raises:
        typer.Exit: with 64 when it does not.
    """
    wanted = study.spec.notifications
    if wanted is None or (wanted.telegram is None and wanted.apprise is None):
        complain(
            f"study {study.metadata.name} wants no messages: add spec.notifications.telegram or spec.notifications.apprise"
        )
        raise typer.Exit(Exit.INVALID_MANIFEST)


def report(results: Iterable[tuple[str, str]]) -> None:
    """Print a line a channel.

    Raises:
        typer.Exit: with 1 when a message did not arrive.
    """
    failed = False
    for channel, problem in results:
        if problem:
            failed = True
            complain(f"{channel}: {problem}")
        else:
            typer.echo(f"{channel}: {paint('ok', 'green')}", color=True)
    if failed:
        raise typer.Exit(Exit.STUDY_FAILED)
