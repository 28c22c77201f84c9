"""Lines of the operator: JSON for a cluster's collector, text for people; each says which study it is about.

A pass runs in one thread, so what it is about is put into the context once, by `about`, and every line of that thread has it,
also those of adapters and libraries. Called by `passes` and `workers`; set up by `cli.operator`.
"""

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from pythonjsonlogger.json import JsonFormatter

from tacotune.api.names import KIND

QUIET: Final = ("kopf", "aiohttp.access")
"""They speak up only when something is wrong: a line for each look of the kubelet at the probe, otherwise."""

_about: ContextVar[Mapping[str, Any]] = ContextVar("about", default=MappingProxyType({}))


@contextmanager
def about(**subject: str | int | None) -> Iterator[None]:
    """What lines of this thread are about, for the length of the block; what is None is left out."""
    given = {name: value for name, value in subject.items() if value is not None}
    token = _about.set({**_about.get(), **given})
    try:
        yield
    finally:
        _about.reset(token)


class Subject(logging.Filter):
    """Puts on each record what it is about: by the context, or, on kopf's own records, by the object that kopf names."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass."""
        subject: dict[str, Any] = {**_of_kopf(record), **_about.get()}
        for name, value in subject.items():
            if not hasattr(record, name):
                setattr(record, name, value)
        return True


def _of_kopf(record: logging.LogRecord) -> dict[str, Any]:
    reference = getattr(record, "k8s_ref", None)
    if not isinstance(reference, Mapping):
        return {}
    name = "study" if reference.get("kind") == KIND else "object"
    found = {"namespace": reference.get("namespace"), name: reference.get("name")}
    return {key: value for key, value in found.items() if value}


class TextFormatter(logging.Formatter):
    """`2030-01-01 12:00:00,000 INFO voices/ruslan: TrialStarted: trial 3 started`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(subject)s%(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        parts = [str(getattr(record, name)) for name in ("namespace", "study") if hasattr(record, name)]
        record.subject = "/".join(parts) + ": " if parts else ""
        return super().format(record)


class JsonLines(JsonFormatter):
    """One object a line: time (RFC 3339, UTC), level, logger, message, and whatever the record is about."""

    def __init__(self) -> None:
        super().__init__(
            ("levelname", "name", "message"),
            rename_fields={"levelname": "level", "name": "logger"},
            json_ensure_ascii=False,
            reserved_attrs=[*_RESERVED, "k8s_ref", "k8s_skip", "k8s_settings", "subject"],
        )

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """Time first, for those who read it as it is."""
        return {"time": log_data.pop("time"), **log_data}

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        """Besides the record's own."""
        super().add_fields(log_data, record, message_dict)
        moment = datetime.fromtimestamp(record.created, UTC)
        log_data["time"] = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


_RESERVED: Final = (*vars(logging.makeLogRecord({})), "message", "asctime", "color_message")


def configure_logging(level: str, *, as_json: bool | None = None) -> None:
    """Write to standard error; kopf and the web server are heard only when something is wrong.

    Args:
        level: debug, info, warning or error.
        as_json: None: anywhere but on a terminal.
    """
    if as_json is None:
        as_json = not sys.stderr.isatty()
    handler = logging.StreamHandler()
    handler.addFilter(Subject())
    handler.setFormatter(JsonLines() if as_json else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for talker in QUIET:
        logging.getLogger(talker).setLevel(logging.WARNING)
