"""The last word of an attempt, where Kubernetes looks for it: the result when the trial finished, else why it did not."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

TERMINATION_ENV: Final = "TACOTUNE_TERMINATION_LOG"
_TERMINATION_DEFAULT: Final = Path("/dev/termination-log")
_LARGEST: Final = 4096
"""Bytes that Kubernetes keeps of a termination message."""
_EXPENDABLE: Final = ("samples", "alignments", "metrics", "message")
"""What a result can do without, first to go first; `result.json` has it all."""


def write_termination_message(document: Mapping[str, Any], *, if_unsaid: bool = False) -> None:
    """Leave a document, if there is a place for it; its absence must not hide the real end.

    Args:
        document: What happened.
        if_unsaid: Leave what another worker of this container has said before.
    """
    place = os.environ.get(TERMINATION_ENV)
    path = Path(place) if place else _TERMINATION_DEFAULT
    if place or path.exists():
        with suppress(OSError):
            if if_unsaid and path.exists() and path.stat().st_size:
                return
            path.write_text(fitting(document), encoding="utf-8")


def fitting(document: Mapping[str, Any]) -> str:
    """The document as JSON that Kubernetes does not cut: what is expendable goes until it is small enough."""
    kept = dict(document)
    text = _compact(kept)
    for name in _EXPENDABLE:
        if len(text.encode()) <= _LARGEST:
            break
        kept.pop(name, None)
        text = _compact(kept)
    return text


def _compact(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n"
