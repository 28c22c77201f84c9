"""`tacotrain dashboard demo`: type a text, hear it spoken by the study's voices.

Streamlit behind our own gate on one port: 503 and a sentence until the study's best checkpoint was loaded once, then the page.
What speaks is another process, so while nobody uses the demo neither torch nor a voice is in memory.
"""

import asyncio
import logging
import signal
import socket
import threading
from pathlib import Path
from typing import Any, Final, NoReturn

import uvicorn

from tacotrain.dashboards.demo_context import Context, provide
from tacotrain.dashboards.gate import WAITING, Application, Gate
from tacotrain.dashboards.listening import listen, url
from tacotrain.dashboards.options import Options
from tacotrain.dashboards.speaker import CannotSpeak, Speaker
from tacotrain.dashboards.visits import VisitedASGI, Visits
from tacotrain.dashboards.voices import Voices

PAGE: Final = Path(__file__).with_name("demo_app.py")
LOOK_SECONDS: Final = 1.0
"""Between two looks for the first voice."""
AGAIN_SECONDS: Final = 30.0
"""Until a voice that could not be loaded is tried again."""
LEAVE_SECONDS: Final = 2
"""For answers under way when we are told to end."""
SETTINGS: Final[dict[str, Any]] = {
    "browser.gatherUsageStats": False,
    "client.showErrorDetails": "none",
    "client.showErrorLinks": False,
    "client.toolbarMode": "minimal",
    "global.developmentMode": False,
    "server.enableStaticServing": False,
    "server.fileWatcherType": "none",
    "server.headless": True,
    "theme.primaryColor": "#1f6f8b",
}

log = logging.getLogger("tacotrain")


def serve(options: Options) -> int:
    """Serve the demo until SIGTERM; the exit code.

    Raises:
        ConfigError: The port is taken.
    """
    signal.signal(signal.SIGTERM, _leave)
    listener = listen(options.host, options.port)
    voices, speaker, stop = Voices(options.study_directory), Speaker(), threading.Event()
    provide(Context(options.study_directory, options.study_name, voices, speaker))
    gate = Gate(streamlit_page(), options.allowed_hosts)
    watch = threading.Thread(target=open_when_heard, args=(gate, voices, speaker, stop), daemon=True)
    try:
        watch.start()
        log.info("demo answers at %s", url(listener))
        visits = Visits(options.idle_after)
        visits.watch()
        _run(VisitedASGI(gate, visits), listener)
    except SystemExit:  # Ours: SIGTERM before the server took it, or after it has done what it had to.
        pass
    finally:
        stop.set()
        speaker.close()
    return 0


def streamlit_page() -> Application:
    """Streamlit's application with the demo's page; its settings come from here, not from files of the user."""
    from streamlit import config  # noqa: PLC0415 - a second to load, after the port is taken
    from streamlit.starlette import App  # noqa: PLC0415

    config.get_config_options(force_reparse=True, options_from_flags=SETTINGS)
    page: Application = App(PAGE)
    return page


def open_when_heard(gate: Gate, voices: Voices, speaker: Speaker, stop: threading.Event) -> None:
    """Open the gate when the best voice could be loaded; until then say what is missing."""
    pause = LOOK_SECONDS
    while True:
        voice = voices.best()
        if voice is None:
            gate.say(WAITING)
            pause = LOOK_SECONDS
        else:
            try:
                speaker.ask({"do": "check", "checkpoint": str(voice.checkpoint), "stamp": voice.stamp})
            except CannotSpeak as error:
                gate.say(f"The study's best voice cannot be loaded: {error}")
                log.warning("demo: the best voice cannot be loaded: %s", error)
                pause = AGAIN_SECONDS
            else:
                gate.open()
                log.info("demo: speaks with %s", voice.label)
                return
        if stop.wait(pause):
            return


def _run(page: Application, listener: socket.socket) -> None:
    settings = uvicorn.Config(
        page,
        access_log=False,
        log_config=None,
        log_level="warning",
        lifespan="on",
        server_header=False,
        ws="websockets-sansio",
        timeout_graceful_shutdown=LEAVE_SECONDS,
    )
    asyncio.run(uvicorn.Server(settings).serve(sockets=[listener]))


def _leave(*_: object) -> NoReturn:
    raise SystemExit(0)
