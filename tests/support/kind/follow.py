"""A study as a person would follow it: its row of `kubectl get` each time it changes, and the events worth reading. Called by `demo`."""

import json
import shlex
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Final

from support.kind import cluster
from support.kind.errors import KindError
from tacotune.api.conditions import Phase

NOTABLE: Final = frozenset({"NewBest", "FinalTrainingStarted", "PublishingBest", "StudySucceeded"})
"""Besides every warning."""
ENDED: Final = frozenset({Phase.SUCCEEDED, Phase.FAILED})
LAST_WORDS_SECONDS: Final = 3.0
"""The operator tells of an end after it has written it into the status."""
_EVENT: Final = "custom-columns=TYPE:.type,REASON:.reason,MESSAGE:.message"


@dataclass(frozen=True, slots=True)
class Line:
    """Something that one of the two watches printed; no text when it ended."""

    watch: str
    text: str


def follow(namespace: str, study: str, uid: str) -> Phase:
    """Print what happens to a study until it has ended; return its phase then.

    Raises:
        KindError: when the cluster is out of reach.
    """
    lines: SimpleQueue[Line] = SimpleQueue()
    chosen = f"involvedObject.kind=TTSStudy,involvedObject.uid={uid}"
    rows = ("get", "ttsstudies", study, "--watch")
    events = ("get", "events", "--field-selector", chosen, "--no-headers", "--output", _EVENT, "--watch")
    with _watch("rows", namespace, rows, lines), _watch("events", namespace, events, lines):
        return _print(namespace, study, lines)


def _print(namespace: str, study: str, lines: SimpleQueue[Line]) -> Phase:
    """Until the row says that the study has ended, and what is told in the seconds after that."""
    table = Table()
    phase: Phase | None = None
    while True:
        try:
            line = lines.get(timeout=LAST_WORDS_SECONDS if phase else None)
        except Empty:
            assert phase is not None
            return phase
        if not line.text and not phase:
            raise KindError("The API server ended the watch; run the same command again to follow on.")
        if line.watch == "rows":
            now = table.phase(line.text)
            if table.is_new(line.text):
                print(line.text, flush=True)
                if now is Phase.SUSPENDED:
                    print(f"    suspended: `{_resume(namespace, study)}` lets it go on", flush=True)
            if now in ENDED:
                phase = phase or now
        elif told := event(line.text):
            print(told, flush=True)


def _resume(namespace: str, study: str) -> str:
    patch = json.dumps({"spec": {"suspend": False}})
    command = cluster.kubectl_command(
        "--namespace", namespace, "patch", "ttsstudies", study, "--type=merge", "--patch", patch
    )
    return shlex.join(command)


class Table:
    """The rows of one study: which of them are worth a line, and what they say."""

    def __init__(self) -> None:
        self._header = ""
        self._last = ""

    def is_new(self, row: str) -> bool:
        """Whether a row differs from the last in more than its hours and its age."""
        if row.startswith("NAME "):
            self._header = row
            return True
        before, self._last = self._last, row[: self._header.find("GPU-H")].rstrip()
        return self._last != before

    def phase(self, row: str) -> Phase | None:
        """Its second column; None in the header and in a row that has none yet."""
        return next((Phase(word) for word in row.split()[1:2] if word in list(Phase)), None)


def event(text: str) -> str:
    """A notable event, indented below the row; nothing for another."""
    kind, _, rest = text.partition(" ")
    reason, _, message = rest.strip().partition(" ")
    return f"    {reason}: {message.strip()}" if kind == "Warning" or reason in NOTABLE else ""


@contextmanager
def _watch(name: str, namespace: str, arguments: tuple[str, ...], lines: SimpleQueue[Line]) -> Iterator[None]:
    """A kubectl that prints into the queue for as long as the block lasts."""
    command = cluster.kubectl_command("--namespace", namespace, *arguments)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:

        def pump() -> None:
            for line in process.stdout or ():
                lines.put(Line(name, line.rstrip()))
            lines.put(Line(name, ""))

        thread = threading.Thread(target=pump, daemon=True)
        thread.start()
        try:
            yield
        finally:
            process.terminate()
            thread.join()
