"""A study with one mistake: what is changed in a valid one, where the API server says it is, and what it says."""

from dataclasses import dataclass
from typing import Any

from support.objects import study


@dataclass(frozen=True, slots=True)
class Bad:
    """One mistake."""

    changes: dict[str, Any]
    path: str
    says: str
    models_path: str = ""
    """Where the models say it is, if that is not the same place or one around it."""

    @property
    def manifest(self) -> dict[str, Any]:
        """The study that has it."""
        return study(self.changes)
