"""MLflow about a study: the real server on a real Postgres, filled from a real Optuna study and the files of its trials."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import optuna
import pytest

from support.dashboard_process import Running, answers, dashboard
from support.eventually import eventually
from support.postgres import sever
from support.shown_study import run_trial, storage_on, write_events, write_files
from tacotrain.dashboards import mlflow_server
from tacotrain.dashboards.mlflow import serve
from tacotrain.dashboards.options import Options
from tacotrain.errors import ConfigError
from tacotune.adapters.postgres import EmbeddedPostgres

pytestmark = pytest.mark.postgres

NAME = "voices.ruslan.01234567"
OTHER = "voices.stranger.76543210"


@pytest.fixture(scope="module")
def environment(postgres_server: EmbeddedPostgres) -> Mapping[str, str]:
    """A database for Optuna and one for MLflow."""
    prefix = f"mlflow_page_{os.getpid()}"
    return {
        "TACOTUNE_READER_STORAGE_URL": postgres_server.create_database(f"{prefix}_optuna"),
        "TACOTUNE_MLFLOW_STORAGE_URL": postgres_server.create_database(f"{prefix}_mlflow"),
    }


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def study(environment: Mapping[str, str], root: Path) -> optuna.Study:
    """Two finished trials with files, one that failed twice, one that runs."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = storage_on(environment["TACOTUNE_READER_STORAGE_URL"])
    made = optuna.create_study(
        study_name=NAME, storage=storage, sampler=optuna.samplers.RandomSampler(seed=1)
    )
    for _ in range(2):
        write_course(root, run_trial(made, root))
    failed = made.ask({"learning_rate": optuna.distributions.FloatDistribution(5e-5, 2e-3, log=True)})
    attempts = [
        {"number": 1, "cause": "OutOfMemory", "exit_code": 137, "message": "killed for want of memory"},
        {"number": 2, "cause": "Permanent", "exit_code": 64, "message": "bad configuration"},
    ]
    failed.set_user_attr("tacotune:attempts", attempts)
    failed.set_user_attr("tacotune:message", "bad configuration")
    made.tell(failed, state=optuna.trial.TrialState.FAIL)
    made.ask({"learning_rate": optuna.distributions.FloatDistribution(5e-5, 2e-3, log=True)})
    return made


def write_course(root: Path, number: int) -> None:
    """Event files and a checkpoint."""
    trial = root / "trials" / f"{number:04d}"
    write_events(root, number, {step: {"loss/loss": 10 / step} for step in (100, 200, 400)})
    checkpoint = trial / "checkpoints/step-00000400"
    checkpoint.mkdir(parents=True)
    (checkpoint / "metadata.json").write_text(json.dumps({"step": 400, "format": 1}))
    (checkpoint / "weights.pt").write_bytes(b"not for MLflow")
    result = json.loads((trial / "result.json").read_text())
    (trial / "result.json").write_text(json.dumps({**result, "checkpoint": "checkpoints/step-00000400"}))


