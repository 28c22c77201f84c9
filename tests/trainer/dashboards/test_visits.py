"""A page that nobody looks at ends and says why; one whose starter is gone ends, too."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.dashboard_process import free_port
from support.eventually import eventually
from tacotrain.dashboards.visits import Visited, VisitedASGI, Visits


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("agent", ["Mozilla/5.0", "curl/8.1", ""])
def test_whoever_asks_is_a_visitor(agent: str) -> None:
    clock = Clock()
    visits = Visits(60, clock)
    clock.now += 59
    visits.asked(agent)
    clock.now += 59
    assert not visits.idle
    clock.now += 1
    assert visits.idle


@pytest.mark.parametrize("agent", ["kube-probe/1.37", "mlflow-python-client/3.5", "Prometheus/3.0"])
def test_programs_that_ask_by_themselves_are_none(agent: str) -> None:
    clock = Clock()
    visits = Visits(60, clock)
    clock.now += 60
    visits.asked(agent)
    assert visits.idle


def test_without_a_limit_a_page_stays() -> None:
    clock = Clock()
    visits = Visits(None, clock)
    clock.now += 1e9
    assert not visits.idle


def test_a_wsgi_page_answers_and_notes() -> None:
    clock = Clock()
    visits = Visits(60, clock)
    page = Visited(lambda environ, start: [environ["PATH_INFO"].encode()], visits)
    clock.now += 60
    assert page({"PATH_INFO": "/x", "HTTP_USER_AGENT": "Mozilla/5.0"}, lambda *_: None) == [b"/x"]  # type: ignore[arg-type,return-value]
    assert not visits.idle


def test_messages_of_an_open_websocket_are_visits() -> None:
    clock = Clock()
    visits = Visits(60, clock)
    heard: list[Any] = []

    async def page(scope: Any, receive: Any, send: Any) -> None:
        clock.now += 120
        heard.append(await receive())

    async def receive() -> dict[str, str]:
        return {"type": "websocket.receive"}

    async def send(message: Any) -> None: ...

    asyncio.run(VisitedASGI(page, visits)({"type": "websocket", "headers": []}, receive, send))
    assert heard == [{"type": "websocket.receive"}]
    assert not visits.idle


def _start(kind: str, tmp_path: Path, *options: str, **environment: str) -> subprocess.Popen[bytes]:
    command = [
        *(sys.executable, "-m", "tacotrain", "dashboard", kind, "--port", str(free_port())),
        *("--study-directory", str(tmp_path / "study"), "--study-name", "local.a.0b2f3c4d", *options),
    ]
    with (tmp_path / "said").open("wb") as said:
        return subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=subprocess.STDOUT,
        )


def _end(process: subprocess.Popen[bytes]) -> int:
    assert process.stdin is not None
    process.stdin.close()
    return process.wait(timeout=120)


def test_a_page_that_nobody_looks_at_ends_with_a_word(tmp_path: Path) -> None:
    word = tmp_path / "word"
    process = _start("tensorboard", tmp_path, "--idle-after", "1", TACOTUNE_TERMINATION_LOG=str(word))
    assert process.wait(timeout=120) == 0, (tmp_path / "said").read_text()
    _end(process)
    assert json.loads(word.read_text()) == {"state": "idle"}


def test_a_page_ends_with_whoever_started_it(tmp_path: Path) -> None:
    process = _start("demo", tmp_path, "--end-with-input")
    eventually(lambda: "answers at" in (tmp_path / "said").read_text(), within=120)
    assert _end(process) == 0, (tmp_path / "said").read_text()


def test_a_limit_of_no_time_is_refused(tmp_path: Path) -> None:
    process = _start("tensorboard", tmp_path, "--idle-after", "0")
    assert _end(process) == 64
    assert "--idle-after" in (tmp_path / "said").read_text()
