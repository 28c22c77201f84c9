"""TensorBoard and MLflow are optional, and neither a missing library nor a dead server stops a training."""

import logging
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from support.prepared import trial_document
from tacotrain.contract import Trial, parse_trial
from tacotrain.loggers import InBackground, MLflowRun, RunLogger, build_loggers


class Recorder:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        self.calls.append((step, dict(values)))

    def picture(self, step: int, name: str, path: Path) -> None:
        self.calls.append((step, name, path))

    def sound(self, step: int, name: str, path: Path) -> None:
        self.calls.append((step, name, path))

    def close(self, state: str) -> None:
        self.calls.append(state)


def trial(tmp_path: Path, **report: Any) -> Trial:
    settings = {"trackingUri": "http://nowhere", "experiment": "voices", "parentRun": "parent"}
    document = trial_document(tmp_path, tmp_path, report={"tensorboard": False, "mlflow": settings} | report)
    return parse_trial(document, source="test")


def test_everything_arrives_in_order_and_closing_waits_for_it() -> None:
    recorder = Recorder()
    logger = InBackground(lambda: recorder, name="test")
    values = {"loss": 1.0}
    logger.scalars(1, values)
    values["loss"] = 2.0  # The caller may go on using what it gave.
    logger.picture(1, "alignment/0", Path("a.png"))
    logger.sound(1, "sample/0", Path("a.wav"))
    logger.close("complete")
    assert recorder.calls == [
        (1, {"loss": 1.0}),
        (1, "alignment/0", Path("a.png")),
        (1, "sample/0", Path("a.wav")),
        "complete",
    ]


def test_a_dead_server_costs_entries_and_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    def connect() -> RunLogger:
        raise ConnectionError("refused")

    logger = InBackground(connect, name="mlflow")
    for step in range(5):
        logger.scalars(step, {"loss": 1.0})
    logger.close("complete")
    assert caplog.text.count("mlflow does not answer as it should (ConnectionError)") == 1
    assert "6 entries were not logged" in caplog.text


def test_a_slow_server_never_makes_training_wait(caplog: pytest.LogCaptureFixture) -> None:
    released = threading.Event()

    class Slow(Recorder):
        def scalars(self, step: int, values: Mapping[str, float]) -> None:
            released.wait()
            super().scalars(step, values)

    recorder = Slow()
    logger = InBackground(lambda: recorder, name="mlflow")
    for step in range(1000):
        logger.scalars(step, {"loss": 1.0})
    released.set()
    logger.close("complete")
    assert "entries were not logged" in caplog.text
    assert 1 <= len(recorder.calls) < 1000


@pytest.mark.parametrize(
    ("library", "report"), [("tensorboard", {"tensorboard": True, "mlflow": None}), ("mlflow", {})]
)
def test_a_missing_library_is_told_with_the_way_to_get_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    library: str,
    report: dict[str, Any],
) -> None:
    for module in (library, "torch.utils.tensorboard"):
        monkeypatch.setitem(sys.modules, module, None)
    caplog.set_level(logging.WARNING)
    assert build_loggers(trial(tmp_path, **report), {}, resume_step=None) == []
    assert f"pip install tacotrain[{library}]" in caplog.text


class FakeClient:
    """The part of MLflow's client that is used, with its signatures."""

    def __init__(self, tracking_uri: str) -> None:
        self.log: list[Any] = [tracking_uri]

    def get_experiment_by_name(self, name: str) -> None:
        self.log.append(("find", name))

    def create_experiment(self, name: str) -> str:
        self.log.append(("create", name))
        return "7"

    def create_run(self, experiment_id: str, *, run_name: str, tags: dict[str, str]) -> Any:
        self.log.append(("run", experiment_id, run_name, tags))
        return SimpleNamespace(info=SimpleNamespace(run_id="r"))

    def log_batch(self, run_id: str, *, metrics: Sequence[Any] = (), params: Sequence[Any] = ()) -> None:
        self.log += [("metric", run_id, *entry) for entry in metrics] + [
            ("param", run_id, *entry) for entry in params
        ]

    def log_artifact(self, run_id: str, local_path: str, artifact_path: str) -> None:
        self.log.append(("artifact", run_id, local_path, artifact_path))

    def set_terminated(self, run_id: str, status: str) -> None:
        self.log.append(("end", run_id, status))


def test_an_mlflow_run_is_a_child_with_parameters_metrics_and_artifacts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("mlflow")
    module.MlflowClient = FakeClient  # type: ignore[attr-defined]
    entities = SimpleNamespace(
        Metric=lambda key, value, _, step: (key, value, step), Param=lambda *entry: entry
    )
    module.entities = entities  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mlflow", module)
    asked = trial(tmp_path)
    assert asked.report.mlflow is not None
    run = MLflowRun(asked.report.mlflow, asked, {"learning_rate": 0.01})
    run.scalars(10, {"loss": 0.5})
    run.picture(10, "alignment/0", tmp_path / "0.png")
    run.close("pruned")
    tags = {
        "mlflow.runName": "study-7-1",
        "tacotune.trial": "7",
        "tacotune.attempt": "1",
        "mlflow.parentRunId": "parent",
    }
    assert run._client.log == [
        "http://nowhere",
        ("find", "voices"),
        ("create", "voices"),
        ("run", "7", "study-7-1", tags),
        ("param", "r", "learning_rate", "0.01"),
        ("metric", "r", "loss", 0.5, 10),
        ("artifact", "r", str(tmp_path / "0.png"), "alignment/0/10"),
        ("end", "r", "KILLED"),
    ]
