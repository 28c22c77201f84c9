"""Numbers and times as people read them; used by figures and tables."""

from datetime import UTC, datetime

from tacotrain.study_page.facts import Value

NONE = "–"


def number(value: Value) -> str:
    """A value with four digits; words as they are."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return NONE
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def duration(seconds: float) -> str:
    """`2 d 3 h`, `1 h 05 min`, `4 min`, `12 s`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest:02d} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def hours(seconds: float) -> str:
    """`1.5 h`; short times in smaller units."""
    return f"{seconds / 3600:,.1f} h" if seconds >= 3600 else duration(seconds)


def moment(time: datetime) -> str:
    """To the minute, in UTC: the page is read elsewhere."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def count(amount: int, one: str, many: str = "") -> str:
    """`1 trial`, `3 trials`."""
    return f"{amount} {one if amount == 1 else many or one + 's'}"
