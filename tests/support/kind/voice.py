"""The best voice of a study, copied out of its volume: by `kubectl tacotune export` where that is installed, else by a pod of ours.

Called by `demo`.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from support.kind import cluster, paths
from support.kind.errors import KindError
from support.kind.processes import run
from support.namespace import Namespace
from support.pods import pod, pod_spec
from tacotune.api import names

PLUGIN: Final = Path(sys.executable).with_name("kubectl-tacotune")
READER: Final = "voice-reader"
LIFE_SECONDS: Final = 300


def copy_voice(namespace: Namespace, study: str, folder: Path) -> None:
    """Replace the folder by the study's `best/`: best.json, checkpoint, samples, alignments.

    Raises:
        KindError: with what kubectl said.
    """
    if PLUGIN.exists():
        _export(namespace, study, folder)
    else:
        _read(namespace, study, folder)


def _export(namespace: Namespace, study: str, folder: Path) -> None:
    programs = cluster.program("kubectl").parent
    run(
        "kubectl-tacotune",
        [
            *(PLUGIN, "export", study, "--output", folder, "--force"),
            *("--namespace", namespace.name, "--kubeconfig", paths.kubeconfig()),
        ],
        env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"},
    )


def _read(namespace: Namespace, study: str, folder: Path) -> None:
    uid = namespace.get(f"ttsstudies/{study}")["metadata"]["uid"]
    best = f"{names.MOUNT}/{names.study_directory(uid)}/best"
    with _reader(namespace, names.checkpoints_claim_name(study)):
        command = cluster.kubectl_command(
            "--namespace", namespace.name, "exec", READER, "--", "tar", "-C", best, "-cf", "-", "."
        )
        with tempfile.TemporaryFile() as archive:
            done = subprocess.run(command, stdout=archive, stderr=subprocess.PIPE, text=True, check=False)
            if done.returncode != 0:
                raise KindError(f"The voice in {best} of its volume cannot be read: {done.stderr.strip()}")
            archive.seek(0)
            fresh = folder.with_name(f".{folder.name}-new")
            shutil.rmtree(fresh, ignore_errors=True)
            with tarfile.open(fileobj=archive) as tar:
                tar.extractall(fresh, filter="data")
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)


@contextmanager
def _reader(namespace: Namespace, claim: str) -> Iterator[None]:
    spec = pod_spec("sleep", str(LIFE_SECONDS), claims={names.MOUNT: claim}, grace=0)
    namespace.kubectl("delete", f"pod/{READER}", "--ignore-not-found")
    namespace.apply(pod(READER, {**spec, "activeDeadlineSeconds": LIFE_SECONDS}))
    try:
        namespace.wait(f"pod/{READER}", "condition=Ready")
        yield
    finally:
        namespace.kubectl("delete", f"pod/{READER}", "--wait=false")
