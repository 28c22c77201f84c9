"""Show a voice that was just published to a Telegram chat: its alignment picture and a sample. Called by `tacotrain publish`.

The operator tells people in words, but only a pod of the study can read its volume. What fails here is told and harms nothing.
The token is part of every address, so no address and no exception of the client leaves this module.
"""

import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tacotrain.errors import TrainerError
from tacotrain.files import read_json
from tacotrain.publish import DOCUMENT

ANNOUNCE: Final = "TACOTUNE_ANNOUNCE"
"""Environment variable: `{"title", "chatId", "url"}` as JSON; without it nobody is told."""
TOKEN: Final = "TACOTUNE_TELEGRAM_TOKEN"  # noqa: S105 - a name
API: Final = "https://api.telegram.org"
WAITS: Final = (4.0, 4.0)
"""Seconds between three attempts, unless the API names its own."""
LONGEST_WAIT: Final = 60.0


@dataclass(frozen=True, slots=True)
class _Chat:
    base: str
    chat_id: str
    title: str


def announce(best: Path, sleep: Callable[[float], None] = time.sleep) -> str:
    """Send what there is to see and hear of a published voice, if the environment names a chat.

    Args:
        best: The voice's folder.
        sleep: Waits between attempts.

    Returns:
        Why it did not arrive; empty when it did, or when nobody wants it.
    """
    wanted = os.environ.get(ANNOUNCE, "")
    if not wanted:
        return ""
    token = os.environ.get(TOKEN, "").strip()
    if not token:
        return f"{TOKEN} is not set: there is no Secret with the bot's token, or it lacks the key"
    # httpx logs every address.
    for talkative in ("httpx", "httpcore"):
        logging.getLogger(talkative).setLevel(logging.WARNING)
    try:
        chat = _chat(json.loads(wanted), token)
        voice = read_json(best / DOCUMENT)
        parts = [("sendPhoto", "photo", p) for p in voice.get("alignments", [])[:1]]
        parts += [("sendDocument", "document", p) for p in voice.get("samples", [])[:1]]
        for method, part, path in parts:
            if reason := _persistently(chat, method, part, best / path, sleep):
                return reason.replace(token, "***")
    except (TrainerError, OSError, ValueError, KeyError, TypeError) as error:
        return f"{type(error).__name__}: {error}".replace(token, "***")
    return ""


def _chat(document: Mapping[str, Any], token: str) -> _Chat:
    url = str(document.get("url") or API).rstrip("/")
    return _Chat(f"{url}/bot{token}", str(document["chatId"]), str(document["title"]))


def _persistently(chat: _Chat, method: str, part: str, path: Path, sleep: Callable[[float], None]) -> str:
    """Send a file, up to three times; why that failed, or nothing."""
    content = path.read_bytes()
    for wait in (*WAITS, None):
        reason, after = _post(chat, method, part, path.name, content)
        if not reason or after is None or wait is None or after > LONGEST_WAIT:
            return reason
        sleep(after or wait)
    return ""


def _post(chat: _Chat, method: str, part: str, name: str, content: bytes) -> tuple[str, float | None]:
    """One request: why it failed (empty when it did not), and the seconds to wait before another; None: another is in vain."""
    import httpx  # noqa: PLC0415 - only where somebody is told

    try:
        answer = httpx.post(
            f"{chat.base}/{method}",
            data={"chat_id": chat.chat_id, "caption": chat.title},
            files={part: (name, content)},
            timeout=30.0,
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"{method}: no answer from the Bot API: {str(error) or type(error).__name__}", 0.0
    if answer.is_success:
        return "", None
    try:
        said = answer.json()
    except ValueError:
        said = {}
    reason = f"{method}: {answer.status_code} {said.get('description') or answer.reason_phrase}"
    if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
        return reason, float(said.get("parameters", {}).get("retry_after", 0.0))
    return reason, 0.0 if answer.is_server_error else None
