"""What the mirror copies and when, without a server: the runs are a list of what was written."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tacotrain.dashboards.mirror import LOOKS_AFTER_END, Mirror, history, tags
from tacotrain.dashboards.mirror_source import Point, Source, StudyFacts, TrialFacts, TrialFiles

START = datetime(2026, 11, 24, 12, tzinfo=UTC)
RUNNING = TrialFacts(0, "RUNNING", {"learning_rate": 0.001}, (), {}, (), "", START, None)


def ended(number: int, value: float, state: str = "COMPLETE") -> TrialFacts:
    return replace(
        RUNNING, number=number, state=state, values=(value,), ended=START + timedelta(seconds=number + 1)
    )


class Folder(Source):
    """A source whose database and folder the test holds in its hands."""

    def __init__(self) -> None:
        self.facts: StudyFacts | None = None
        self.left: dict[int, TrialFiles] = {}
        self.read: list[int] = []

    def study(self) -> StudyFacts | None:
        return self.facts

    def files(self, number: int) -> TrialFiles:
        self.read.append(number)
        return self.left.get(number, TrialFiles())


@dataclass
class Written:
    """What a mirror has written."""

    points: list[Point] = field(default_factory=list)
    ends: dict[str, str] = field(default_factory=dict)
    summaries: list[tuple[Sequence[Point], Mapping[str, str], bool]] = field(default_factory=list)
    away: bool = False

    def trial(self, facts: TrialFacts) -> str:
        return f"run {facts.number}"

    def write(
        self, run: str, *, parameters: Mapping[str, object], tags: Mapping[str, str], points: Iterable[Point]
    ) -> None:
        if self.away:
            raise ConnectionError("MLflow is away")
        self.points += points

    def keep(self, run: str, files: TrialFiles) -> None:
        pass

    def end(self, run: str, status: str, milliseconds: int | None) -> None:
        self.ends[run] = status

    def summarize(self, points: Sequence[Point], tags: Mapping[str, str], *, running: bool) -> None:
        self.summaries.append((points, tags, running))


def test_only_what_is_new_is_written() -> None:
    source, written = Folder(), Written()
    mirror = Mirror(source, written)
    mirror.copy()
    assert written.summaries == [], "no study yet"
    first, second = Point("loss", 10, 1.0, 1000), Point("loss", 20, 0.5, 2000)
    source.facts = StudyFacts(minimize=True, trials=(RUNNING, replace(RUNNING, number=1, state="WAITING")))
    source.left[0] = TrialFiles(points=(first,))
    mirror.copy()
    source.left[0] = TrialFiles(points=(first, second, Point("loss", 30, float("nan"), 3000)))
    mirror.copy()
    mirror.copy()
    assert written.points == [first, second]
    assert source.read == [0, 0, 0], "what waits has no folder"


def test_what_could_not_be_written_comes_with_the_next_look() -> None:
    source, written = Folder(), Written(away=True)
    mirror = Mirror(source, written)
    source.facts = StudyFacts(minimize=True, trials=(RUNNING,))
    source.left[0] = TrialFiles(points=(Point("loss", 10, 1.0, 1000),))
    with pytest.raises(ConnectionError):
        mirror.copy()
    written.away = False
    mirror.copy()
    assert [point.step for point in written.points] == [10]


def test_a_trial_that_ended_is_read_until_its_result_is_seen_and_not_for_ever() -> None:
    source, written = Folder(), Written()
    mirror = Mirror(source, written)
    source.facts = StudyFacts(
        minimize=True, trials=(ended(0, 0.5), ended(1, 0.7, "PRUNED"), ended(2, 0.0, "FAIL"))
    )
    source.left[1] = TrialFiles(result={"state": "pruned"})
    for _ in range(LOOKS_AFTER_END + 3):
        mirror.copy()
    assert (source.read.count(0), source.read.count(1), source.read.count(2)) == (
        LOOKS_AFTER_END,
        1,
        LOOKS_AFTER_END,
    )
    assert written.ends == {"run 0": "FINISHED", "run 1": "KILLED", "run 2": "FAILED"}
    assert written.summaries[-1][2] is False


def test_the_course_of_a_study_knows_its_direction() -> None:
    trials = [ended(0, 0.5), ended(1, 0.7), ended(2, 0.3), replace(ended(3, 0.0), values=())]
    for minimize, best in ((True, [0.5, 0.5, 0.3]), (False, [0.5, 0.7, 0.7])):
        points = history(trials, minimize=minimize)
        assert [(p.step, p.value) for p in points if p.name == "best_value"] == list(enumerate(best))
        assert [p.value for p in points if p.name == "value"] == [0.5, 0.7, 0.3]


def test_attempts_are_told_with_their_causes() -> None:
    attempts = ({"number": 1, "cause": "Disruption", "message": "stopped: Suspended"},)
    found = tags(replace(RUNNING, attempts=attempts, message="m" * 9000))
    assert found["tacotune.attempt.1"] == "Disruption: stopped: Suspended"
    assert len(found["tacotune.message"]) == 5000


def test_a_folder_that_is_missing_is_an_empty_one(tmp_path: Path) -> None:
    assert Source("postgresql://nowhere/x", "a.b.c", tmp_path / "none").files(3) == TrialFiles()
