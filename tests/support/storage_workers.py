"""What the processes of the concurrency tests do, and how they are started: this module is a program too."""

import json
import multiprocessing
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna

from support.stores import engine_on, space_of, store_on
from tacotune.engine.observed import TrialState

X = {"name": "x", "float": {"low": 0.0, "high": 1.0}}
SPEC = space_of(X, sampler={"name": "random"}, maxTrials=1000)


def in_processes(work: Callable[..., Any], count: int, *arguments: Any) -> list[Any]:
    """Run `count` calls at once, a process each; an error of any of them is raised here.

    They are forked from one fresh process: eight imports of Optuna would be most of the test, and a fork of the test process
    would inherit its threads and connections.
    """
    done = subprocess.run(
        [sys.executable, "-m", "support.storage_workers", work.__name__, str(count), json.dumps(arguments)],
        cwd=Path(__file__).parents[1],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


def ask_and_tell(barrier: Any, dsn: str, study: str, count: int) -> list[int]:
    """Ask and tell with Optuna alone, on the operator's storage."""
    with engine_on(dsn) as engine:
        loaded = optuna.load_study(study_name=study, storage=engine.storage)
        loaded.sampler = optuna.samplers.RandomSampler()
        barrier.wait()
        numbers = []
        for _ in range(count):
            trial = loaded.ask()
            loaded.tell(trial, trial.suggest_float("x", 0, 1))
            numbers.append(trial.number)
    return numbers


def race(barrier: Any, dsn: str, count: int) -> list[int | None]:
    """Play the leader: ask for each number in turn and tell it, as if nobody else did."""
    with engine_on(dsn) as engine:
        barrier.wait()
        store = store_on(engine, SPEC)
        asked = []
        for number in range(count):
            asked.append(store.ask(number, "sha256:0"))
            store.tell(number, TrialState.COMPLETE, [0.5])
    return asked


def open_at_once(barrier: Any, dsn: str) -> int:
    """Open a study in a database that has no tables yet."""
    with engine_on(dsn) as engine:
        barrier.wait()
        store_on(engine, SPEC)
        return len(engine.storage.get_all_studies())


def _main(work: str, count: int, arguments: list[Any]) -> int:
    # Optuna loads half of itself at the first storage: once here, not once in every child.
    optuna.storages.RDBStorage("sqlite://").engine.dispose()
    context = multiprocessing.get_context("fork")
    barrier, answers = context.Barrier(count), context.SimpleQueue()

    def call(index: int) -> None:
        try:
            answers.put((index, globals()[work](barrier, *arguments), ""))
        except BaseException:  # noqa: BLE001  whatever it is, the others must not wait for this one
            barrier.abort()
            answers.put((index, None, traceback.format_exc()))

    processes = [context.Process(target=call, args=(index,)) for index in range(count)]
    for process in processes:
        process.start()
    collected = sorted((answers.get() for _ in processes), key=lambda answer: answer[0])
    for process in processes:
        process.join()
    errors = [error for _, _, error in collected if error]
    sys.stderr.write("\n".join(errors))
    sys.stdout.write(json.dumps([answer for _, answer, _ in collected]))
    return len(errors)


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])))
