"""What the channels have in common: how often and when to try again, and words without secrets. Called by `telegram` and `apprise_channel`."""

import logging
import re
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import unquote

import tenacity

from tacotune.ports import Undelivered

ATTEMPTS: Final = 3
SHORTEST_WAIT: Final = 4.0
LONGEST_WAIT: Final = 10.0
LONGEST_PATIENCE: Final = 300.0
"""A service that wants to be left alone for longer than this is given up at once: asking it sooner would be asking in vain."""
HIDDEN: Final = "***"
TALKATIVE: Final = ("httpx", "httpcore", "urllib3.connectionpool")
"""Loggers of HTTP clients, which tell every address that is asked; a token is part of such an address."""


class TryAgain(Exception):  # noqa: N818  what to do reads best without a suffix
    """An attempt failed in a way that may pass."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after
        """Seconds that the service has asked to wait."""


def persistently(attempt: Callable[[], None], sleep: Callable[[float], None]) -> None:
    """Make an attempt up to three times, 4 to 10 seconds apart, or as long as the service has asked.

    Raises:
        Undelivered: All failed; with the last reason.
    """
    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        wait=_wait,
        retry=tenacity.retry_if_exception(_worth_another),
        sleep=sleep,
        reraise=True,
    )
    reason = ""
    try:
        retrying(attempt)
    except TryAgain as failure:
        reason = str(failure)
    # Outside of the handler, so that nothing of what led here is in a traceback.
    if reason:
        raise Undelivered(reason)


_EXPONENTIAL: Final = tenacity.wait_exponential(multiplier=1, min=SHORTEST_WAIT, max=LONGEST_WAIT)


def _wait(state: tenacity.RetryCallState) -> float:
    failure = state.outcome.exception() if state.outcome is not None else None
    asked = failure.after if isinstance(failure, TryAgain) else None
    return asked if asked is not None else _EXPONENTIAL(state)


def _worth_another(failure: BaseException) -> bool:
    return isinstance(failure, TryAgain) and (failure.after or 0.0) <= LONGEST_PATIENCE


def without(secrets: Iterable[str], text: str) -> str:
    """The text with these secrets hidden, as they are and as URLs have them."""
    found = {form for secret in secrets for form in (secret, unquote(secret)) if form}
    for secret in sorted(found, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def pieces(url: str) -> tuple[str, ...]:
    """All of a URL that may be a secret: whatever stands between its marks, from four letters on."""
    _, _, rest = url.partition("://")
    return tuple(piece for piece in re.split(r"[^-\w.~%+]", rest) if len(piece) >= 4)


def hush() -> None:
    """Keep HTTP clients from logging addresses."""
    for name in TALKATIVE:
        logger = logging.getLogger(name)
        if logger.level < logging.WARNING:
            logger.setLevel(logging.WARNING)
