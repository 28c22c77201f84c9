"""`tacotrain dashboard tensorboard`: the curves, pictures and sounds of one study's trials.

TensorBoard is given a folder of links, one a run, and not the study's folder: that one also holds recordings and checkpoints,
which it would walk through at every reload, perhaps over a network. So there need not be a run yet either, nor the folder.
"""

import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tacotrain.dashboards.listening import listen, url
from tacotrain.dashboards.options import Options
from tacotrain.dashboards.until import Every, termination
from tacotrain.dashboards.visits import Visited, Visits

RELOAD_SECONDS: Final = 15
LINK_SECONDS: Final = 5.0

log = logging.getLogger("tacotrain")


def serve(options: Options) -> int:
    """Show the study until SIGTERM; the exit code.

    Raises:
        ConfigError: The port is taken.
    """
    # TensorBoard opens its port itself: ask before it is loaded, for its own complaint is longer than helpful.
    with listen(options.host, options.port) as probe:
        address, port = url(probe), probe.getsockname()[1]
    from tensorboard import default, program  # noqa: PLC0415 - half a second

    with termination() as told, tempfile.TemporaryDirectory(prefix="tacotrain-tensorboard-") as folder:
        links = Path(folder)
        refresh(links, runs(options.study_directory))
        visits = Visits(options.idle_after)

        class Server(program.WerkzeugServer):  # type: ignore[misc]
            """TensorBoard's own, which notes who asks."""

            def __init__(self, page: Any, flags: Any) -> None:
                super().__init__(Visited(page, visits), flags)

        board: Any = program.TensorBoard(plugins=default.get_plugins(), server_class=Server)
        board.configure(
            logdir=str(links),
            host=options.host,
            port=port,
            reload_interval=RELOAD_SECONDS,
            # The loader in Rust, where its wheel exists: a third of the memory with a hundred trials (benchmarks/dashboards.py).
            load_fast="auto",
            window_title=options.study_name,
        )
        board.launch()
        # One line for each request is what a web server does, and no news; TensorBoard sets its own level when it starts.
        logging.getLogger("werkzeug").setLevel(logging.WARNING)
        visits.watch()
        log.info("tensorboard answers at %s", address)
        with Every(LINK_SECONDS, lambda: refresh(links, runs(options.study_directory)), name="links"):
            told.wait()
    return 0


def runs(root: Path) -> Mapping[str, Path]:
    """Folders with event files, by the name that a person reads: `trial 0007`, `final training`."""
    found = {f"trial {path.parent.name}": path for path in root.glob("trials/*/tensorboard")}
    final = root / "final" / "tensorboard"
    return {**found, "final training": final} if final.is_dir() else found


def refresh(links: Path, wanted: Mapping[str, Path]) -> None:
    """Make the links those that are wanted."""
    for link in links.iterdir():
        if link.name not in wanted:
            link.unlink()
    for name, target in wanted.items():
        link = links / name
        if not link.is_symlink():
            link.symlink_to(target.resolve(), target_is_directory=True)
