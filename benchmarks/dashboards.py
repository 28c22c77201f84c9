"""How much memory a dashboard takes: when it has just become ready and been looked at, and when it has rested since.

    python benchmarks/dashboards.py mlflow tensorboard optuna demo
    python benchmarks/dashboards.py demo --settle 10

MB of the whole process tree, each shared page divided among those who share it (PSS). The study has `--trials` finished trials with
8 reports each on the embedded Postgres, and one small voice. The demo's speaking process leaves 120 seconds after the last sentence;
with a shorter `--settle` it is still there. Torch of the lock file has CUDA built in; a CPU build is smaller.
"""

import argparse
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import optuna
import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.dashboard_process import Running, answers, dashboard
from support.eventually import eventually
from support.shown_study import run_trial, storage_on, write_events, write_files
from support.voice_study import make_study, publish
from tacotune.adapters.postgres import EmbeddedPostgres

NAME = "voices.benchmark.01234567"
COURSE = {step: {f"loss/{name}": 1 / (step + 1) for name in range(12)} for step in range(0, 4000, 20)}
"""Two hundred looks at twelve numbers."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A dashboard: where it says that it is ready, what a viewer asks it for, and the most it may take at rest."""

    ready: str
    budget: float
    visit: Callable[[Running], object]


def visit_optuna(running: Running) -> None:
    (study,) = running.get("/api/studies").json()["study_summaries"]
    for path in ("", "/param_importances"):
        assert running.get(f"/api/studies/{study['study_id']}{path}").status_code == httpx.codes.OK


def visit_mlflow(running: Running) -> None:
    asked = {"experiment_ids": ["1"], "max_results": 100}

    def copied() -> bool:
        # A hundred trials and the study's own run: the mirror has copied all.
        found = httpx.post(f"{running.url}/api/2.0/mlflow/runs/search", json=asked, timeout=30)
        return bool(found.json().get("next_page_token"))

    eventually(copied, within=300, every=1)


def visit_tensorboard(running: Running) -> None:
    assert len(running.get("/data/runs").json()) > 0
    assert running.get("/data/plugin/scalars/tags").status_code == httpx.codes.OK


KINDS: Mapping[str, Kind] = {
    "mlflow": Kind("/health", 500, visit_mlflow),
    "tensorboard": Kind("/", 250, visit_tensorboard),
    "optuna": Kind("/dashboard", 150, visit_optuna),
    "demo": Kind("/_stcore/health", 400, lambda running: running.get("/")),
}


def megabytes(running: Running) -> float:
    """Of the process and all that it has started."""
    top = psutil.Process(running.process.pid)
    return sum(process.memory_full_info().pss for process in [top, *top.children(recursive=True)]) / 1e6


def measure(kind: str, root: Path, environment: Mapping[str, str], settle: float) -> tuple[float, float]:
    described = KINDS[kind]
    with dashboard(kind, root, NAME, root.parent / f"{kind}.txt", environment=environment) as running:
        answers(running, described.ready)
        described.visit(running)
        used = megabytes(running)
        time.sleep(settle)
        return used, megabytes(running)


def fill(url: str, root: Path, trials: int) -> None:
    """Write the study into the database and its files beside it."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        study_name=NAME, storage=storage_on(url), sampler=optuna.samplers.RandomSampler(seed=0)
    )
    for _ in range(trials):
        number = run_trial(study, None)
        if number > 1:  # The first two have voices.
            write_files(root, number)
            write_events(root, number, COURSE, pictures=(100, 200, 300, 400))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kinds", nargs="+", choices=sorted(KINDS), metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument(
        "--settle", type=float, default=130.0, metavar="SECONDS", help="rest before the second look"
    )
    given = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory(prefix="tacotune-benchmark-") as folder,
        EmbeddedPostgres(Path(folder) / "postgres", settings={"fsync": "off"}) as server,
    ):
        os.environ["TACOTUNE_TERMINATION_LOG"] = f"{folder}/termination"
        root = make_study(Path(folder) / "files")
        publish(root, 1)
        logging.getLogger().setLevel(logging.WARNING)  # The trainer's commands have asked for more.
        fill(server.dsn, root, given.trials)
        environment = {
            "TACOTUNE_READER_STORAGE_URL": server.dsn,
            "TACOTUNE_MLFLOW_STORAGE_URL": server.create_database("mlflow"),
        }
        print(f"{'MB':<12} {'in use':>8} {'at rest':>8} {'budget':>8}")
        for kind in given.kinds:
            used, rested = measure(kind, root, environment, given.settle)
            print(f"{kind:<12} {used:>8.0f} {rested:>8.0f} {KINDS[kind].budget:>8.0f}", flush=True)


if __name__ == "__main__":
    main()
