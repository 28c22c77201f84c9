"""The note that asks a trial to end: the pruner's reason and the moment, in one readable string.

The trial's reporter reads it as the reason; the engine reads the moment back, to stop a trial that does not listen.
"""

from datetime import datetime

_SINCE = " [since "


def prune_note(reason: str, now: datetime) -> str:
    """`median: 0.9 > 0.5 at step 300 [since 2030-01-01T00:00:00+00:00]`."""
    return f"{reason}{_SINCE}{now.isoformat(timespec='seconds')}]"


def reason_of(text: str) -> str:
    """A note, or a message that ends with one, without the moment: for people."""
    reason, found, moment = text.rpartition(_SINCE)
    return reason if found and moment.endswith("]") else text


def asked_at(note: str) -> datetime | None:
    """The moment in a note; None when it has none (written by a person, say)."""
    _, found, moment = note.rpartition(_SINCE)
    if not found or not moment.endswith("]"):
        return None
    try:
        when = datetime.fromisoformat(moment[:-1])
    except ValueError:
        return None
    return when if when.tzinfo is not None else None
