"""Giving memory back: after a training, whichever way it ended, and when memory runs short."""

import contextlib
import ctypes
import gc
import resource
import sys
from collections.abc import Iterator


def clear() -> None:
    """Free unreachable objects and caches, and hand empty pages back to the system."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    # Only glibc keeps freed pages; elsewhere the symbol is missing and there is nothing to do.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


@contextlib.contextmanager
def cleared() -> Iterator[None]:
    """Clear memory at the end of a block: success, failure, prune and cancel alike."""
    try:
        yield
    finally:
        clear()


def resident_bytes() -> int:
    """Resident memory of this process now."""
    import psutil  # noqa: PLC0415 - the command line needs this module without it

    return int(psutil.Process().memory_info().rss)


def peak_bytes() -> int:
    """Largest resident memory of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Kibibytes on Linux, bytes on macOS.
    return peak if sys.platform == "darwin" else peak * 1024
