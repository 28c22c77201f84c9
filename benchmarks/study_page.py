"""How large a study page is, and what it takes to make one: seconds of CPU, and the most memory.

    python benchmarks/study_page.py                    # 100 trials, in the image of the trainer and beside scikit-learn
    python benchmarks/study_page.py --trials 1000

The study is written by the operator's own store on the embedded Postgres; samples are 0.3 s long. Optuna loads scikit-learn where it is
installed, whether or not it is needed; the trainer's image has none.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.told_study import KEY, tell_study
from tacotune.adapters.postgres import EmbeddedPostgres

LEAN = (
    "import sys; sys.modules['sklearn'] = None; from tacotrain.cli import main; sys.exit(main(sys.argv[1:]))"
)
WAYS = {"image of the trainer": ["-c", LEAN], "with scikit-learn": ["-m", "tacotrain"]}


def measure(way: list[str], dsn: str, root: Path) -> tuple[float, float, resource.struct_rusage]:
    """Size in bytes, seconds by the clock, and what the process has used."""
    page = root / "report.html"
    command = [sys.executable, *way, "report", "--study-directory", str(root)]
    command += ["--study-name", KEY.storage_name, "--output", str(page)]
    began = time.monotonic()
    environment = {**os.environ, "TACOTUNE_READER_STORAGE_URL": dsn}
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    child = os.posix_spawn(command[0], command, environment, file_actions=quiet)
    _, status, used = os.wait4(child, 0)
    assert status == 0, f"exit status {status}"
    return page.stat().st_size, time.monotonic() - began, used


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=100)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedPostgres(Path(folder) / "postgres", settings={"fsync": "off"}) as server,
    ):
        root = Path(folder) / "study"
        tell_study(server.dsn, arguments.trials, root, final=True)
        print("| | MB | CPU s | clock s | MB of memory |\n| --- | --- | --- | --- | --- |")
        for name, way in WAYS.items():
            size, seconds, used = measure(way, server.dsn, root)
            cpu = used.ru_utime + used.ru_stime
            print(f"| {name} | {size / 1e6:.1f} | {cpu:.1f} | {seconds:.1f} | {used.ru_maxrss / 1024:.0f} |")


if __name__ == "__main__":
    main()
