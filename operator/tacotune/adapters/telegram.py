"""Messages to a Telegram chat, over the Bot API: https://core.telegram.org/bots/api. A `ports.Channel`.

The token is part of every address, so no address and no exception of the client leaves this module.
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import httpx

from tacotune.adapters.delivery import TryAgain, hush, persistently, without
from tacotune.engine.notices import Notice
from tacotune.ports import Undelivered

API: Final = "https://api.telegram.org"
MAX_TEXT: Final = 4096
"""Of a message, in UTF-16 units."""
PICTURES: Final = frozenset({".png", ".jpg", ".jpeg"})
TIMEOUT: Final = httpx.Timeout(30.0, connect=10.0)
_TOKEN: Final = re.compile(r"\d+:[-\w]{20,}")


class TelegramChannel:
    """One chat.

    Args:
        token: Of the bot, as @BotFather gave it.
        chat_id: A number, or `@channel`.
        base_url: A Bot API server of one's own instead of Telegram's.
        sleep: Waits between attempts.

    Raises:
        Undelivered: That is no token.
    """

    def __init__(
        self,
        token: str,
        chat_id: str,
        *,
        base_url: str = API,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        # A Secret made from a file ends in a line break.
        self._token = token.strip()
        if not _TOKEN.fullmatch(self._token):
            raise Undelivered(
                "what was given as token is none: @BotFather's look like 123456789:AAH… (the value is not shown)"
            )
        self._chat_id = chat_id
        self._base_url = base_url.rstrip("/")
        self._sleep = sleep
        hush()

    def send(self, notice: Notice, files: Sequence[Path] = ()) -> None:
        """Send the text, then each file: a picture as a photo, anything else as a document (sendAudio takes no WAV)."""
        with httpx.Client(timeout=TIMEOUT) as client:
            text = _cut(f"{notice.title}\n\n{notice.text}")
            fields = {"text": text, "link_preview_options": '{"is_disabled":true}'}
            self._call(client, "sendMessage", fields)
            for path in files:
                method, part = (
                    ("sendPhoto", "photo") if path.suffix in PICTURES else ("sendDocument", "document")
                )
                try:
                    content = path.read_bytes()
                except OSError as error:
                    raise Undelivered(f"{path.name}: {error.strerror}") from None
                self._call(client, method, {"caption": notice.title[:1024]}, {part: (path.name, content)})

    def _call(
        self,
        client: httpx.Client,
        method: str,
        fields: Mapping[str, str],
        files: Mapping[str, tuple[str, bytes]] | None = None,
    ) -> None:
        def attempt() -> None:
            failure = self._attempt(client, method, {"chat_id": self._chat_id, **fields}, files)
            if failure is not None:
                raise failure

        persistently(attempt, self._sleep)

    def _attempt(
        self,
        client: httpx.Client,
        method: str,
        fields: Mapping[str, str],
        files: Mapping[str, tuple[str, bytes]] | None,
    ) -> TryAgain | Undelivered | None:
        """One request. What it failed of is returned, not raised: an exception would bring the client's along."""
        try:
            answer = client.post(f"{self._base_url}/bot{self._token}/{method}", data=fields, files=files)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            said = without([self._token], str(error)) or type(error).__name__
            return TryAgain(f"{method}: no answer from the Bot API: {said}")
        if answer.is_success:
            return None
        document = _document(answer)
        said = without([self._token], str(document.get("description") or answer.reason_phrase))
        reason = f"{method}: {answer.status_code} {said}"
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            return TryAgain(reason, _retry_after(document))
        if answer.is_server_error:
            return TryAgain(reason)
        if answer.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.NOT_FOUND}:
            return Undelivered(f"{reason}; is it the token of a bot that still exists?")
        return Undelivered(reason)


def _document(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        document = answer.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _retry_after(document: Mapping[str, Any]) -> float | None:
    parameters = document.get("parameters")
    seconds = parameters.get("retry_after") if isinstance(parameters, dict) else None
    return float(seconds) if isinstance(seconds, int | float) and seconds >= 0 else None


def _cut(text: str) -> str:
    units = text.encode("utf-16-le")
    if len(units) <= 2 * MAX_TEXT:
        return text
    return f"{units[: 2 * (MAX_TEXT - 1)].decode('utf-16-le', errors='ignore')}…"
