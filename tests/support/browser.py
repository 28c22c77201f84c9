"""A headless Chromium for tests of what people look at, driven by Playwright. As a program (`make browser`) it installs one.

    def test_it(browser: Browser, tmp_path: Path) -> None:
        with page(browser, url) as opened:
            opened.get_by_text("Trial 3").wait_for()
            screenshot(opened, "optuna-trials", tmp_path)

Pictures go to the folder that TACOTUNE_SCREENSHOTS names, else to the test's own. What a page complains about in its console
fails the test.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

EXECUTABLES = ("chromium", "chromium-browser", "google-chrome")
SECONDS = 90
"""Longest wait for anything on a page: the machine has other work too."""


HINT = "`make browser` installs one, or your distribution's package chromium"


def installed() -> str | None:
    """A browser's path: of this machine, or the one that Playwright has downloaded."""
    if found := next(filter(None, map(shutil.which, EXECUTABLES)), None):
        return found
    with sync_playwright() as playwright:
        downloaded = playwright.chromium.executable_path
    return downloaded if Path(downloaded).exists() else None


def install() -> int:
    """Get a browser if there is none; the exit code."""
    if installed():
        return 0
    print("==> Getting a Chromium for the tests of pages", flush=True)
    ways = [[sys.executable, "-m", "playwright", "install", "chromium"]]
    if os.geteuid() == 0 and shutil.which("apt-get"):
        ways.insert(0, ["apt-get", "install", "--yes", "--no-install-recommends", "chromium"])
        ways.insert(0, ["apt-get", "update", "--quiet"])
    for way in ways:
        subprocess.run(
            way,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            timeout=600,
            check=False,
        )
        if installed():
            return 0
    print(f"there is no browser, and none could be had: {HINT}", file=sys.stderr)
    return 69


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for a module: while it is there, the thread has an event loop, and no other test may start one."""
    executable = installed()
    if executable is None:
        pytest.fail(f"there is no browser: {HINT}", pytrace=False)
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


if __name__ == "__main__":
    sys.exit(install())
