"""`tacotrain report` as a process of `tacotune`: what its ends mean, and whose database is visited."""

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from support.builders import study_of
from support.told_study import KEY, tell_study
from tacotune.adapters.postgres import EmbeddedPostgres, visited
from tacotune.adapters.study_page import make_page
from tacotune.local.final_page import leave_page
from tacotune.local.rundir import RunDirectory
from tacotune.ports import ClusterUnavailable, Missing, PermanentError, StorageUnavailable, TacotuneError

pytestmark = pytest.mark.postgres

DSN = "postgresql+psycopg2://somebody:hunter2@host/optuna"


def trainer(lines: str) -> Sequence[str]:
    """A trainer that is a few lines of Python."""
    return (sys.executable, "-c", f"import os, sys, time\n{lines}")


def made(tmp_path: Path, lines: str, seconds: float = 60) -> str:
    return make_page(
        tmp_path,
        KEY,
        tmp_path / "study.json",
        tmp_path / "r.html",
        DSN,
        trainer=trainer(lines),
        seconds=seconds,
    )


def test_the_trainer_is_told_all_and_the_database_by_the_environment_only(tmp_path: Path) -> None:
    said = made(
        tmp_path,
        "assert 'hunter2' in os.environ['TACOTUNE_READER_STORAGE_URL']\n"
        "assert 'hunter2' not in ' '.join(sys.argv)\nprint('ready', *sys.argv[1:])",
    )
    assert said == (
        f"ready report --study-directory {tmp_path} --study-name voices.ruslan.0b2f3c4d "
        f"--study {tmp_path}/study.json --output {tmp_path}/r.html"
    )


@pytest.mark.parametrize(
    ("code", "error"), [(66, Missing), (69, StorageUnavailable), (64, PermanentError), (70, PermanentError)]
)
def test_each_end_of_the_trainer_has_its_error(tmp_path: Path, code: int, error: type[TacotuneError]) -> None:
    with pytest.raises(error, match="what went wrong"):
        made(tmp_path, f"print('tacotrain: what went wrong', file=sys.stderr)\nsys.exit({code})")


def test_a_trainer_that_hangs_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(ClusterUnavailable, match="not ready after"):
        made(tmp_path, "time.sleep(60)", seconds=0.2)


def test_a_run_leaves_its_page_beside_the_best_voice_and_goes_on_without(
    postgres_dsn: str, tmp_path: Path
) -> None:
    run = RunDirectory(tmp_path / "ruslan")
    spec = tell_study(postgres_dsn, 3, run.root)
    run.write_study(study_of(spec))
    said: list[str] = []
    run.best_path.mkdir()
    page = leave_page(run, KEY, postgres_dsn, said.append)
    assert page == run.best_path / "report.html"
    assert "3 trials: 3 complete" in page.read_text()
    assert said == []
    run.study_path.unlink()
    assert leave_page(run, KEY, postgres_dsn, said.append) is None
    (line,) = said
    assert line.startswith("no study page: ")
    assert f"`tacotune report {run.root}` makes it" in line


def test_the_database_of_a_runner_is_visited_and_left_running(
    postgres_server: EmbeddedPostgres, tmp_path: Path
) -> None:
    with visited(postgres_server._directory) as dsn:
        assert dsn == postgres_server.dsn
    with visited(postgres_server._directory) as again:
        assert again == dsn
    with pytest.raises(Missing, match="holds no database"), visited(tmp_path):
        pass
