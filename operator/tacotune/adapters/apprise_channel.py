"""Messages to whatever Apprise knows: Slack, Discord, mail, ntfy and a hundred more (https://appriseit.com). A `ports.Channel`.

Apprise's URLs are secrets as a whole, and its log tells of them: every piece of a URL is hidden in it, before anybody reads it.
"""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import apprise

from tacotune.adapters.delivery import TryAgain, hush, persistently, pieces, without
from tacotune.engine.notices import Notice
from tacotune.ports import Undelivered

SECONDS: Final = 60.0
"""Longest time for one attempt."""


class _Hiding(logging.Filter):
    """Hides secrets in what Apprise logs, wherever that goes."""

    def __init__(self) -> None:
        super().__init__()
        self.secrets: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record."""
        record.msg, record.args = without(self.secrets, record.getMessage()), None
        record.exc_info = record.exc_text = None
        return True


_hiding: Final = _Hiding()


class AppriseChannel:
    """One URL, or several with white space between them.

    Args:
        urls: As Apprise has them.
        sleep: Waits between attempts.

    Raises:
        Undelivered: Apprise knows no such URL.
    """

    def __init__(self, urls: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        logger = logging.getLogger("apprise")
        # What matters of it comes back as the reason of a failure.
        logger.propagate = False
        logger.addFilter(_hiding)
        hush()
        self._sleep = sleep
        self._secrets = pieces(urls)
        _hiding.secrets.update(self._secrets)
        self._services = []
        for number, url in enumerate(urls.split(), start=1):
            service = apprise.Apprise.instantiate(url)
            if service is None:
                kind = url.partition("://")[0] if "://" in url else "no scheme"
                raise Undelivered(
                    f"URL {number} ({kind}) is none that Apprise knows; see `apprise --details`"
                )
            self._services.append(service)
        if not self._services:
            raise Undelivered("the URL is empty")

    def send(self, notice: Notice, files: Sequence[Path] = ()) -> None:
        """Send to each URL; those after one that fails get it, too. Files go to services that take any."""
        failures = []
        for service in self._services:
            one = apprise.Apprise()
            one.add(service)
            try:
                persistently(lambda one=one: self._attempt(one, notice, files), self._sleep)  # type: ignore[misc]
            except Undelivered as failure:
                failures.append(str(failure))
        if failures:
            raise Undelivered("; ".join(failures))

    def _attempt(self, one: apprise.Apprise, notice: Notice, files: Sequence[Path]) -> None:
        result = one.notify(
            body=notice.text,
            title=notice.title,
            attach=[str(path) for path in files] or None,
            timeout=SECONDS,
        )
        if result:
            return
        said = [entry.message for entry in result.logs() if entry.level in {"WARNING", "ERROR", "CRITICAL"}]
        raise TryAgain(without(self._secrets, "; ".join(said)) or "the service did not take it")
