"""The best voice of a run on this machine: which one is published, and `tacotrain publish` for another.

In a cluster the same command runs in a Job, so `best/` looks the same there.
"""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tacotune.adapters.attempt_files import newest_trial_document, read_json
from tacotune.adapters.child_environment import child_environment
from tacotune.api.trial_contract import PublicationDocument
from tacotune.engine.observed import Purpose
from tacotune.ports import ClusterUnavailable

TIMEOUT_SECONDS: Final = 600
"""For a slow disk and a large voice."""


def published(root: Path) -> str:
    """`<purpose>/<trial>/<checkpoint>` of what `best/` holds; empty when there is nothing."""
    document = read_json(root / "best" / "best.json")
    return str(document.get("source", "")) if document is not None else ""


def publish(root: Path, purpose: Purpose, trial: int, checkpoint: str, trainer: Sequence[str]) -> None:
    """Run `tacotrain publish`; the earlier voice stays until the new one is whole."""
    given = newest_trial_document(root, purpose, trial) or {}
    document = PublicationDocument(
        source=f"{purpose.value}/{trial}/{checkpoint}",
        purpose="final" if purpose is Purpose.FINAL else "trial",
        trial=trial,
        checkpoint=checkpoint,
        parameters=given.get("parameters", {}),
        preset=given.get("preset", ""),
    )
    command = [
        *trainer,
        "publish",
        "--root",
        str(root),
        "--document",
        document.model_dump_json(by_alias=True),
    ]
    try:
        # In a session of its own: Ctrl-C is the runner's to answer.
        done = subprocess.run(  # noqa: S603  our own trainer, arguments as a list
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_SECONDS,
            env=child_environment(),
            start_new_session=True,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ClusterUnavailable(f"cannot publish {document.source}: {error}", retry_after=5.0) from error
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise ClusterUnavailable(f"cannot publish {document.source}: {reason}", retry_after=5.0)
