"""Files that a crash cannot leave half written, and JSON that every parser reads.

Python writes NaN and Infinity into JSON, which is not JSON; here a number that is not finite becomes null.
"""

import errno
import hashlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tacotrain.errors import (
    CannotCreate,
    ConfigError,
    InputMissing,
    PermissionDenied,
    TrainerError,
    WriteError,
)

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


def encode_json(document: Any, *, indent: int | None = None) -> str:
    """Encode a document as standard JSON; what is not finite becomes null."""
    return json.dumps(_finite(document), ensure_ascii=False, allow_nan=False, indent=indent)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def finite_only(metrics: Mapping[str, float]) -> dict[str, float]:
    """Keep the metrics that have a finite value: in every document a missing metric reads as the worst one."""
    return {name: value for name, value in metrics.items() if math.isfinite(value)}


def content_hash(document: Any) -> str:
    """Hash a document by its canonical JSON: the order of keys does not matter."""
    canonical = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"


def read_json(path: Path) -> Any:
    """Read a JSON file that the user named.

    Raises:
        InputMissing: There is no such file.
        PermissionDenied: It may not be read.
        ConfigError: It is not JSON; the message has the line.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputMissing(f"{path}: no such file") from error
    except PermissionError as error:
        raise PermissionDenied(f"{path}: permission denied") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a text file in UTF-8") from error
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}, line {error.lineno}: not JSON: {error.msg}") from error


def write_atomic(path: Path, text: str, *, durable: bool = False) -> None:
    """Replace a file in one step: a reader sees the old text or the new one, never a part.

    Args:
        path: The file; its directory exists.
        text: All of it.
        durable: Also survive a power cut, for the price of a sync.

    Raises:
        WriteError: The disk is full or the write failed; the old file is untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
        if durable:
            sync_directory(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise explain(error, path) from error


def sync_directory(path: Path) -> None:
    """Make renames in a directory survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(path: Path) -> None:
    """Make a directory and its parents.

    Raises:
        CannotCreate: Something else is in the way, or the disk is full.
        PermissionDenied: The user may not.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except PermissionError as error:
        raise PermissionDenied(f"{path}: not allowed to make this directory") from error
    except OSError as error:
        raise CannotCreate(f"{path}: cannot make this directory: {error.strerror}") from error


def explain(error: OSError, path: Path, *, needed_bytes: int | None = None) -> TrainerError:
    """Translate a failed write into the error that says what to do."""
    if error.errno in _FORBIDDEN:
        return PermissionDenied(f"{path}: not allowed to write here")
    if error.errno in _FULL:
        size = "" if needed_bytes is None else f" {needed_bytes / 1e6:.1f} MB are needed;"
        return WriteError(f"{path}: the disk is full;{size} free some space and start again")
    return WriteError(f"{path}: writing failed: {error.strerror or error}")
