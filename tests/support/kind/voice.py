"""The best voice of a study, copied out of its volume with `kubectl tacotune export`. Called by `demo`."""

import os
import sys
from pathlib import Path
from typing import Final

from support.kind import cluster, paths
from support.kind.processes import run
from support.namespace import Namespace

PLUGIN: Final = Path(sys.executable).with_name("kubectl-tacotune")


def copy_voice(namespace: Namespace, study: str, folder: Path) -> None:
    """Replace the folder by the study's `best/`: best.json, checkpoint, samples, alignments.

    Raises:
        KindError: with what the plugin said.
    """
    programs = cluster.program("kubectl").parent
    run(
        "kubectl-tacotune",
        [
            *(PLUGIN, "export", study, "--output", folder, "--force"),
            *("--namespace", namespace.name, "--kubeconfig", paths.kubeconfig()),
        ],
        env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"},
    )
