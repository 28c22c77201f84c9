"""What preparation has to say about a file."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """Whether the file can be used."""

    ERROR = "error"
    """It cannot; preparation stops, or leaves it out with --skip-bad."""
    WARNING = "warning"
    """It can, but someone should look."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with one file, or with one line of the list."""

    file: str
    severity: Severity
    code: str
    """Stable, for programs: `sample-rate`, `silent`, …"""
    message: str
    """For people: what is wrong, with numbers, and what to do."""
