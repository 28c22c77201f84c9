"""From a study's spec and a secret to a channel.

Where the secret lies is the driver's business: in the environment of one machine, or in the Secret that the spec names
(`kube_secrets`).
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from tacotune.adapters.telegram import API, TelegramChannel
from tacotune.api import names
from tacotune.api.kubernetes import SecretKey
from tacotune.api.study import TTSStudySpec
from tacotune.engine.notices import Notice, rules_of
from tacotune.ports import Channel, Undelivered

Secrets = Callable[[str, SecretKey], str]
"""The secret of a channel of that name, by its reference; raises Undelivered."""
VARIABLES: Final[Mapping[str, str]] = MappingProxyType(
    {"telegram": names.TELEGRAM_TOKEN, "apprise": names.APPRISE_URL}
)
"""Where one machine has them."""


def open_channel(
    name: str,
    spec: TTSStudySpec,
    secrets: Secrets,
    *,
    telegram_url: str = "",
    sleep: Callable[[float], None] = time.sleep,
) -> Channel:
    """The channel `telegram` or `apprise` of a study.

    Raises:
        Undelivered: The study has none, or its secret is missing or wrong.
    """
    wanted = spec.notifications
    if wanted is not None and name == "telegram" and wanted.telegram is not None:
        token = secrets(name, wanted.telegram.secret_ref)
        return TelegramChannel(token, wanted.telegram.chat_id, base_url=telegram_url or API, sleep=sleep)
    if wanted is not None and name == "apprise" and wanted.apprise is not None:
        from tacotune.adapters.apprise_channel import AppriseChannel  # noqa: PLC0415  a hundred plugins, for who wants them

        return AppriseChannel(secrets(name, wanted.apprise.secret_ref), sleep=sleep)
    raise Undelivered(f"spec.notifications.{name} was taken out of the study")


def from_environment(name: str, _reference: SecretKey) -> str:
    """A secret on one machine, where there are no Secrets."""
    variable = VARIABLES[name]
    value = os.environ.get(variable, "").strip()
    if not value:
        raise Undelivered(
            f"spec.notifications.{name} needs the environment variable {variable} on one machine"
        )
    return value


def send_test(
    title: str, spec: TTSStudySpec, secrets: Secrets, *, telegram_url: str = ""
) -> Iterator[tuple[str, str]]:
    """Send a message through each channel of a study, whatever events it wants.

    Yields:
        The channel's name, and why nothing arrived; empty when it did.
    """
    notice = Notice(
        "StudyStarted", f"{title}: test", "If you can read this, notifications of this study arrive."
    )
    for rules in rules_of(spec):
        try:
            open_channel(rules.channel, spec, secrets, telegram_url=telegram_url).send(notice)
        except Undelivered as failure:
            yield rules.channel, str(failure)
        else:
            yield rules.channel, ""
