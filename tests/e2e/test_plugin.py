"""`kubectl tacotune` on a real cluster: through the port-forward, a pod's own words, a voice copied out of a volume."""

import hashlib
import json
import re
import wave
from pathlib import Path

import pytest

from support.kind import paths
from support.kind_study import LONG, KindStudy
from support.namespace import Namespace
from support.plugin import Plugin
from support.toolchain import build

ONE = {"maxTrials": 1, "parallelism": 1}


@pytest.fixture
def plugin(release: Namespace) -> Plugin:
    """The plugin, with the rights of an administrator and the release's namespace as a person would set it."""
    return Plugin(paths.kubeconfig(), build(["kubectl"]), {"TACOTUNE_NAMESPACE": release.name})


def test_trials_are_read_through_the_port_forward_and_the_voice_is_copied_whole(
    study: KindStudy, plugin: Plugin, tmp_path: Path
) -> None:
    status = study.create(maxTrials=2).ends()
    where = ("tiny", "-n", study.namespace.name)
    rows = json.loads(plugin.prints("trials", *where, "-o", "json"))
    assert [(row["number"], row["state"]) for row in rows] == [(0, "Complete"), (1, "Complete")]
    best = json.loads(plugin.prints("best", *where, "-o", "json"))
    assert (best["trial"], best["value"]) == (status["best"]["trial"], status["best"]["value"])
    assert "alignment" in best["metrics"]

    voice = tmp_path / "voice"
    said = plugin.run("export", *where, "-o", str(voice), within=400)
    assert said.code == 0, said
    document = json.loads((voice / "best.json").read_text())
    assert document["trial"] == status["best"]["trial"]
    weights = hashlib.sha256((voice / "checkpoint" / "weights.pt").read_bytes()).hexdigest()
    assert document["files"]["checkpoint/weights.pt"]["sha256"] == weights
    with wave.open(str(voice / document["samples"][0])) as sample:
        assert sample.getnframes() > 0
    # The pod goes, and was never taken for an attempt.
    exports = ("pods", "-l", "app.kubernetes.io/component=export")
    study.namespace.kubectl("wait", *exports, "--for=delete", "--timeout=30s")
    assert study.status["attempts"] == status["attempts"]
    again = plugin.run("export", *where, "-o", str(voice))
    assert (again.code, "--force" in again.err) == (2, True)
    assert plugin.run("export", *where, "-o", str(voice), "--force", within=400).code == 0


def test_a_log_is_followed_to_its_end_and_a_suspended_study_goes_on(study: KindStudy, plugin: Plugin) -> None:
    where = ("tiny", "-n", study.namespace.name)
    study.create(**ONE, fixedParameters={**LONG, "max_steps": 200})
    study.pod(0)
    said = plugin.run("logs", *where, "--trial", "0", "--tail", "1")
    assert (said.code, "step " in said.out) == (0, True), said
    assert "trial 0, attempt 1 (pod tiny-0-1-" in said.err
    plugin.prints("suspend", *where)
    study.namespace.wait("tts/tiny", "condition=Suspended", within=200)
    plugin.prints("resume", *where)
    study.pod(0)
    said = plugin.run("logs", *where, "--trial", "0", "-f", within=400)
    assert said.code == 0, said
    assert "trial 0, attempt 2" in said.err
    assert re.search(r"step\s+200/200", said.out), "to the last step"
    study.ends()
