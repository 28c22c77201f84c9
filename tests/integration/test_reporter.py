"""Live reports into a real Postgres, and what happens when it goes away in the middle of a training."""

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import psycopg2
import pytest
from optuna.trial import TrialState

from support.eventually import eventually
from support.prepared import make_dataset, trial_document
from tacotrain.contract import parse_trial
from tacotrain.interruption import Interruption
from tacotrain.report import PROGRESS_ATTRIBUTE, PRUNE_ATTRIBUTE, Reporter, reporter_for
from tacotrain.train import train
from tacotune.adapters.postgres import EmbeddedPostgres

pytestmark = pytest.mark.postgres


@pytest.fixture
def study(module_postgres_dsn: str, monkeypatch: pytest.MonkeyPatch) -> optuna.Study:
    monkeypatch.setenv("STORAGE", module_postgres_dsn)
    return optuna.create_study(storage=module_postgres_dsn)


def reporter(study: optuna.Study, trial_id: int | None = None) -> Reporter:
    wanted = study.ask()._trial_id if trial_id is None else trial_id
    return reporter_for("STORAGE", wanted, every_seconds=0.05)


def test_values_and_progress_arrive(study: optuna.Study) -> None:
    live = reporter(study)
    live.value(50, 1.5)
    live.value(100, 0.5)
    live.value(50, 1.4)
    live.progress({"step": 100, "state": "training"})
    assert live.close()
    (trial,) = study.trials
    assert trial.intermediate_values == {50: 1.4, 100: 0.5}
    assert trial.user_attrs[PROGRESS_ATTRIBUTE] == {"step": 100, "state": "training"}
    assert trial.state == TrialState.RUNNING


def test_an_attempt_that_repeats_a_step_overwrites_its_value(study: optuna.Study) -> None:
    trial_id = study.ask()._trial_id
    for value in (1.5, 1.25):
        live = reporter(study, trial_id)
        live.value(50, value)
        assert live.close()
    assert study.trials[0].intermediate_values == {50: 1.25}


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_a_url_as_secrets_have_it_is_taken(
    study: optuna.Study, module_postgres_dsn: str, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("STORAGE", module_postgres_dsn.replace("postgresql+psycopg2", scheme))
    trial_id = study.ask()._trial_id
    live = reporter(study, trial_id)
    live.value(50, 1.5)
    assert live.close()
    assert study._storage.get_trial(trial_id).intermediate_values == {50: 1.5}


def test_the_operators_decision_to_prune_is_read(study: optuna.Study) -> None:
    trial_id = study.ask()._trial_id
    live = reporter(study, trial_id)
    assert live.stop_reason is None
    study._storage.set_trial_user_attr(trial_id, PRUNE_ATTRIBUTE, "above the median at step 50")
    assert eventually(lambda: live.stop_reason) == "above the median at step 50"
    assert live.close()


def test_a_trial_that_the_operator_has_settled_stops(study: optuna.Study) -> None:
    asked = study.ask()
    live = reporter(study, asked._trial_id)
    study.tell(asked, 1.0)
    live.value(50, 0.5)
    assert eventually(lambda: live.stop_reason) == "the study has already settled this trial"
    assert live.close()
    assert study.trials[0].value == 1.0


def test_an_unknown_trial_is_told_and_training_goes_on(
    study: optuna.Study, caplog: pytest.LogCaptureFixture
) -> None:
    live = reporter(study, 10**6)
    live.value(50, 0.5)
    assert live.close()
    assert live.stop_reason is None
    assert "no trial with id 1000000" in caplog.text


def test_between_reports_no_connection_stays_open(study: optuna.Study, module_postgres_dsn: str) -> None:
    trial_id = study.ask()._trial_id
    live = reporter_for("STORAGE", trial_id, every_seconds=3600)
    live.value(50, 0.5)
    live._wake.set()
    eventually(lambda: study.trials[0].intermediate_values)
    url = module_postgres_dsn.replace("+psycopg2", "")
    connection = psycopg2.connect(url)
    # One transaction sees one snapshot of pg_stat_activity, however often it looks.
    connection.autocommit = True
    with connection.cursor() as cursor:
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"

        def open_connections() -> int:
            cursor.execute(query, (f"tacotrain-{trial_id}",))
            (count,) = cursor.fetchone() or (None,)
            return int(count or 0)

        eventually(lambda: open_connections() == 0)
    connection.close()
    assert live.close()


@pytest.fixture
def server() -> Iterator[EmbeddedPostgres]:
    with (
        tempfile.TemporaryDirectory(prefix="tacotune-test-") as folder,
        EmbeddedPostgres(Path(folder)) as started,
    ):
        yield started


class Outage(Interruption):
    """Stops the database when the loop looks for the fifth time, and starts it again when it does for the twentieth."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        super().__init__()
        self._server = server
        self.looks = 0

    @property
    def reason(self) -> str | None:
        self.looks += 1
        if self.looks == 5:
            self._server.stop()
        if self.looks == 20:
            self._server.start()
        return None


def test_training_goes_on_while_the_database_is_away_and_the_values_arrive_later(
    tmp_path: Path,
    server: EmbeddedPostgres,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="tacotrain")
    study = optuna.create_study(storage=server.dsn, study_name="s")
    trial_id = study.ask()._trial_id
    study._storage.remove_session()
    monkeypatch.setenv("STORAGE", server.dsn)
    report: dict[str, Any] = {
        "tensorboard": False,
        "storageUrlEnv": "STORAGE",
        "storageTrialId": trial_id,
        "everySeconds": 0.01,
    }
    parameters = {"max_steps": 25, "evaluate_every_steps": 1}
    document = trial_document(
        tmp_path / "trial", make_dataset(tmp_path / "data"), report=report, parameters=parameters
    )
    result = train(parse_trial(document, source="test"), Outage(server))
    assert (result.state, result.steps) == ("complete", 25)
    (trial,) = optuna.load_study(storage=server.dsn, study_name="s").trials
    assert sorted(trial.intermediate_values) == list(range(1, 26))
    assert trial.user_attrs[PROGRESS_ATTRIBUTE]["state"] == "finished"
    assert "the database is away" in caplog.text
    assert "the database is back" in caplog.text
    assert server.dsn not in caplog.text