@pytest.fixture(scope="module")
def page(
    study: optuna.Study, environment: Mapping[str, str], root: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    log = tmp_path_factory.mktemp("mlflow") / "log.txt"
    with dashboard("mlflow", root, NAME, log, environment=environment) as running:
        answers(running, "/health")
        yield running
    assert "Traceback" not in running.said(), running.said()
    for url in environment.values():
        assert url not in running.said()


def runs(running: Running, name: str = NAME) -> dict[str, dict[str, Any]]:
    """The runs of an experiment by their names."""
    api = f"{running.url}/api/2.0/mlflow"
    found = httpx.get(f"{api}/experiments/get-by-name", params={"experiment_name": name}, timeout=30).json()
    if "experiment" not in found:
        return {}
    asked = {"experiment_ids": [found["experiment"]["experiment_id"]], "max_results": 100}
    listed = httpx.post(f"{api}/runs/search", json=asked, timeout=30).json().get("runs", [])
    assert len({run["info"]["run_name"] for run in listed}) == len(listed), "a run is there twice"
    return {run["info"]["run_name"]: run for run in listed}


def tags(run: Mapping[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in run["data"]["tags"]}


def course(running: Running, run: Mapping[str, Any], name: str) -> list[tuple[int, float]]:
    asked = {"run_id": run["info"]["run_id"], "metric_key": name}
    found = httpx.get(f"{running.url}/api/2.0/mlflow/metrics/get-history", params=asked, timeout=30).json()
    return sorted((int(point.get("step", 0)), point["value"]) for point in found.get("metrics", []))


def artifacts(running: Running, run: Mapping[str, Any], folder: str = "") -> set[str]:
    asked = {"run_id": run["info"]["run_id"], **({"path": folder} if folder else {})}
    found = httpx.get(f"{running.url}/api/2.0/mlflow/artifacts/list", params=asked, timeout=30).json()
    return {
        path
        for item in found.get("files", [])
        for path in (artifacts(running, run, item["path"]) if item["is_dir"] else {item["path"]})
    }


def test_each_trial_is_a_run_below_the_study_with_all_that_is_known_of_it(
    page: Running, study: optuna.Study, root: Path
) -> None:
    def copied() -> bool:
        found = runs(page)
        return (
            len(found) == 5
            and "tacotune.trials.RUNNING" in tags(found[NAME])
            and tags(found[NAME])["tacotune.trials.RUNNING"] == "1"
        )

    eventually(copied, within=60)
    found = runs(page)
    assert set(found) == {NAME, "trial 0", "trial 1", "trial 2", "trial 3"}
    parent = found[NAME]["info"]["run_id"]
    assert all(tags(found[f"trial {n}"])["mlflow.parentRunId"] == parent for n in range(4))
    states = {name: run["info"]["status"] for name, run in found.items() if name != NAME}
    assert states == {"trial 0": "FINISHED", "trial 1": "FINISHED", "trial 2": "FAILED", "trial 3": "RUNNING"}

    first, known = found["trial 0"], study.trials[0]
    assert {p["key"]: p["value"] for p in first["data"]["params"]} == {
        k: str(v) for k, v in known.params.items()
    }
    assert course(page, first, "objective") == sorted(known.intermediate_values.items())
    assert [(step, round(value, 4)) for step, value in course(page, first, "loss/loss")] == [
        (100, 0.1),
        (200, 0.05),
        (400, 0.025),
    ]
    assert tags(first)["tacotune.value.0"] == f"{known.value:g}"
    assert artifacts(page, first) == {
        "samples/step-00000400/0.wav",
        "samples/step-00000400/0.png",
        "alignments/step-00000400/0.png",
        "result.json",
        "checkpoint.json",
    }
    sample = (root / "trials/0000/samples/step-00000400/0.wav").read_bytes()
    asked = {"run_uuid": first["info"]["run_id"], "path": "samples/step-00000400/0.wav"}
    assert httpx.get(f"{page.url}/get-artifact", params=asked, timeout=30).content == sample

    failed = tags(found["trial 2"])
    assert failed["tacotune.attempts"] == "2"
    assert failed["tacotune.attempt.1"] == "OutOfMemory (exit 137): killed for want of memory"
    assert failed["tacotune.message"] == "bad configuration"
    best = [value for _, value in course(page, found[NAME], "best_value")]
    assert best == [study.trials[0].value, min(t.value for t in study.trials[:2])]


def test_what_a_running_trial_reports_arrives_and_its_end_as_well(page: Running, study: optuna.Study) -> None:
    eventually(lambda: "trial 3" in runs(page), within=60)
    trial = next(t for t in study.get_trials(deepcopy=False) if t.number == 3)
    study._storage.set_trial_intermediate_value(trial._trial_id, 20, 0.75)
    eventually(lambda: course(page, runs(page)["trial 3"], "objective") == [(20, 0.75)], within=60)
    study.tell(3, 0.5)
    eventually(lambda: runs(page)["trial 3"]["info"]["status"] == "FINISHED", within=60)


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("ruslan-mlflow:5000", 200),
        ("ruslan-mlflow.voices:5000", 200),
        ("ruslan-mlflow.voices.svc:5000", 200),
        ("ruslan-mlflow.voices.svc.cluster.local:5000", 200),
        ("localhost:15000", 200),
        ("127.0.0.1:5000", 200),
        ("10.244.0.7:5000", 200),
        ("evil.example.org", 403),
        ("evil.example.org:5000", 403),
    ],
)
def test_it_answers_under_the_names_of_a_service_and_no_others(page: Running, host: str, code: int) -> None:
    for path in ("/", "/api/2.0/mlflow/experiments/get-by-name?experiment_name=Default"):
        assert page.get(path, Host=host).status_code == code


