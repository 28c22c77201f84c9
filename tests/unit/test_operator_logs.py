"""Lines of the operator: one JSON object each where a machine reads, and always the study they are about."""

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tacotune.handlers.logs import about, configure_logging

Lines = Callable[[], list[str]]


@pytest.fixture(autouse=True)
def other_loggers() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in ("kopf", "aiohttp.access")}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    def read() -> list[str]:
        return capsys.readouterr().err.splitlines()

    return read


def documents(lines: Lines) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines()]


def test_a_line_is_an_object_with_the_study_and_what_else_it_is_about(lines: Lines) -> None:
    configure_logging("info", as_json=True)
    with about(namespace="voices", study="ruslan", trial=None):
        logging.getLogger("tacotune").info("%s: %s", "A", "б", extra={"trial": 3, "attempt": 1})
        logging.getLogger("urllib3").warning("retrying")
    (ours, theirs) = documents(lines)
    assert list(ours)[:4] == ["time", "level", "logger", "message"]
    time = ours.pop("time")
    assert time.endswith("Z")
    assert "T" in time
    assert ours == {
        "level": "INFO",
        "logger": "tacotune",
        "message": "A: б",
        "namespace": "voices",
        "study": "ruslan",
        "trial": 3,
        "attempt": 1,
    }
    assert (theirs["logger"], theirs["study"]) == ("urllib3", "ruslan")
    assert "trial" not in theirs


def test_what_was_said_in_a_block_is_not_about_what_comes_after(lines: Lines) -> None:
    configure_logging("info", as_json=True)
    with about(study="a"), about(trial=1):
        logging.getLogger("tacotune").info("inside")
    logging.getLogger("tacotune").info("outside")
    inside, outside = documents(lines)
    assert (inside["study"], inside["trial"]) == ("a", 1)
    assert not {"study", "trial"} & set(outside)


def test_an_exception_stays_on_its_line(lines: Lines) -> None:
    configure_logging("info", as_json=True)
    try:
        int("wrong")
    except ValueError:
        logging.getLogger("tacotune").exception("the pass failed")
    (document,) = documents(lines)
    assert "ValueError: invalid literal" in document["exc_info"]


def test_kopfs_own_lines_name_the_object_and_show_only_what_is_wrong(lines: Lines) -> None:
    configure_logging("info", as_json=True)
    reference = {"kind": "TTSStudy", "namespace": "voices", "name": "ruslan", "uid": "0"}
    kopf = logging.getLogger("kopf.objects")
    kopf.info("a handler succeeded", extra={"k8s_ref": reference, "k8s_skip": True})
    kopf.error("a handler failed", extra={"k8s_ref": reference, "k8s_skip": True})
    kopf.error("a handler failed", extra={"k8s_ref": {**reference, "kind": "Job"}})
    study, job = documents(lines)
    assert (study["namespace"], study["study"]) == ("voices", "ruslan")
    assert (job["object"], "study" in job) == ("ruslan", False)
    assert not [name for name in (*study, *job) if name.startswith("k8s")]


def test_people_read_text_with_the_study_in_front(lines: Lines) -> None:
    configure_logging("info", as_json=False)
    with about(namespace="voices", study="ruslan"):
        logging.getLogger("tacotune").warning("TrialFailed: Trial 3 failed", extra={"trial": 3})
    logging.getLogger("tacotune").info("ready")
    about_it, about_nothing = lines()
    assert about_it.endswith(" WARNING voices/ruslan: TrialFailed: Trial 3 failed")
    assert about_nothing.endswith(" INFO ready")


def test_a_pipe_gets_json_without_being_told(lines: Lines) -> None:
    configure_logging("error")
    logging.getLogger("tacotune").warning("no")
    logging.getLogger("tacotune").error("yes")
    assert [document["message"] for document in documents(lines)] == ["yes"]
