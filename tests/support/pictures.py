"""The pictures of the README, taken of a real study: `make demo`, then `make pictures`.

    PYTHONPATH=tests python -m support.pictures runs/quickstart docs/pictures

The terminal is what `tacotune run` prints of the finished study; the pages are real ones in a headless Chromium.
"""

import io
import os
import pty
import re
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from rich.console import Console
from rich.text import Text

from support.browser import installed
from support.commands import BIN
from support.eventually import eventually

COLUMNS: Final = 150
COLORS: Final = 96
WIDTH: Final = 1100
_LINE: Final = re.compile(r"^(\w+): (http://\S+)$", re.MULTILINE)


def main(run: Path, folder: Path) -> None:
    """Take all of them."""
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=installed(), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        terminal(browser, run, folder / "terminal.png")
        with _page(browser, (run / "best/report.html").resolve().as_uri(), height=1300) as page:
            page.wait_for_timeout(3000)
            save(page, folder / "report.png")
        with _serving(run) as urls:
            with _page(browser, urls["optuna"]) as page:
                page.get_by_text(f".{run.name}.").first.click()
                page.locator("svg").get_by_text("learning_rate").first.wait_for()
                page.wait_for_timeout(3000)
                save(page, folder / "optuna.png")
            with _page(browser, urls["demo"], height=1250) as page:
                page.get_by_role("textbox", name="Text").fill("The red cat sat on the bed.")
                page.get_by_role("button", name="Speak").click()
                page.locator("audio").first.wait_for(timeout=120_000)
                page.wait_for_timeout(5000)
                save(page, folder / "demo.png")
        browser.close()


def terminal(browser: Browser, run: Path, path: Path) -> None:
    """What is printed at the end of a study, in its colours."""
    command = [
        str(BIN / "tacotune"),
        "run",
        str(run / "study.json"),
        "--no-dashboards",
        "--directory",
        str(run.parent),
    ]
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text.from_ansi(_in_a_terminal(command)))
    with tempfile.NamedTemporaryFile("w", suffix=".svg") as file:
        file.write(console.export_svg(title="tacotune run examples/quickstart.yaml"))
        file.flush()
        with _page(browser, Path(file.name).as_uri(), height=1000) as page:
            save(page, path)


def save(page: Page, path: Path) -> None:
    """A small PNG: of what is seen, with few colours."""
    with Image.open(io.BytesIO(page.screenshot())) as seen:
        height = round(seen.height * WIDTH / seen.width)
        small = seen.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS)
        small.quantize(COLORS).save(path, optimize=True)
    print(path, path.stat().st_size // 1024, "KiB")


@contextmanager
def _page(browser: Browser, url: str, *, height: int = 900) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": height})
    try:
        page.goto(url)
        yield page
    finally:
        page.close()


@contextmanager
def _serving(run: Path) -> Iterator[dict[str, str]]:
    command = [str(BIN / "tacotune"), "dashboards", str(run), "--directory", str(run.parent)]
    with tempfile.TemporaryFile("w+") as said, subprocess.Popen(command, stdout=said, stderr=said) as process:

        def urls() -> dict[str, str]:
            said.seek(0)
            found = dict(_LINE.findall(said.read()))
            return found if {"optuna", "demo"} <= set(found) else {}

        try:
            yield eventually(urls, within=180)
        finally:
            process.terminate()


def _in_a_terminal(command: list[str]) -> str:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        said = b""
        while select.select([ours], [], [], 60)[0]:
            try:
                some = os.read(ours, 65_536)
            except OSError:  # The other end is closed.
                break
            if not some:
                break
            said += some
        process.wait()
    os.close(ours)
    text = said.decode(errors="replace").replace("\r\n", "\n")
    # The live table is drawn and taken away again; what stays comes after it.
    start = text.rfind("\n", 0, text.find("All trials")) + 1
    return text[start:]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
