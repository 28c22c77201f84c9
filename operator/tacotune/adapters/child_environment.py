"""The environment of what we start on this machine: ours, without what is nobody else's business. Called by whatever starts a process."""

import os
from typing import Final

from tacotune.api.names import APPRISE_URL, TELEGRAM_TOKEN

OURS_ALONE: Final = frozenset({TELEGRAM_TOKEN, APPRISE_URL})
"""Whom to notify: no trial and no page has to know."""


def child_environment() -> dict[str, str]:
    """A copy to add to."""
    return {name: value for name, value in os.environ.items() if name not in OURS_ALONE}
