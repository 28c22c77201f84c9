"""What `tacotune run` was told besides the manifest."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Options of one run."""

    directory: Path = field(default_factory=lambda: Path("runs"))
    """Below it, each study has a folder of its own."""
    storage: str | None = None
    """DSN of a Postgres that replaces the embedded one."""
    live: bool = True
    """Redraw a table on a terminal; False prints lines."""
    quiet: bool = False
    """Print the end only."""
    json: bool = False
    """Print the final status as JSON on standard output."""
    poll_seconds: float = 0.5
    """Longest time between two looks; an attempt's end is seen at once."""
    dashboards: bool = True
    """Serve the pages of `spec.dashboards` while the study runs."""
    keep_dashboards: bool = False
    """Serve them after its end, too, until Ctrl-C."""
