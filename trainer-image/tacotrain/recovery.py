"""What to do about steps whose loss or gradient is not finite: skip a few, go back once, then give up.

A constant never stands in for such a loss: that would train on an invented number. Pure; the loop carries out the answer.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

SKIPS: Final = 3
"""Bad steps in a row that are merely skipped."""
RATE_CUT: Final = 0.5
"""Factor on the learning rate after going back."""


class Remedy(StrEnum):
    """What the loop has to do."""

    NONE = "none"
    SKIP = "skip"
    ROLL_BACK = "roll_back"
    GIVE_UP = "give_up"


@dataclass(frozen=True, slots=True)
class Recovery:
    """What has happened so far."""

    bad_in_a_row: int = 0
    rolled_back: bool = False
    rate_scale: float = 1.0
    """Factor on the scheduled learning rate."""

    def observe(self, bad_in_a_row: int) -> tuple["Recovery", Remedy]:
        """Take in the count of bad steps since the last good one, as of the newest step."""
        state = replace(self, bad_in_a_row=bad_in_a_row)
        if bad_in_a_row == 0:
            return state, Remedy.NONE
        if bad_in_a_row <= SKIPS:
            return state, Remedy.SKIP
        if self.rolled_back:
            return state, Remedy.GIVE_UP
        return Recovery(rolled_back=True, rate_scale=self.rate_scale * RATE_CUT), Remedy.ROLL_BACK
