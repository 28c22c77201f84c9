"""The pages of a study that runs on this machine, in a real browser, with the real trainer's own files."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from support import commands, study_files
from support.browser import browser, page, screenshot
from support.eventually import eventually
from support.running import killing_what_is_left

__all__ = ["browser"]

pytestmark = pytest.mark.end_to_end


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    with killing_what_is_left(tmp_path):
        yield tmp_path


@pytest.mark.timeout(600)
def test_all_four_pages_show_the_study(folder: Path, browser: Browser, tmp_path: Path) -> None:
    study_files.write(folder, study_files.manifest("shown", maxTrials=2))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        wanted = f"dashboards.tensorboard.port={port}"
        process = commands.start(folder, "run", "shown.yaml", "--keep-dashboards", "--set", wanted)
        urls = eventually(lambda: _serving(folder) or process.poll() is not None, within=400)
        assert isinstance(urls, dict), commands.finish(process)
        # The port that was taken stays its owner's.
        assert f":{port + 10}/" in urls["tensorboard"]
        _mlflow(browser, urls["mlflow"], tmp_path)
        with page(browser, urls["tensorboard"]) as opened:
            opened.get_by_text("trial 0001").first.wait_for()
            screenshot(opened, "local-tensorboard", tmp_path)
        with page(browser, urls["optuna"]) as opened:
            opened.get_by_text(".shown.").first.click()
            opened.locator("svg").get_by_text("learning_rate").first.wait_for()
            screenshot(opened, "local-optuna", tmp_path)
        with page(browser, urls["demo"], height=1300) as opened:
            opened.get_by_role("textbox", name="Text").fill("A red cat.")
            opened.get_by_role("button", name="Speak").click()
            opened.locator("audio").first.wait_for()
            screenshot(opened, "local-demo", tmp_path)
        process.send_signal(signal.SIGINT)
        code, output = commands.finish(process)
    assert code == 0, output
    for name, url in urls.items():
        assert f"{name}: {url}" in output


def _mlflow(browser: Browser, url: str, tmp_path: Path) -> None:
    with page(browser, url) as opened:
        # The study's run, and below it those of its trials.
        opened.get_by_text("3 matching runs").wait_for()
        screenshot(opened, "local-mlflow", tmp_path)


def _serving(folder: Path) -> dict[str, str]:
    """URL of each page, once the study has ended and all answer."""
    status = commands.status(folder, "shown")
    rows = status.get("dashboards", [])
    ready = status.get("phase") == "Succeeded" and len(rows) == 4 and all(row["ready"] for row in rows)
    return {row["name"]: row["url"] for row in rows} if ready else {}
