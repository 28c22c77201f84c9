"""The study page on this machine: `tacotrain report` as a process, for `tacotune report` and at the end of a run.

The database is handed over in the environment: every process of a machine may read the others' arguments.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tacotune.api import names
from tacotune.api.study_key import StudyKey
from tacotune.api.trial_contract import ExitCode
from tacotune.ports import ClusterUnavailable, Missing, PermanentError, StorageUnavailable

TIMEOUT_SECONDS: Final = 300
"""For a slow disk and thousands of trials; a hundred take seconds."""
TRAINER: Final = (sys.executable, "-m", "tacotrain")


def make_page(
    root: Path,
    study: StudyKey,
    manifest: Path,
    output: Path,
    dsn: str,
    *,
    trainer: Sequence[str] = TRAINER,
    seconds: float = TIMEOUT_SECONDS,
) -> str:
    """Write the page of a study; what the trainer says of it.

    Args:
        root: The study's folder.
        study: Its key; the database knows the study by it.
        manifest: `study.json` of the run.
        output: The file; an earlier one stays until the new one is whole.
        dsn: Of Optuna's database.
        trainer: The trainer's command.
        seconds: After which the attempt is given up.

    Raises:
        Missing: The study is not in that database.
        StorageUnavailable: The database does not answer.
        ClusterUnavailable: It took too long, or the trainer cannot be started.
        PermanentError: Anything else that the trainer says.
    """
    command = [*trainer, "report", "--study-directory", str(root), "--study-name", study.storage_name]
    command += ["--study", str(manifest), "--output", str(output.absolute())]
    # Its last words are read here; the file that an attempt's are kept in is none of its business.
    environment = {**os.environ, names.READER_STORAGE_URL: dsn, names.TERMINATION_LOG: os.devnull}
    try:
        # In a session of its own: Ctrl-C is the caller's to answer, and ends this process too.
        done = subprocess.run(  # noqa: S603  our own trainer, arguments as a list
            command,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired as error:
        raise ClusterUnavailable(f"the page was not ready after {seconds:g} s") from error
    except OSError as error:
        raise ClusterUnavailable(f"the page cannot be made: {error}") from error
    if done.returncode == 0:
        return (done.stdout.strip().splitlines() or [f"{output} written"])[-1]
    said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    said = said.removeprefix("tacotrain: ")
    match done.returncode:
        case ExitCode.INPUT_MISSING:
            raise Missing(f"{said}; if it was run with --storage, name that database again")
        case ExitCode.DEVICE_UNAVAILABLE:
            raise StorageUnavailable(said)
        case _:
            raise PermanentError(f"the page cannot be made: {said}")
