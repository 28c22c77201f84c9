"""Exit codes of `tacotune`, and which error ends in which."""

from enum import IntEnum


class Exit(IntEnum):
    """What a script can tell from the exit code."""

    OK = 0
    STUDY_FAILED = 1
    USAGE = 2
    INVALID_MANIFEST = 64
    MISSING = 66
    UNAVAILABLE = 69
    INTERRUPTED = 75


def exit_code(error: Exception) -> Exit | None:
    """The exit code of an error that tacotune raises on purpose; None for any other."""
    from tacotune.local.rundir import RunMissingError  # noqa: PLC0415  only after something went wrong
    from tacotune.ports import Busy, Missing, PermanentError, TransientError  # noqa: PLC0415

    match error:
        case RunMissingError() | Missing() | FileNotFoundError():
            return Exit.MISSING
        case Busy() | TransientError():
            return Exit.UNAVAILABLE
        case PermanentError():
            return Exit.INVALID_MANIFEST
        case _:
            return None
