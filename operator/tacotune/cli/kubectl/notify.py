"""`kubectl tacotune notify test`."""

import typer

from tacotune.cli.kubectl.options import (
    ContextOption,
    KubeconfigOption,
    NamespaceOption,
    StudyArgument,
    connect,
)
from tacotune.cli.notify import HELP, TelegramUrlOption, report, require_channels

app = typer.Typer(help=HELP, short_help=HELP, no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def root() -> None:
    """Messages to Telegram, Slack, Discord, mail and more."""


@app.command("test", short_help="Send a test message through each channel of a study.")
def send_test_message(
    study: StudyArgument,
    telegram_url: TelegramUrlOption = "",
    namespace: NamespaceOption = "",
    context: ContextOption = "",
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Send a test message through each channel of a study, whatever its events and cooldown.

    The secrets are read with your rights and the messages come from your machine: whether the operator may read them, and
    whether it reaches the service, its events say.

    \b
    Examples:
      kubectl tacotune notify test ruslan
      kubectl tacotune notify test ruslan -n voices
      kubectl get events --field-selector reason=NotificationFailed

    \b
    Exit codes: 0 all arrived, 1 one did not, 64 the study wants no messages, 66 there is no such study.
    """
    from tacotune.adapters.channels import send_test  # noqa: PLC0415  slow to import

    user = connect(namespace, context, kubeconfig)
    from tacotune.adapters.kube_secrets import from_cluster  # noqa: PLC0415  the client is slow to import
    from tacotune.adapters.user_studies import read_study  # noqa: PLC0415

    found, _ = read_study(user, study)
    require_channels(found)
    secrets = from_cluster(user.api, user.namespace)
    title = f"{user.namespace}/{study}"
    report(send_test(title, found.spec, secrets, telegram_url=telegram_url))
