"""The pages of one machine as processes: ports that are taken, ends, and what becomes of them with the runner."""

import contextlib
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from support.dashboard_process import free_port
from support.eventually import eventually
from tacotune.adapters.dashboard_processes import DashboardProcesses, Page
from tacotune.api.dashboards import Dashboard
from tacotune.engine.dashboards import candidates

DOUBLE = textwrap.dedent("""
    import http.server, os, pathlib, signal, sys, threading
    arguments = sys.argv[1:]
    port = int(arguments[arguments.index("--port") + 1])
    threading.Thread(target=lambda: (os.read(0, 1), os._exit(0)), daemon=True).start()
    root = pathlib.Path(arguments[arguments.index("--study-directory") + 1])
    if (root / "broken").exists():
        print("no page today", flush=True); os._exit(70)
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            voice = (root / "voice").exists()
            self.send_response(200 if voice else 503); self.end_headers()
            self.wfile.write(b"ok" if voice else b"no voice yet\\n")
        def log_message(self, *_): pass
    http.server.ThreadingHTTPServer(("127.0.0.1", port), Page).serve_forever()
""")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    (tmp_path / "study").mkdir()
    (tmp_path / "double.py").write_text(DOUBLE)
    return tmp_path / "study"


@contextlib.contextmanager
def pages(study: Path, *ports: int, trainer: tuple[str, ...] = ()) -> Iterator[DashboardProcesses]:
    kinds = (Dashboard.TENSORBOARD, Dashboard.DEMO)
    with DashboardProcesses(
        tuple(Page(kind, port, {}) for kind, port in zip(kinds, ports, strict=False)),
        study_directory=study,
        study_name="local.a.0b2f3c4d",
        logs=study / "dashboards",
        trainer=trainer or (sys.executable, str(study.parent / "double.py")),
    ) as running:
        yield running


def test_ready_only_after_200_with_its_own_words_before(study: Path) -> None:
    port = free_port()
    with pages(study, port) as running:
        eventually(lambda: running.seen[0].message == "no voice yet", within=30)
        assert not running.seen[0].ready
        assert running.seen[0].url == ""
        (study / "voice").touch()
        eventually(lambda: running.seen[0].ready, within=30)
        assert running.seen[0].url == f"http://127.0.0.1:{port}/"
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/")


def test_a_taken_port_is_left_alone_and_the_next_is_used(study: Path) -> None:
    (study / "voice").touch()
    port = free_port()
    with socket.create_server(("127.0.0.1", port)) as other, pages(study, port) as running:
        eventually(lambda: running.seen[0].ready, within=30)
        assert running.seen[0].url == f"http://127.0.0.1:{port + 10}/"
        assert other.fileno() >= 0


def test_all_ports_taken_are_named_with_the_field(study: Path) -> None:
    first = free_port()
    with contextlib.ExitStack() as stack:
        for port in candidates(first):
            with contextlib.suppress(OSError):
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
        with pages(study, first) as running:
            eventually(lambda: running.seen[0].message.startswith("every port"), within=30)
            assert str(first + 90) in running.seen[0].message
            assert "spec.dashboards.tensorboard.port" in running.seen[0].message


def test_two_pages_that_want_one_port_share_it_not(study: Path) -> None:
    (study / "voice").touch()
    port = free_port()
    with pages(study, port, port) as running:
        eventually(lambda: all(page.ready for page in running.seen), within=30)
        assert running.seen[0].url != running.seen[1].url


def test_a_page_that_ends_is_started_again_and_its_words_are_told(study: Path) -> None:
    (study / "broken").touch()
    (study / "voice").touch()
    with pages(study, free_port()) as running:
        eventually(lambda: "no page today" in running.seen[0].message, within=30)
        assert running.seen[0].message.startswith("ended with code 70")
        (study / "broken").unlink()
        eventually(lambda: running.seen[0].ready, within=60)


def test_a_command_that_is_not_there_is_told(study: Path) -> None:
    with pages(study, free_port(), trainer=("/nowhere/tacotrain",)) as running:
        eventually(lambda: running.seen[0].message.startswith("cannot be started"), within=30)


def test_pages_end_when_their_runner_is_killed(study: Path) -> None:
    (study / "voice").touch()
    port = free_port()
    code = textwrap.dedent(f"""
        import sys, time
        from pathlib import Path
        from tacotune.adapters.dashboard_processes import DashboardProcesses, Page
        from tacotune.api.dashboards import Dashboard
        study = Path({str(study)!r})
        with DashboardProcesses((Page(Dashboard.DEMO, {port}, {{}}),), study_directory=study, study_name="a",
                                logs=study, trainer=(sys.executable, {str(study.parent / "double.py")!r})):
            time.sleep(600)
    """)
    runner = subprocess.Popen([sys.executable, "-c", code])
    try:
        eventually(lambda: _answers(port), within=60)
        page = psutil.Process(runner.pid).children()[0]
        assert page.nice() == 19
        runner.send_signal(signal.SIGKILL)
        runner.wait()
        eventually(lambda: not page.is_running() or page.status() == psutil.STATUS_ZOMBIE, within=30)
    finally:
        runner.kill()
        runner.wait()


def _answers(port: int) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"http://127.0.0.1:{port}/").status_code == 200
    return False
