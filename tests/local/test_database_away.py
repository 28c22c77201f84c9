"""A database that goes away for 30 seconds in the middle of a trial: training goes on, nothing is lost."""

import time
from pathlib import Path

import pytest

from support import commands, study_files
from support.eventually import eventually
from support.running import killing_what_is_left, step_of
from tacotune.adapters.postgres import EmbeddedPostgres

pytestmark = pytest.mark.end_to_end
OUTAGE_SECONDS = 30.0


def storage_ready(folder: Path, study: str) -> str:
    conditions = {c["type"]: c["status"] for c in commands.status(folder, study).get("conditions", [])}
    return conditions.get("StorageReady", "")


def test_training_goes_on_and_the_study_succeeds(tmp_path: Path) -> None:
    document = study_files.manifest("away", maxTrials=1, parallelism=1)
    study_files.write(tmp_path, document)
    postgres = EmbeddedPostgres(tmp_path / "postgres")
    with killing_what_is_left(tmp_path):
        postgres.start()
        try:
            arguments = ["run", "away.yaml", "--no-dashboards", "--storage", postgres.dsn]
            code, output = commands.tacotune(tmp_path, *arguments)
            assert code == 0, output
            (first,) = commands.trials(tmp_path, "away")

            longer = [
                "--set",
                "maxTrials=2",
                "--set",
                "fixedParameters.epochs=4000",
                "--set",
                "fixedParameters.max_steps=900",
                "--set",  # most of the time would go into evaluations
                "fixedParameters.evaluate_every_steps=45",
            ]
            process = commands.start(tmp_path, *arguments, *longer)
            eventually(lambda: step_of(tmp_path, "away", 1) >= 10, within=120)
            postgres.stop()
            gone = time.monotonic()
            eventually(lambda: storage_ready(tmp_path, "away") == "False", within=60)
            before = step_of(tmp_path, "away", 1)
            # The outage itself is what is tested; its length is the issue's.
            eventually(lambda: time.monotonic() - gone > OUTAGE_SECONDS, within=OUTAGE_SECONDS + 5)
            assert step_of(tmp_path, "away", 1) > before, "training waits for the database"
            postgres.start()
            code, output = commands.finish(process)
            assert code == 0, output
            assert "StorageUnavailable" in output
            assert postgres.dsn not in output
            rows = commands.trials(tmp_path, "away")
            assert rows[0] == first
            assert [(r["number"], r["state"], r["attempts"]) for r in rows] == [
                (0, "Complete", 1),
                (1, "Complete", 1),
            ]
        finally:
            postgres.stop()
