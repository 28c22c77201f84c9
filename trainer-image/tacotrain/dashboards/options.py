"""What every dashboard is started with; `tacotrain dashboard` makes it from its arguments."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Options:
    """Where a dashboard listens and which study it shows."""

    host: str
    """Address to listen on: 127.0.0.1 for this machine alone, 0.0.0.0 in a pod."""
    port: int
    study_directory: Path
    """The study's folder: trials/, best/ and so on; it may be empty, or missing, at first."""
    study_name: str
    """As Optuna's storage has it: `<namespace>.<name>.<uid8>`."""
    allowed_hosts: tuple[str, ...] = ()
    """Names, besides this machine's, under which browsers may ask for the page."""
    idle_after: int | None = None
    """Seconds without a visitor after which it ends; None: never."""
