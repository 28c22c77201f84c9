"""The Optuna page: real Postgres with the reader's role, real gunicorn, four trials that write, and a browser that looks."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import optuna
import pytest
from bottle import HTTPError
from optuna.distributions import FloatDistribution
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState
from playwright.sync_api import Browser
from sqlalchemy.engine import make_url

from support.browser import page, screenshot
from support.dashboard_process import Running, answers, dashboard, free_port
from support.eventually import eventually
from support.postgres import sever
from support.shown_study import run_trial, storage_on, write_files, writers
from tacotrain.dashboards import optuna as optuna_page
from tacotrain.dashboards.artifacts import LIVE_SECONDS, SETTLED_SECONDS, Artifacts
from tacotrain.dashboards.databases import READER
from tacotrain.dashboards.listening import listen
from tacotrain.dashboards.options import Options
from tacotrain.dashboards.reading import open_storage
from tacotrain.dashboards.study_storage import OneStudy
from tacotrain.errors import ConfigError
from tacotune.adapters.migration import StorageUrls, migrate
from tacotune.adapters.postgres import EmbeddedPostgres

pytestmark = pytest.mark.postgres

NAME = "voices.ruslan.01234567"
OTHER = "voices.stranger.76543210"


@pytest.fixture(scope="module")
def urls(postgres_server: EmbeddedPostgres) -> StorageUrls:
    """A migrated database with the operator's role and the reader's."""
    admin = make_url(postgres_server.database_dsn("postgres"))
    prefix = f"page_{os.getpid()}_"

    def url(role: str) -> str:
        changed = admin.set(username=prefix + role, password="secret", database=prefix + "studies")
        return changed.render_as_string(hide_password=False)

    found = StorageUrls(
        owner=url("owner"),
        trial=url("trial"),
        admin=admin.render_as_string(hide_password=False),
        reader=url("reader"),
    )
    list(migrate(found))
    return found


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def study(urls: StorageUrls, root: Path) -> optuna.Study:
    """The study with three finished trials, beside one of somebody else."""
    storage = storage_on(urls.owner)
    stranger = optuna.create_study(study_name=OTHER, storage=storage)
    run_trial(stranger, None)
    found = optuna.create_study(
        study_name=NAME, storage=storage, sampler=optuna.samplers.RandomSampler(seed=0)
    )
    for _ in range(3):
        run_trial(found, root)
    return found


@pytest.fixture(scope="module")
def running(
    urls: StorageUrls, root: Path, study: optuna.Study, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    log = tmp_path_factory.mktemp("log") / "optuna.txt"
    environment = {READER: str(urls.reader)}
    with dashboard("optuna", root, NAME, log, environment=environment) as started:
        answers(started, "/dashboard")
        yield started
        # Whatever the tests asked for, nothing went wrong inside.
        assert started.said() == f"optuna answers at {started.url}/dashboard\n"


def detail(running: Running, study: optuna.Study) -> dict[str, Any]:
    answer = running.get(f"/api/studies/{study._study_id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_the_page_follows_four_trials_that_write_without_one_database_error(
    running: Running, study: optuna.Study, urls: StorageUrls, root: Path
) -> None:
    seen: list[tuple[int, int]] = []

    def look() -> bool:
        trials = detail(running, study)["trials"]
        seen.append((len(trials), sum(len(trial["intermediate_values"]) for trial in trials)))
        return len(set(seen)) >= 4 and seen[-1][0] >= seen[0][0] + 8

    with writers(urls.owner, NAME, root) as ended:
        eventually(look, within=60)
    assert seen == sorted(seen)

    def all_there() -> bool:
        states = {trial["number"]: trial["state"] for trial in detail(running, study)["trials"]}
        return len(states) == 3 + len(ended) and set(states.values()) == {"Complete"}

    eventually(all_there, within=30)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/studies", {"study_name": "mine", "directions": ["minimize"]}),
        ("POST", "/api/studies/{study}/rename", {"study_name": "mine"}),
        ("DELETE", "/api/studies/{study}", {}),
        ("PUT", "/api/studies/{study}/note", {"body": "x", "version": 1}),
        ("PUT", "/api/studies/{study}/0/note", {"body": "x", "version": 1}),
        ("POST", "/api/artifacts/{study}", {"file": "data:text/plain;base64,eA==", "filename": "x.txt"}),
        ("DELETE", "/api/artifacts/{study}/61", {}),
        ("POST", "/api/trials/1/tell", {"state": "Fail"}),
        ("POST", "/api/trials/1/user-attrs", {"user_attrs": {"x": 1}}),
        ("POST", "/incompatible-rdb-schema", {}),
        ("PATCH", "/dashboard", {}),
        ("OPTIONS", "/dashboard", {}),
    ],
)
def test_what_would_write_is_refused_in_a_sentence(
    running: Running, study: optuna.Study, method: str, path: str, body: dict[str, Any]
) -> None:
    answer = httpx.request(method, running.url + path.format(study=study._study_id), json=body)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"
    assert answer.json() == {"reason": "This page only shows the study: nothing can be changed here."}


def test_nothing_offers_to_migrate_the_tables(running: Running) -> None:
    answer = running.get("/incompatible-rdb-schema")
    assert (answer.status_code, answer.headers["location"]) == (302, f"{running.url}/dashboard")


def test_other_studies_of_the_database_are_not_shown(running: Running, study: optuna.Study) -> None:
    shown = running.get("/api/studies").json()["study_summaries"]
    assert [summary["study_name"] for summary in shown] == [NAME]
    other = study._storage.get_study_id_from_name(OTHER)
    for path in (f"/api/studies/{other}", f"/api/studies/{other}/param_importances", f"/csv/{other}"):
        assert running.get(path).status_code == 404, path
    assert OTHER not in running.get(f"/csv/{study._study_id}").text


def artifacts_of(shown: dict[str, Any], number: int) -> dict[str, str]:
    (trial,) = (trial for trial in shown["trials"] if trial["number"] == number)
    return {item["filename"]: item["artifact_id"] for item in trial["artifacts"]}


def test_a_trials_sounds_and_pictures_are_its_artifacts(
    running: Running, study: optuna.Study, root: Path
) -> None:
    found = artifacts_of(detail(running, study), 1)
    assert list(found) == [
        "sample 0, step 400.wav",
        "alignment 0, step 400.png",
        "spectrogram 0, step 400.png",
    ]
    trial_id = study.trials[1]._trial_id
    path = f"/artifacts/{study._study_id}/{trial_id}/{found['sample 0, step 400.wav']}"
    sound = (root / "trials/0001/samples/step-00000400/0.wav").read_bytes()
    whole, part = running.get(path), running.get(path, Range="bytes=2-5")
    assert (whole.content, whole.headers["content-type"]) == (sound, "audio/wav")
    assert (part.status_code, part.content) == (206, sound[2:6])


@pytest.mark.parametrize(
    "name",
    [
        "trials/0001/result.json",
        "../outside.wav",
        "/etc/passwd",
        "trials/0001/link.wav",
        "gone.wav",
        "a\0.wav",
    ],
)
def test_files_that_no_page_shows_are_not_given(
    running: Running, study: optuna.Study, root: Path, name: str
) -> None:
    (root.parent / "outside.wav").write_bytes(b"secret")
    link = root / "trials/0001/link.wav"
    if not link.is_symlink():
        link.symlink_to("/etc/passwd")
    answer = running.get(f"/artifacts/{study._study_id}/1/{name.encode().hex()}")
    assert answer.status_code == 404
    assert "secret" not in answer.text


def test_a_result_that_names_files_elsewhere_shows_none_of_them(tmp_path: Path) -> None:
    write_files(tmp_path / "study", 0)
    (tmp_path / "outside.wav").write_bytes(b"secret")
    result = {"samples": ["../../../outside.wav", "gone.wav", 7], "alignments": "none"}
    (tmp_path / "study/trials/0000/result.json").write_text(json.dumps(result))
    trial = optuna.trial.create_trial(value=1.0)
    trial.number = 0
    shown = [json.loads(text)["filename"] for text in Artifacts(tmp_path / "study").of_trial(trial).values()]
    assert shown == ["alignment 0, step 400.png"]


def test_a_running_trial_shows_its_latest_evaluation_and_a_finished_one_is_looked_at_seldom(
    tmp_path: Path,
) -> None:
    now = [0.0]
    artifacts = Artifacts(tmp_path, clock=lambda: now[0])
    trial = optuna.trial.create_trial(state=TrialState.RUNNING)
    trial.number = 0

    def steps() -> set[str]:
        names = [json.loads(text)["filename"] for text in artifacts.of_trial(trial).values()]
        return {name.rpartition("step ")[2].partition(".")[0] for name in names}

    assert steps() == set()
    write_files(tmp_path, 0, step=50, finished=False)
    assert steps() == set()
    now[0] += LIVE_SECONDS
    assert steps() == {"50"}
    write_files(tmp_path, 0, step=1000, finished=False)
    now[0] += LIVE_SECONDS
    assert steps() == {"1000"}
    trial.state = TrialState.COMPLETE
    write_files(tmp_path, 0, step=50)
    now[0] += LIVE_SECONDS
    assert steps() == {"1000"}
    now[0] += SETTLED_SECONDS
    assert steps() == {"50"}


def test_viewers_share_one_cache_that_reads_finished_trials_once(
    urls: StorageUrls, study: optuna.Study, tmp_path: Path
) -> None:
    rows: list[int] = []
    cached: Any = open_storage(str(urls.reader))
    read = cached._backend._get_trials
    cached._backend._get_trials = lambda *a, **k: (rows.append(len(found := read(*a, **k))), found)[1]
    storage = OneStudy("", NAME, Artifacts(tmp_path), connect=lambda _: cached)
    first = storage.get_all_trials(study._study_id)
    assert storage.get_all_trials(study._study_id) == first
    assert rows == [len(first), 0]
    cached._backend.engine.dispose()


def test_not_even_the_owners_url_lets_the_page_write(urls: StorageUrls, tmp_path: Path) -> None:
    cached: Any = open_storage(urls.owner)
    with pytest.raises(StorageInternalError) as refused:
        cached.create_new_study([optuna.study.StudyDirection.MINIMIZE], "mine")
    assert "read-only transaction" in str(refused.value.__cause__)
    cached._backend.engine.dispose()
    page_storage = OneStudy("", NAME, Artifacts(tmp_path), connect=lambda _: cached)
    for write in (
        lambda: page_storage.create_new_study([], "mine"),
        lambda: page_storage.delete_study(1),
        lambda: page_storage.set_study_user_attr(1, "a", 1),
        lambda: page_storage.set_study_system_attr(1, "a", 1),
        lambda: page_storage.create_new_trial(1),
        lambda: page_storage.set_trial_param(1, "x", 0.5, FloatDistribution(0, 1)),
        lambda: page_storage.set_trial_state_values(1, TrialState.FAIL),
        lambda: page_storage.set_trial_intermediate_value(1, 1, 0.5),
        lambda: page_storage.set_trial_user_attr(1, "a", 1),
        lambda: page_storage.set_trial_system_attr(1, "a", 1),
    ):
        with pytest.raises(HTTPError) as answer:
            write()
        assert answer.value.status_code == 405


def test_a_study_that_is_not_there_yet_and_a_folder_without_files_show_an_empty_page(
    urls: StorageUrls, study: optuna.Study, tmp_path: Path
) -> None:
    cached: Any = open_storage(str(urls.reader))
    now = [0.0]
    storage = OneStudy(
        "", "voices.new.0", Artifacts(tmp_path / "missing"), connect=lambda _: cached, clock=lambda: now[0]
    )
    assert storage.get_all_studies() == []
    added = optuna.create_study(study_name="voices.new.0", storage=study._storage)
    run_trial(added, None)
    now[0] += 1
    (shown,) = storage.get_all_studies()
    assert storage.get_best_trial(shown._study_id).system_attrs == {}
    cached._backend.engine.dispose()


def test_while_the_database_is_away_the_page_says_so_and_comes_back_by_itself(
    postgres_server: EmbeddedPostgres, postgres_dsn: str, tmp_path: Path
) -> None:
    study = optuna.create_study(study_name=NAME, storage=storage_on(postgres_dsn))
    log = tmp_path / "log.txt"
    environment = {READER: postgres_dsn}
    bring_back = sever(postgres_server, postgres_dsn)
    with dashboard("optuna", tmp_path / "missing", NAME, log, environment=environment) as running:
        try:
            answers(running, "/dashboard")
            for _ in range(3):
                answer = running.get("/api/studies")
                assert answer.status_code == 503
                assert "does not answer at the moment" in answer.json()["reason"]
        finally:
            bring_back()
        answers(running, "/api/studies")
        assert detail(running, study)["trials"] == []
        bring_back = sever(postgres_server, postgres_dsn)
        try:
            eventually(lambda: running.get("/api/studies").status_code == 503, within=10)
        finally:
            bring_back()
        answers(running, "/api/studies")
    lines = [line for line in log.read_text().splitlines() if "optuna: the database" in line]
    assert len(lines) == 4  # Away and back, twice; not a line for each request.


def test_a_missing_address_and_a_taken_port_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    port = free_port()
    options = Options("127.0.0.1", port, tmp_path, NAME)
    monkeypatch.delenv(READER, raising=False)
    with pytest.raises(ConfigError, match="TACOTUNE_READER_STORAGE_URL: not set"):
        optuna_page.serve(options)
    monkeypatch.setenv(READER, "postgresql://nobody@localhost/none")
    with listen("127.0.0.1", port), pytest.raises(ConfigError, match=f"--port: {port} on 127.0.0.1 is taken"):
        optuna_page.serve(options)


def test_in_a_browser_the_study_its_trials_and_their_sounds_are_there(
    browser: Browser, running: Running, study: optuna.Study, urls: StorageUrls, root: Path, tmp_path: Path
) -> None:
    with page(browser, f"{running.url}/dashboard") as opened:
        opened.get_by_text(NAME).first.click()
        opened.get_by_text("Hyperparameter Importance").first.wait_for()
        opened.locator("svg").get_by_text("learning_rate").first.wait_for()  # The plots are drawn.
        screenshot(opened, "optuna-study", tmp_path)
        before = len(study.trials)
        opened.goto(f"{running.url}/dashboard/studies/{study._study_id}/trials?numbers=1")
        opened.get_by_text("Trial 1 ").first.wait_for()
        opened.get_by_text("sample 0, step 400.wav").first.wait_for()
        heard = opened.locator("audio").first.evaluate(
            "sound => new Promise((heard, failed) => {"
            "  sound.onended = () => heard(sound.duration); sound.onerror = () => failed('it does not play');"
            "  sound.play().catch(failed); })"
        )
        assert heard == pytest.approx(1.0, abs=0.01)
        screenshot(opened, "optuna-trial", tmp_path)
        counter = opened.get_by_text(f"{before} Trials", exact=True)
        counter.wait_for()
        with writers(urls.owner, NAME, root):
            counter.wait_for(state="hidden")  # Nobody reloads the page: it asks by itself.
