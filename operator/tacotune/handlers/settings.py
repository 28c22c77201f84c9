"""What an operator process is told once: databases, images, how often to look. The chart sets it, `tacotune operator` reads it."""

from dataclasses import dataclass, field

from tacotune.adapters.kube_dashboards import PageSettings
from tacotune.manifests.common import Platform


@dataclass(frozen=True, slots=True)
class OperatorSettings:
    """Of one operator process."""

    platform: Platform
    storage_url: str
    """DSN of the operator's own role."""
    trial_storage_url: str
    """DSN that trials report by; put into a Secret beside each study."""
    pages: PageSettings = field(default_factory=PageSettings)
    """Of the dashboards."""
    namespaces: tuple[str, ...] = ()
    """All when empty."""
    workers: int = 4
    """Studies looked at at the same time."""
    poll_seconds: float = 10.0
    """How often to read what running trials report into the storage."""
    live_status_seconds: float = 60.0
    """How often to write a status in which nothing but a step or a time has changed."""
    release_after_seconds: float = 120.0
    """How long a deletion waits for pods to end and for the database, before it lets the study go."""
    telegram_url: str = ""
    """A Bot API server of one's own; Telegram's when empty."""
