"""The page of a study that the operator's own store has written, from a real Postgres, opened as a file in a browser."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import psycopg2
import pytest
from playwright.sync_api import Browser
from sqlalchemy.engine import make_url

from support.browser import page, screenshot
from support.told_study import KEY, tell_study
from tacotrain.cli import main
from tacotrain.cli_publish import leave_page
from tacotrain.dashboards.databases import READER
from tacotrain.study_page.manifest import Manifest
from tacotrain.study_page.rows import UNREAD, read_rows, study_of
from tacotune.adapters.migration import StorageUrls, migrate
from tacotune.adapters.postgres import EmbeddedPostgres

pytestmark = pytest.mark.postgres

TRIALS = 14
NOW = datetime(2030, 2, 1, tzinfo=UTC)
PLOTS = ("history-0", "importance", "parallel", "hours")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def urls(postgres_server: EmbeddedPostgres, folder: Path) -> StorageUrls:
    """A migrated database with the study in it."""
    admin = make_url(postgres_server.database_dsn("postgres"))
    prefix = f"report_{os.getpid()}_"

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
    spec = tell_study(found.owner, TRIALS, folder, final=True)
    document = {
        "metadata": {"name": "ruslan"},
        "spec": spec.model_dump(mode="json", by_alias=True, exclude_none=True),
    }
    (folder / "study.json").write_text(json.dumps(document))
    return found


def report(
    url: str, folder: Path, *arguments: str, name: str = KEY.storage_name
) -> subprocess.CompletedProcess[str]:
    command: Sequence[str] = [
        *(sys.executable, "-m", "tacotrain", "report", "--study-directory", str(folder)),
        *("--study-name", name, *arguments),
    ]
    return subprocess.run(
        command,
        env={**os.environ, READER: url},
        text=True,
        capture_output=True,
        check=False,
        timeout=120,
    )


@pytest.fixture(scope="module")
def made(urls: StorageUrls, folder: Path) -> Path:
    output = folder / "pages" / "report.html"
    done = report(str(urls.reader), folder, "--study", str(folder / "study.json"), "-o", str(output))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{output} written, ")
    return output


def test_the_page_shows_and_speaks_without_a_network(browser: Browser, made: Path, tmp_path: Path) -> None:
    before = tmp_path / "before.html"
    before.write_text("<title>before</title>")
    with page(browser, before.as_uri()) as opened:
        complaints: list[str] = []
        opened.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        # Lines are drawn by WebGL, here without a GPU.
        opened.set_default_timeout(120_000)
        opened.goto(made.as_uri())
        assert opened.title() == "ruslan: study page"
        opened.get_by_text("14 trials: 10 complete, 3 pruned, 1 failed.").wait_for()
        for key in PLOTS:
            opened.locator(f"#plot-{key} .main-svg").first.wait_for()
        assert opened.locator("#plot-history-0 .scatterlayer .point").count() == 13
        assert opened.locator("#plot-parallel .parcoords .y-axis").count() == 6
        # The best trial, the final training, and four others of the top five.
        opened.wait_for_function(
            "[...document.querySelectorAll('audio')].every((sound) => sound.duration > 0)"
        )
        assert opened.locator("audio").count() == 6
        opened.wait_for_function("[...document.images].every((image) => image.naturalWidth > 0)")
        assert opened.locator("#top article").count() == 5
        opened.get_by_text("crashed: Segmentation fault").first.wait_for()
        opened.get_by_text("Table of all trials").click()
        assert opened.locator("#trials tbody tr").count() == TRIALS
        opened.get_by_text("Table of all trials").click()
        screenshot(opened, "study-page", tmp_path, full=True)
        assert complaints == []


def test_the_page_suits_a_phone_in_the_dark(browser: Browser, made: Path, tmp_path: Path) -> None:
    with page(browser, made.as_uri(), width=390, height=844) as opened:
        opened.locator("#plot-history-0 .main-svg").first.wait_for()
        opened.emulate_media(color_scheme="dark")
        opened.locator("#plot-history-0 .xtick text").first.wait_for()
        color = opened.locator("#plot-history-0 .xtitle").evaluate("(text) => getComputedStyle(text).fill")
        assert color == "rgb(230, 234, 240)"
        assert opened.evaluate("document.documentElement.scrollWidth") == 390
        screenshot(opened, "study-page-phone", tmp_path, full=True)


def test_the_numbers_are_those_of_the_store(made: Path) -> None:
    text = made.read_text()
    # Of 14 trials: one failed after three attempts, three were pruned, three were tried again.
    assert "14 trials: 10 complete, 3 pruned, 1 failed." in text
    assert "GPU hours by outcome" in text
    assert "published voice was trained fully" in text
    assert "GPU out of memory: &lt;1 GiB left&gt;" in text


def test_the_role_of_trials_reads_enough(urls: StorageUrls) -> None:
    rows = read_rows(urls.trial, KEY.storage_name)
    assert rows.notes == ()
    found = study_of(rows, KEY.storage_name, NOW, Manifest())
    assert found == study_of(read_rows(str(urls.reader), KEY.storage_name), KEY.storage_name, NOW, Manifest())
    assert found.final is not None
    assert [attempt.cause for attempt in (*found.prepare_attempts, *found.final.attempts)] == ["Finished"] * 2


def test_a_role_of_an_older_installation_reads_what_it_may(urls: StorageUrls) -> None:
    def execute(statement: str) -> None:
        connection = psycopg2.connect(urls.owner.replace("+psycopg2", ""))
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
        connection.close()

    role = make_url(urls.trial).username
    execute(f"REVOKE SELECT ON study_user_attributes FROM {role}")
    try:
        rows = read_rows(urls.trial, KEY.storage_name)
    finally:
        execute(f"GRANT SELECT ON study_user_attributes TO {role}")
    assert rows.notes == (UNREAD,)
    assert len(rows.trials) == TRIALS


def test_a_published_voice_has_the_page_beside_it(
    urls: StorageUrls, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(READER, urls.trial)
    monkeypatch.setenv("TACOTUNE_PAGE_STUDY", (folder / "study.json").read_text())
    said = leave_page(folder, tmp_path, KEY.storage_name)
    assert said.startswith(f"{tmp_path / 'report.html'} written, ")
    assert "<title>ruslan: study page</title>" in (tmp_path / "report.html").read_text()


def test_what_is_missing_is_named(
    urls: StorageUrls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "report",
        "--study-directory",
        str(tmp_path),
        "-o",
        str(tmp_path / "report.html"),
        "--study-name",
    ]
    monkeypatch.setenv("TACOTUNE_TERMINATION_LOG", str(tmp_path / "termination-log"))
    monkeypatch.delenv(READER, raising=False)
    assert main([*arguments, KEY.storage_name]) == 64
    assert f"{READER}: not set" in capsys.readouterr().err
    monkeypatch.setenv(READER, urls.owner)
    assert main([*arguments, "voices.nobody.00000000"]) == 66
    assert "study 'voices.nobody.00000000' is not in the database" in capsys.readouterr().err
    assert main([*arguments, "Not A Name"]) == 64
    monkeypatch.setenv(READER, "postgresql://somebody:hunter2@127.0.0.1:1/optuna")
    assert main([*arguments, KEY.storage_name]) == 69
    said = capsys.readouterr().err
    assert "the database does not answer" in said
    assert "hunter2" not in said
    assert list(tmp_path.glob("*.html")) == []
