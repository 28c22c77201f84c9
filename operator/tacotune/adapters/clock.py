"""The `Clock` port: the only place of the drivers that reads the time of day."""

from datetime import UTC, datetime


class SystemClock:
    """This machine's clock."""

    def now(self) -> datetime:
        """Current time in UTC."""
        return datetime.now(UTC)  # noqa: TID251  the Clock port itself
