"""The files of one checkpoint: written so that a crash leaves all or nothing, read only when their hashes are right."""

import hashlib
import json
import os
import pickle
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import torch

from tacotrain.errors import DataError
from tacotrain.files import encode_json, explain, sync_directory

FORMAT: Final = 1
METADATA: Final = "metadata.json"


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint on disk whose hashes were found right."""

    path: Path
    metadata: Mapping[str, Any]

    @property
    def step(self) -> int:
        """Optimizer steps."""
        return int(self.metadata["step"])

    def load(self, name: str, device: torch.device | None = None) -> Any:
        """Read one of its files; None where there is none of that name.

        Raises:
            DataError: It holds objects whose loading would run code.
        """
        if name not in self.metadata["files"]:
            return None
        try:
            return torch.load(self.path / name, map_location=device or torch.device("cpu"), weights_only=True)
        except pickle.UnpicklingError as error:
            raise DataError(
                f"{self.path / name}: holds more than tensors and numbers; it was not read"
            ) from error


@dataclass(frozen=True, slots=True)
class Damaged:
    """A checkpoint that cannot be used."""

    path: Path
    reason: str


def verify(path: Path) -> Saved | Damaged:
    """Compare the files of a checkpoint with the hashes in its metadata."""
    try:
        metadata = json.loads((path / METADATA).read_text(encoding="utf-8"))
        if metadata["format"] != FORMAT:
            return Damaged(path, f"format {metadata['format']!r} instead of {FORMAT}")
        for name, expected in metadata["files"].items():
            with (path / name).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != expected["sha256"]:
                    return Damaged(path, f"{name} does not match its sha256")
    except OSError as error:
        return Damaged(path, f"{error.filename or path}: {error.strerror}")
    except (ValueError, KeyError, TypeError, AttributeError):
        return Damaged(path, f"{METADATA} cannot be read")
    return Saved(path, metadata)


def write(fresh: Path, step: int, files: Mapping[str, object], metadata: Mapping[str, Any]) -> None:
    """Write and sync all files of a checkpoint into a new directory; when that fails nothing of it stays.

    Raises:
        WriteError: The disk is full; the message says how much is needed.
    """
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        fresh.mkdir()
        hashes = {name: _write_tensors(fresh / name, content) for name, content in files.items()}
        document = {"format": FORMAT, "step": step, **metadata, "files": hashes}
        _write_bytes(fresh / METADATA, encode_json(document, indent=2).encode())
        sync_directory(fresh)
    except OSError as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise explain(error, fresh.parent, needed_bytes=tensor_bytes(files)) from error
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


class _HashingFile:
    """Hashes what passes through, so that a large file is not read again."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()
        self.bytes = 0

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        self.bytes += len(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()


def _write_tensors(path: Path, content: object) -> dict[str, Any]:
    with open_new(path) as raw:
        file = _HashingFile(raw)
        torch.save(content, file)  # type: ignore[arg-type]
        raw.flush()
        os.fsync(raw.fileno())
    return {"sha256": file.sha256.hexdigest(), "bytes": file.bytes}


def _write_bytes(path: Path, content: bytes) -> None:
    with open_new(path) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def open_new(path: Path) -> IO[bytes]:
    """Open a file for writing."""
    return path.open("wb")


def tensor_bytes(content: object) -> int:
    """Bytes of all tensors inside."""
    if isinstance(content, torch.Tensor):
        return content.numel() * content.element_size()
    if isinstance(content, Mapping):
        return sum(tensor_bytes(value) for value in content.values())
    if isinstance(content, list | tuple):
        return sum(tensor_bytes(value) for value in content)
    return 0
