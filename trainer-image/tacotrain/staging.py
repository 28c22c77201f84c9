"""Folders that appear complete or not at all: filled beside their place, then renamed."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tacotrain.errors import CannotCreate, PermissionDenied, WriteError


@contextmanager
def staged_directory(target: Path) -> Iterator[Path]:
    """Give an empty folder to fill; when the block ends well it takes the place of `target`, whole.

    When the block fails, or the process is killed, `target` is as it was. What a killed process left is removed by
    the next one.

    Raises:
        CannotCreate: The folder cannot be made, or another process is filling it.
        PermissionDenied: The user may not write there.
        WriteError: An operating system error inside the block, most often a full disk.
    """
    partial = target.with_name(f".{target.name}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = _lock(partial)
    except PermissionError as error:
        raise PermissionDenied(
            f"{target}: may not be created ({error.strerror}): choose another place, or let this user write there"
        ) from error
    except OSError as error:
        raise CannotCreate(f"{target}: cannot be created ({error.filename}: {error.strerror})") from error
    try:
        _empty(partial)
        yield partial
        _replace(target, partial)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise WriteError(f"{error.filename or target}: writing failed ({error.strerror or error})") from error
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    finally:
        os.close(lock)


def _lock(partial: Path) -> int:
    """Make the folder and hold a lock on it, which ends with the process however that ends."""
    while True:
        partial.mkdir(exist_ok=True)
        descriptor = os.open(partial, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise CannotCreate(f"{partial}: another process is writing it; wait for it to end") from error
        # The one who held the lock may have renamed the folder between our open and our lock.
        if partial.exists() and os.path.samestat(os.fstat(descriptor), partial.stat()):
            return descriptor
        os.close(descriptor)


def _empty(directory: Path) -> None:
    for path in directory.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _replace(target: Path, partial: Path) -> None:
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    partial.rename(target)
    shutil.rmtree(old, ignore_errors=True)
