"""Why tacotrain stops: the error tree and the exit codes that the operator reads.

```
TrainerError                    the code below becomes the exit code of the process
├── ConfigError           64    a parameter, preset or option is wrong; also a ValueError
├── DataError             65    the dataset exists but cannot be used
├── InputMissing          66    a path that was named does not exist
├── DeviceUnavailable     69    the device that was asked for is not there
├── WorkerLost            69    another of the workers that train together is gone
├── DatabaseAway          69    the study's database does not answer
├── InternalError         70    a promise of tacotrain to itself was broken
├── CannotCreate          73    an output file or directory cannot be made
├── WriteError            74    writing failed on the way: a full disk
├── Interrupted           75    checkpointed after SIGTERM or the deadline; start again to go on
└── PermissionDenied      77    the user may not read or write a path
```

The command line is the only place that turns them into an exit; the last line of stderr is the message.
"""

from typing import ClassVar


class TrainerError(Exception):
    """Base of all errors that tacotrain raises on purpose; the message says what to do."""

    exit_code: ClassVar[int] = 70


class ConfigError(TrainerError, ValueError):
    """A parameter, preset or option is wrong."""

    exit_code = 64


class DataError(TrainerError):
    """The dataset exists but cannot be used."""

    exit_code = 65


class InputMissing(TrainerError):  # noqa: N818 - named after the exit code, as are those below
    """A path that was named does not exist."""

    exit_code = 66


class DeviceUnavailable(TrainerError):  # noqa: N818
    """The device that was asked for is not there."""

    exit_code = 69


class WorkerLost(TrainerError):  # noqa: N818
    """Another of the workers that train together is gone, or never came; why, it said itself."""

    exit_code = 69


class DatabaseAway(TrainerError):  # noqa: N818
    """The study's database does not answer."""

    exit_code = 69


class InternalError(TrainerError):
    """A promise of tacotrain to itself was broken: a bug, not a mistake of the user."""

    exit_code = 70


class CannotCreate(TrainerError):  # noqa: N818
    """An output file or directory cannot be made."""

    exit_code = 73


class WriteError(TrainerError):
    """Writing failed on the way, most often because the disk is full."""

    exit_code = 74


class Interrupted(TrainerError):  # noqa: N818
    """Training stopped early with a checkpoint: SIGTERM or the deadline."""

    exit_code = 75


class PermissionDenied(TrainerError):  # noqa: N818
    """The user may not read or write a path."""

    exit_code = 77
