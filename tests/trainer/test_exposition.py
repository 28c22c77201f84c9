"""A training's numbers on a port: what a scrape finds, and that no port ever costs a training."""

import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from support.prepared import trial_document
from tacotrain.contract import parse_trial
from tacotrain.exposition import METRICS_PORT, Exposition, exposition
from tacotrain.loggers import build_loggers
from tacotrain.monitor import Usage
from tacotune.api import names

GIB = 2**30


@pytest.fixture
def exposed() -> Iterator[Exposition]:
    made = Exposition(0, container=lambda: Usage("memory", GIB, 4 * GIB), gpu=lambda: None)
    yield made
    made.close("complete")


def scraped(exposed: Exposition) -> dict[str, float]:
    text = httpx.get(f"http://127.0.0.1:{exposed.port}/metrics", trust_env=False).text
    return {
        "|".join((sample.name, *sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_before_the_first_numbers_there_is_memory_and_no_loss(exposed: Exposition) -> None:
    found = scraped(exposed)
    assert found["tacotrain_memory_used_bytes"] == GIB
    assert found["tacotrain_memory_limit_bytes"] == 4 * GIB
    assert found["process_resident_memory_bytes"] > 0
    assert not {name for name in found if "loss" in name or "gpu" in name}


def test_the_newest_numbers_are_served(exposed: Exposition) -> None:
    for step, loss in ((10, 2.0), (20, 1.5)):
        exposed.scalars(
            step, {"loss/loss": loss, "loss/gate": 0.1, "training/frames_per_second": 9000.0, "odd/name": 1.0}
        )
    exposed.scalars(20, {"evaluation/val_loss": 1.25, "evaluation/tts_score": 0.5})
    found = scraped(exposed)
    assert (found["tacotrain_step"], found["tacotrain_loss"]) == (20, 1.5)
    assert found["tacotrain_validation_loss"] == found["tacotrain_evaluation|val_loss"] == 1.25
    assert found["tacotrain_evaluation|tts_score"] == 0.5
    assert found["tacotrain_frames_per_second"] == 9000
    assert not [name for name in found if "odd" in name or "gate" in name]


def test_a_gpu_is_measured_where_there_is_one() -> None:
    made = Exposition(0, gpu=lambda: Usage("gpu_memory", 3 * GIB, 80 * GIB))
    try:
        made.scalars(1, {})
        assert scraped(made)["tacotrain_gpu_memory_used_bytes"] == 3 * GIB
        assert scraped(made)["tacotrain_gpu_memory_limit_bytes"] == 80 * GIB
    finally:
        made.close("complete")


@pytest.mark.parametrize("text", ["", "0", " "])
def test_without_a_port_nothing_is_served(text: str) -> None:
    assert exposition({METRICS_PORT: text}) is None
    assert exposition({}) is None


@pytest.mark.parametrize("text", ["http", "-1", "70000"])
def test_what_is_no_port_costs_a_warning(text: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert exposition({METRICS_PORT: text}) is None
    assert f"TACOTRAIN_METRICS_PORT={text}: no metrics are served" in caplog.text
    assert "training goes on" in caplog.text


def test_a_port_that_is_taken_costs_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    document = trial_document(tmp_path, tmp_path, report={"tensorboard": False})
    trial = parse_trial(document, source="test")
    with socket.socket() as other, caplog.at_level(logging.WARNING):
        other.bind(("0.0.0.0", 0))
        other.listen()
        monkeypatch.setenv(METRICS_PORT, str(other.getsockname()[1]))
        assert build_loggers(trial, {}, resume_step=None) == []
    assert "in use" in caplog.text


def test_the_operator_names_the_variable_that_the_trainer_reads() -> None:
    assert names.METRICS_PORT == METRICS_PORT
