"""What the trainer says while it works: lines for people, or, with TACOTRAIN_LOG_FORMAT=json, one JSON object each.

`cli` sets it up; `cli_train` says which trial it is about. One process trains one trial, so its name is on every line, whichever
thread speaks.
"""

import logging
import sys
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from tacotrain.errors import ConfigError

LOG_FORMAT: Final = "TACOTRAIN_LOG_FORMAT"
"""Environment variable: `text` (also when it is unset or empty) or `json`."""
NOISY: Final = ("alembic", "optuna", "sqlalchemy", "mlflow", "urllib3", "tensorboard", "PIL")
"""Libraries that explain themselves at length; only their warnings matter here, and each of them once."""


class TextFormatter(logging.Formatter):
    """The bare message; a warning says that it is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        text = super().format(record)
        return text if record.levelno < logging.WARNING else f"{record.levelname.lower()}: {text}"


def set_up_logging(environment: Mapping[str, str], *, to_stderr: bool) -> None:
    """Lines on stdout, unless that belongs to JSON of a command's own.

    Raises:
        ConfigError: The environment names a format that there is not.
    """
    wanted = environment.get(LOG_FORMAT) or "text"
    if wanted not in {"text", "json"}:
        raise ConfigError(f"{LOG_FORMAT}={wanted}: write text or json")
    handler = logging.StreamHandler(sys.stderr if to_stderr else sys.stdout)
    handler.setFormatter(_json_formatter() if wanted == "json" else TextFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for noisy in NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    warnings.simplefilter("once")


def about(*, namespace: str, study: str, trial: int, attempt: int) -> None:
    """From here on every line of JSON says which trial it is about; on one machine there is no namespace."""
    fields: dict[str, Any] = {"study": study, "trial": trial, "attempt": attempt}
    if namespace:
        fields = {"namespace": namespace, **fields}
    for formatter in _json_formatters():
        formatter.static_fields = fields


def last_line(text: str) -> None:
    """The last word of a command that failed, on stderr: for people as it is, else as the error that it is."""
    if formatters := _json_formatters():
        record = logging.makeLogRecord({"name": "tacotrain", "levelno": logging.ERROR, "levelname": "ERROR"})
        record.msg = text
        text = formatters[0].format(record)
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - the promised last line


def _json_formatters() -> list[Any]:
    # Not those of somebody in whose process the command line is run.
    return [h.formatter for h in logging.getLogger().handlers if hasattr(h.formatter, "static_fields")]


def _json_formatter() -> logging.Formatter:
    from pythonjsonlogger.json import JsonFormatter  # noqa: PLC0415 - most people read text

    class JsonLines(JsonFormatter):
        """Time (RFC 3339, UTC), level, logger, message, and which trial it is about."""

        def add_fields(
            self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
        ) -> None:
            """Besides the record's own."""
            moment = datetime.fromtimestamp(record.created, UTC)
            log_data["time"] = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            super().add_fields(log_data, record, message_dict)

    return JsonLines(
        ("levelname", "name", "message"),
        rename_fields={"levelname": "level", "name": "logger"},
        json_ensure_ascii=False,
    )
