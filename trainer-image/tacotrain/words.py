"""True word timings, known for speech that was made by espeak-ng; the word hit rate is measured against them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WordTiming:
    """Where a word stands in a text and when it sounds."""

    start: int
    """First character; in a prepared dataset the first symbol, which is the same."""
    end: int
    """The character behind the last."""
    start_seconds: float
    end_seconds: float
