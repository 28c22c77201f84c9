"""A headless Chromium for tests of what people look at: Debian's, driven by Playwright, which brings none of its own here.

    def test_it(browser: Browser, tmp_path: Path) -> None:
        with page(browser, url) as opened:
            opened.get_by_text("Trial 3").wait_for()
            screenshot(opened, "optuna-trials", tmp_path)

Pictures go to the folder that TACOTUNE_SCREENSHOTS names, else to the test's own. What a page complains about in its console
fails the test.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

EXECUTABLES = ("chromium", "chromium-browser", "google-chrome")
SECONDS = 30
"""Longest wait for anything on a page: the machine has other work too."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for the session."""
    executable = next(filter(None, map(shutil.which, EXECUTABLES)), None)
    if executable is None:
        pytest.fail("there is no browser: install Debian's with `apt-get install chromium`", pytrace=False)
    # Without a sandbox: as root, and in a container, Chromium cannot make one. It only sees pages of our own.
    arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--autoplay-policy=no-user-gesture-required"]
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=executable, args=arguments)
        yield opened
        opened.close()


@contextmanager
def page(browser: Browser, url: str, *, width: int = 1280, height: int = 900) -> Iterator[Page]:
    """Open a page in a fresh profile that reaches no host but the page's own; its errors are raised in the end."""
    host = url.split("/")[2]
    with browser.new_context(viewport={"width": width, "height": height}, accept_downloads=True) as context:
        strangers: list[str] = []
        # A page that works only with the Internet works only with the Internet.
        context.route(
            lambda asked: asked.startswith("http") and asked.split("/")[2] != host,
            lambda route: (strangers.append(route.request.url), route.abort()),
        )
        opened = context.new_page()
        opened.set_default_timeout(SECONDS * 1000)
        errors: list[str] = []
        opened.on("pageerror", lambda error: errors.append(str(error)))
        opened.goto(url)
        yield opened
        assert not errors, errors
        assert not strangers, f"the page asks other hosts: {strangers}"


def screenshot(page: Page, name: str, folder: Path, *, full: bool = False) -> Path:
    """Keep a picture of what is seen; its path."""
    target = Path(os.environ.get("TACOTUNE_SCREENSHOTS") or folder)
    target.mkdir(parents=True, exist_ok=True)
    path = target / f"{name}.png"
    page.screenshot(path=path, full_page=full)
    return path
