"""What `make kind-up` installs and what `make kind-demo` shows, without a cluster."""

import json
from pathlib import Path

import pytest
from rich.console import Console

from support.kind import demo, release
from support.kind.follow import Table, event
from support.kind.images import OPERATOR, POSTGRES
from tacotune.api.conditions import Phase

HEADER = "NAME         PHASE     BEST    TRIALS   RUNNING   PRUNED   FAILED   GPU-H   ETA   AGE"
RUNNING = "quickstart   Running   0.912   3/12     2         1        0        0.0           40s"


def test_a_row_is_shown_again_when_more_than_its_age_has_changed() -> None:
    table = Table()
    shown = [table.is_new(row) for row in (HEADER, RUNNING, RUNNING.replace("40s", "55s"))]
    assert shown == [True, True, False]
    assert table.is_new(RUNNING.replace("3/12", "4/12"))


@pytest.mark.parametrize(
    ("row", "phase"),
    [
        (HEADER, None),
        (RUNNING, Phase.RUNNING),
        (RUNNING.replace("Running", "Suspended"), Phase.SUSPENDED),
        (RUNNING.replace("Running", "Succeeded"), Phase.SUCCEEDED),
        (RUNNING.replace("Running", "Failed"), Phase.FAILED),
        ("quickstart                      0s", None),
    ],
)
def test_the_row_says_in_which_phase_a_study_is(row: str, phase: Phase | None) -> None:
    assert Table().phase(row) is phase


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "Normal    NewBest   trial 3 is the best: 0.52   ",
            "    NewBest: trial 3 is the best: 0.52",
        ),
        ("Normal    TrialStarted   trial 3 started", ""),
        (
            "Warning   StorageUnavailable   the database does not answer",
            "    StorageUnavailable: the database does not answer",
        ),
        ("", ""),
    ],
)
def test_only_what_is_notable_is_told(text: str, told: str) -> None:
    assert event(text) == told


def test_a_rebuilt_image_replaces_the_pods_that_run_it_and_no_others() -> None:
    before = release.values({OPERATOR.reference: "sha256:1", POSTGRES.reference: "sha256:2"})
    after = release.values({OPERATOR.reference: "sha256:3", POSTGRES.reference: "sha256:2"})
    assert before["operator"]["podAnnotations"] != after["operator"]["podAnnotations"]
    assert before["postgresql"] == after["postgresql"]


def test_the_summary_names_the_best_trial_its_alignment_and_where_the_voice_lies(tmp_path: Path) -> None:
    voice = {
        "metrics": {"tts_score": 0.31, "alignment": 0.82},
        "parameters": {"learning_rate": 0.01, "encoder_dim": 16},
        "samples": ["samples/0.wav", "samples/1.wav"],
        "alignments": ["alignments/0.png"],
    }
    (tmp_path / "best.json").write_text(json.dumps(voice))
    status = {
        "best": {"trial": 7, "shown": "0.4", "parameters": {"learning_rate": 0.01}},
        "trials": {"total": 12},
    }
    console = Console(width=300)
    with console.capture() as capture:
        console.print(demo.summary(status, tmp_path))
    text = capture.get()
    for part in (
        "Trial 7 is the best of 12: 0.4",
        "0.820",
        "alignment",
        "learning_rate=0.01",
        str(tmp_path / "samples/0.wav"),
    ):
        assert part in text
