"""`make kind-demo`: the quickstart on the kind cluster, from the manifest to a voice in a folder."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from rich.console import Console, Group

from support.kind import paths, session
from support.kind.errors import KindError
from support.kind.follow import follow
from support.kind.progress import say
from support.kind.voice import copy_voice
from support.namespace import Namespace
from tacotune.api.conditions import Phase
from tacotune.local.summary import best_voice

NAMESPACE: Final = "voices"
STUDY: Final = "quickstart"
MANIFEST: Final = paths.REPOSITORY / "examples" / f"{STUDY}.yaml"
FOLDER: Final = paths.REPOSITORY / "runs" / "kind-demo"


def show() -> None:
    """Bring the cluster up, apply the study, follow it to its end and copy the voice out.

    A second call follows the same study on, or shows what came of it.

    Raises:
        KindError: when the study fails, or with what kubectl said.
        KeyboardInterrupt: at Ctrl-C; the study goes on.
    """
    session.up()
    voices = _apply()
    kubectl = f"kubectl --kubeconfig {paths.kubeconfig()} --namespace {NAMESPACE}"
    say(f"$ {kubectl} get ttsstudies {STUDY} --watch\n")
    uid = voices.get(f"ttsstudies/{STUDY}")["metadata"]["uid"]
    try:
        phase = follow(NAMESPACE, STUDY, uid)
    except KeyboardInterrupt:
        say("the study goes on without you: `make kind-demo` follows it again, `make kind-down` ends all")
        raise
    if phase is not Phase.SUCCEEDED:
        raise KindError(f"The study failed: `{kubectl} describe ttsstudies {STUDY}` says why.")
    copy_voice(voices, STUDY, FOLDER)
    Console().print(summary(voices.get(f"ttsstudies/{STUDY}")["status"], FOLDER))


def _apply() -> Namespace:
    """The namespace, as a careful cluster has it, and the study in it."""
    voices = Namespace(NAMESPACE)
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    voices.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}})
    try:
        say(voices.kubectl("apply", "--filename", str(MANIFEST)).strip())
    except KindError as error:
        raise KindError(
            f"{error}\nWhere the study of an earlier manifest is in the way, "
            f"`kubectl --namespace {NAMESPACE} delete ttsstudies,persistentvolumeclaims --all` removes it."
        ) from error
    return voices


def summary(status: Mapping[str, Any], folder: Path) -> Group:
    """What came of it: the best trial, the voice that was trained fully with its parameters, and where that lies."""
    best, voice = status["best"], json.loads((folder / "best.json").read_text())
    title = f"\nTrial {best['trial']} is the best of {status['trials']['total']}: {best['shown']}. The voice trained fully with its parameters:"
    files = {
        kind.rstrip("s"): folder / path for kind in ("samples", "alignments") for path in voice[kind][:1]
    }
    return best_voice(title, voice["metrics"], best["parameters"], {**files, "all of it": folder})