def test_a_second_study_of_the_same_server_and_a_new_mirror_double_nothing(
    page: Running, study: optuna.Study, environment: Mapping[str, str], tmp_path: Path, root: Path
) -> None:
    eventually(lambda: len(runs(page)) == 5, within=60)
    storage = storage_on(environment["TACOTUNE_READER_STORAGE_URL"])
    stranger = optuna.create_study(
        study_name=OTHER, storage=storage, sampler=optuna.samplers.RandomSampler(seed=2)
    )
    run_trial(stranger, None)
    before = course(page, runs(page)["trial 0"], "loss/loss")
    with (
        dashboard("mlflow", root, NAME, tmp_path / "again.txt", environment=environment) as again,
        dashboard(
            "mlflow", tmp_path / "none", OTHER, tmp_path / "other.txt", environment=environment
        ) as other,
    ):
        answers(other, "/health")
        eventually(lambda: set(runs(other, OTHER)) == {OTHER, "trial 0"}, within=60)
        answers(again, "/health")
        known = {name: run["info"]["run_id"] for name, run in runs(page).items()}
        # The new mirror has looked at everything when it has written what is new.
        write_files(root, 3, step=800)
        eventually(
            lambda: "samples/step-00000800/0.wav" in artifacts(again, runs(again)["trial 3"]), within=60
        )
        assert {name: run["info"]["run_id"] for name, run in runs(again).items()} == known
    assert course(page, runs(page)["trial 0"], "loss/loss") == before


def test_the_database_of_the_trials_may_go_away_and_come_back(
    page: Running, study: optuna.Study, environment: Mapping[str, str], postgres_server: EmbeddedPostgres
) -> None:
    eventually(lambda: len(runs(page)) == 5, within=60)
    back = sever(postgres_server, environment["TACOTUNE_READER_STORAGE_URL"])
    try:
        eventually(lambda: "it is tried again" in page.said(), within=60)
        assert page.get("/health").status_code == 200
    finally:
        back()
    number = run_trial(study, None)
    eventually(lambda: f"trial {number}" in runs(page), within=60)
    eventually(lambda: "it works again" in page.said(), within=60)


def test_a_missing_database_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    options = Options("127.0.0.1", 0, tmp_path, NAME)
    monkeypatch.delenv("TACOTUNE_MLFLOW_STORAGE_URL", raising=False)
    with pytest.raises(ConfigError, match="TACOTUNE_MLFLOW_STORAGE_URL: not set"):
        serve(options)
    monkeypatch.setenv("TACOTUNE_MLFLOW_STORAGE_URL", "postgresql://mlflow@nowhere/mlflow")
    monkeypatch.delenv("TACOTUNE_READER_STORAGE_URL", raising=False)
    with pytest.raises(ConfigError, match="TACOTUNE_READER_STORAGE_URL: not set"):
        serve(options)


def test_the_driver_is_named_whatever_the_url_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("postgres://a@b/c", "postgresql://a@b/c", "postgresql+psycopg2://a@b/c"):
        monkeypatch.setenv("TACOTUNE_MLFLOW_STORAGE_URL", url)
        assert mlflow_server.storage_url() == "postgresql+psycopg2://a@b/c"
