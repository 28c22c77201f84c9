"""What people read while a study runs and when it has ended."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from tacotune.api.conditions import Phase
from tacotune.api.status import BestTrial, TTSStudyStatus
from tacotune.api.study import TTSStudySpec
from tacotune.api.trial_contract import Progress
from tacotune.engine.observed import (
    Attempt,
    Cause,
    JobPhase,
    Observed,
    ObservedJob,
    ObservedTrial,
    Purpose,
    Storage,
    TrialState,
)
from tacotune.local.summary import all_trials, best_voice, loss_and_ear
from tacotune.local.view import duration, live_view, number, progress_line, trials_table

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SPEC = TTSStudySpec.model_validate(
    {
        "searchSpace": [{"name": "learning_rate", "float": {"low": 1e-4, "high": 1e-2}}],
        "dataset": {"speech": {}},
    }
)


def observed(*trials: ObservedTrial, jobs: tuple[ObservedJob, ...] = ()) -> Observed:
    return Observed(
        name="voice",
        namespace="default",
        uid="u",
        generation=1,
        spec=SPEC,
        spec_hash="h",
        now=NOW,
        storage=Storage(ready=True),
        dataset_ready=True,
        trials=trials,
        jobs=jobs,
    )


def complete(trial: int, loss: float, score: float) -> ObservedTrial:
    return ObservedTrial(
        number=trial,
        state=TrialState.COMPLETE,
        parameters={"learning_rate": 0.0123456},
        values=(score,),
        metrics={"val_loss": loss, "tts_score": score, "alignment": 0.9},
        started_at=NOW - timedelta(seconds=75),
        ended_at=NOW,
        best_step=200,
    )


def running(
    job: ObservedJob | None = None, **fields: object
) -> tuple[ObservedTrial, tuple[ObservedJob, ...]]:
    trial = ObservedTrial(number=3, state=TrialState.RUNNING, started_at=NOW - timedelta(seconds=5))
    return replace(trial, **fields), (() if job is None else (job,))  # type: ignore[arg-type]


def job(**fields: object) -> ObservedJob:
    made = ObservedJob(
        name="voice-3-1",
        purpose=Purpose.TRIAL,
        trial=3,
        attempt=1,
        phase=JobPhase.RUNNING,
        progress=Progress(step=40, total_steps=200, frames_per_second=4321.0, loss=0.5, state="training"),
        memory_bytes=512 * 2**20,
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def text(renderable: RenderableType, width: int = 180) -> str:
    console = Console(width=width, record=True, file=Path("/dev/null").open("w"))  # noqa: SIM115
    try:
        console.print(renderable)
        return console.export_text()
    finally:
        console.file.close()


@pytest.mark.parametrize(("seconds", "shown"), [(-3, "0s"), (59, "59s"), (75, "1m15s"), (3660, "1h01m")])
def test_durations_are_short(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_a_missing_number_is_a_dash() -> None:
    assert (number(None), number(0.12345)) == ("-", "0.123")


def test_a_running_trial_shows_step_speed_loss_and_memory() -> None:
    trial, jobs = running(job())
    shown = text(trials_table(observed(trial, jobs=jobs)))
    for part in ("Running", "40/200", "4,321", "0.500", "512 MiB", "5s"):
        assert part in shown


@pytest.mark.parametrize(
    ("made", "fields", "state"),
    [
        pytest.param(None, {}, "Starting", id="no Job yet"),
        pytest.param(
            None, {"attempts": (Attempt(1, Cause.TRANSIENT, NOW),)}, "Retrying", id="waits for its backoff"
        ),
        pytest.param(job(phase=JobPhase.PENDING), {}, "Pending", id="its pod has not started"),
        pytest.param(job(stopping="suspended"), {}, "Stopping", id="told to stop"),
        pytest.param(job(), {"prune_requested": "median"}, "Stopping", id="asked to end by the pruner"),
        pytest.param(job(progress=Progress(state="evaluating")), {}, "Evaluating", id="evaluates"),
    ],
)
def test_the_state_says_what_a_trial_waits_for(
    made: ObservedJob | None, fields: dict[str, object], state: str
) -> None:
    trial, jobs = running(made, **fields)
    assert state in text(trials_table(observed(trial, jobs=jobs)))


@pytest.mark.parametrize("width", [80, 120, 180])
def test_numbers_keep_their_room_on_narrow_terminals(width: int) -> None:
    trial, jobs = running(job(), parameters={f"a_long_name_{n}": 0.123456 for n in range(8)})
    shown = text(trials_table(observed(trial, jobs=jobs)), width).splitlines()
    names = ["TRIAL", "STATE", "STEP", "FRAMES/S", "LOSS", "ALIGN", "VALUE", "TIME", "MEMORY"]
    assert shown[0].split()[:9] == names
    assert shown[1].split()[:5] == ["3", "Running", "40/200", "4,321", "0.500"]


def test_many_trials_are_cut_to_the_newest() -> None:
    shown = text(trials_table(observed(*(complete(n, 0.5, 0.5) for n in range(40))), limit=10))
    assert "30 earlier" in shown
    assert "39" in shown


def test_the_final_training_and_the_preparation_have_rows() -> None:
    final = job(name="voice-final-1", purpose=Purpose.FINAL, trial=2, started_at=NOW - timedelta(seconds=9))
    prepare = job(name="voice-prepare-1", purpose=Purpose.PREPARE, trial=-1, progress=None)
    shown = text(trials_table(observed(jobs=(final, prepare))))
    assert "the parameters of trial 2, trained fully" in shown
    assert "dataset: speech" in shown


def test_the_headline_tells_the_best_and_the_time_left() -> None:
    status = TTSStudyStatus(
        phase=Phase.RUNNING,
        progress="2/12",
        best=BestTrial(trial=1, value=0.25),
        estimated_completion_time=NOW + timedelta(minutes=2),
    )
    shown = text(live_view(observed(), status, ["TrialStarted: trial 1"], NOW - timedelta(seconds=30)))
    for part in (
        "voice",
        "Running",
        "trials 2/12",
        "best 0.250 (trial 1)",
        "elapsed 30s",
        "about 2m00s left",
        "TrialStarted",
    ):
        assert part in shown


def test_a_line_for_logs_names_what_runs() -> None:
    trial, jobs = running(job())
    line = progress_line(observed(trial, jobs=jobs), TTSStudyStatus(phase=Phase.RUNNING, progress="0/3"), NOW)
    assert line == "[0:00:00] Running 0/3 · no best yet · trial 3 40/200 loss 0.500"


def test_all_trials_have_a_row_with_their_numbers() -> None:
    shown = text(all_trials([complete(0, 0.4, 0.2)]))
    for part in ("Complete", "0.200", "0.90", "1m15s", "learning_", "rate", "0.0123"):
        assert part in shown


def test_loss_and_ear_are_said_to_disagree_where_they_do() -> None:
    made = loss_and_ear([complete(0, 0.4, 1.5), complete(1, 0.5, 0.2)])
    assert made is not None
    assert "The lowest validation loss is trial 0, the best voice is trial 1: 2 of 2" in text(made)


def test_loss_and_ear_are_said_to_agree_where_they_do() -> None:
    made = loss_and_ear([complete(0, 0.4, 0.2), complete(1, 0.5, 1.2)])
    assert made is not None
    assert "(trial 0) is also the best voice, and 0 of 2" in text(made)


def test_one_trial_is_not_compared() -> None:
    assert loss_and_ear([complete(0, 0.4, 0.2)]) is None


def test_the_best_voice_shows_numbers_parameters_and_places() -> None:
    shown = text(
        best_voice(
            "Best voice",
            {"mcd_dtw": 2.5, "alignment": None},
            {"epochs": 40},
            {"checkpoint": Path("best/checkpoint")},
        )
    )
    for part in ("2.500", "mcd_dtw", "epochs=40", "best/checkpoint"):
        assert part in shown
    assert "alignment" not in shown
