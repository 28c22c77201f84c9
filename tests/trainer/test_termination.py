"""The termination message is the result, never larger than what Kubernetes keeps."""

import json
from pathlib import Path

import pytest

from tacotrain.termination import TERMINATION_ENV, fitting, write_termination_message


def test_a_small_document_is_kept_whole() -> None:
    document = {"state": "complete", "samples": ["a.wav"], "metrics": {"tts_score": 0.25}}
    assert json.loads(fitting(document)) == document


def test_what_is_expendable_goes_first_to_last_until_it_fits() -> None:
    document = {
        "state": "complete",
        "values": [0.25],
        "samples": ["ж" * 4000],
        "alignments": ["b"],
        "metrics": {"m": 1.0},
    }
    assert json.loads(fitting(document)) == {k: v for k, v in document.items() if k != "samples"}
    document["metrics"] = {"long": "m" * 5000}
    assert json.loads(fitting(document)) == {"state": "complete", "values": [0.25]}


def test_it_is_left_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TERMINATION_ENV, str(tmp_path / "message"))
    write_termination_message({"state": "complete"})
    assert json.loads((tmp_path / "message").read_text()) == {"state": "complete"}


def test_a_place_that_cannot_be_written_hides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TERMINATION_ENV, str(tmp_path / "missing" / "message"))
    write_termination_message({"state": "complete"})
