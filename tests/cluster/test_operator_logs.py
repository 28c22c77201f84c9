"""What a running operator writes: JSON where nobody sits at a terminal, each line about its study, and no secret in any."""

import json
import socket
from pathlib import Path

from support.cluster_study import SECONDS, ClusterStudy, complete, failed
from support.eventually import eventually
from support.operator_process import Operator
from support.pretend_kubelet import PretendKubelet


def test_every_line_is_an_object_that_names_study_trial_and_attempt(
    study: ClusterStudy, kubelet: PretendKubelet, operator: Operator
) -> None:
    study.create(maxTrials=2)
    crash = failed(1, "crashed")
    with kubelet.running_all(
        study.trains(lambda d: crash if (d["trial"], d["attempt"]) == (0, 1) else complete(d))
    ):
        study.reaches("Succeeded")
    eventually(lambda: "StudySucceeded" in operator.log.read_text(), within=SECONDS)
    text = operator.log.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert all({"time", "level", "logger", "message"} <= set(line) for line in lines)
    events = [line for line in lines if "reason" in line]
    assert {(line["namespace"], line["study"]) for line in events} == {(study.namespace, "demo")}
    started = [(line["trial"], line["attempt"]) for line in events if line["reason"] == "TrialStarted"]
    assert sorted(started) == [(0, 1), (1, 1)]
    (retry,) = [line for line in events if line["reason"] == "TrialRetry"]
    assert (retry["level"], retry["trial"], retry["attempt"]) == ("WARNING", 0, 1)
    assert "secret@" not in text, "the DSN that trials are given"


def test_a_metrics_port_that_is_taken_ends_it_with_a_sentence(
    kubeconfig: Path, postgres_dsn: str, tmp_path: Path
) -> None:
    with socket.socket() as other:
        other.bind(("0.0.0.0", 0))
        other.listen()
        port = other.getsockname()[1]
        second = Operator(
            kubeconfig, postgres_dsn, tmp_path / "log", "-n", "default", "--metrics-port", str(port)
        )
        code = eventually(second.start().exit_code, within=SECONDS)
    assert code == 69
    assert (
        f"tacotune: --metrics-port {port}: Address already in use; choose another one"
        in second.log.read_text()
    )
