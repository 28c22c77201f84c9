"""What can go wrong, with the exit code of the command."""

from typing import Final

EX_UNAVAILABLE: Final = 69
EX_SOFTWARE: Final = 70


class KindError(Exception):
    """Something that stops the cluster from coming up or going down; `code` is the exit code of the command."""

    def __init__(self, message: str, code: int = EX_SOFTWARE) -> None:
        super().__init__(message)
        self.code = code
