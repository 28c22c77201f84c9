"""What the demo's page works with; Streamlit runs the page as a script, which cannot be given arguments."""

from dataclasses import dataclass
from pathlib import Path

from tacotrain.dashboards.speaker import Speaker
from tacotrain.dashboards.voices import Voices


@dataclass(frozen=True, slots=True)
class Context:
    """One study to hear."""

    root: Path
    """The study's folder."""
    study_name: str
    voices: Voices
    speaker: Speaker


_contexts: list[Context] = []


def provide(context: Context) -> None:
    """Set it, before the page runs; another one takes its place."""
    _contexts[:] = [context]


def context() -> Context:
    """What was provided last."""
    assert _contexts, "the page runs before it was told what to show"
    return _contexts[0]
