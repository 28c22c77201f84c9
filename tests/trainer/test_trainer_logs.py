"""What the trainer says: lines for people, or JSON with the trial on each; the last word of a failure either way."""

import json
import logging
import sys
import threading
from collections.abc import Iterator

import pytest

from support.builders import spec_of
from tacotrain.cli import main
from tacotrain.errors import ConfigError
from tacotrain.logs import LOG_FORMAT, NOISY, about, last_line, set_up_logging
from tacotune.api import names
from tacotune.api.resources import Resources
from tacotune.api.study_key import StudyKey
from tacotune.manifests.common import Platform
from tacotune.manifests.pod import pod_template


@pytest.fixture(autouse=True)
def other_loggers() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in NOISY}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


def test_people_read_the_bare_message(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging({}, to_stderr=False)
    about(namespace="voices", study="ruslan", trial=7, attempt=2)
    logging.getLogger("tacotrain").info("step 10/60")
    logging.getLogger("tacotrain").warning("memory is short")
    last_line("tacotrain: over")
    assert capsys.readouterr() == ("step 10/60\nwarning: memory is short\n", "tacotrain: over\n")


def test_each_line_of_json_names_the_trial_whichever_thread_speaks(
    capsys: pytest.CaptureFixture[str],
) -> None:
    set_up_logging({LOG_FORMAT: "json"}, to_stderr=False)
    log = logging.getLogger("tacotrain")
    log.info("loading")
    about(namespace="voices", study="ruslan", trial=7, attempt=2)
    log.info("step 10/60")
    thread = threading.Thread(target=lambda: log.warning("the database is away"))
    thread.start()
    thread.join()
    last_line("tacotrain: over")
    shown = capsys.readouterr()
    before, step, away = (json.loads(line) for line in shown.out.splitlines())
    assert "trial" not in before
    subject = {"namespace": "voices", "study": "ruslan", "trial": 7, "attempt": 2}
    assert step.pop("time").endswith("Z")
    assert step == {"level": "INFO", "logger": "tacotrain", "message": "step 10/60", **subject}
    assert subject.items() <= away.items()
    last = json.loads(shown.err)
    assert (last["level"], last["message"], last["attempt"]) == ("ERROR", "tacotrain: over", 2)


def test_on_one_machine_there_is_no_namespace(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging({LOG_FORMAT: "json"}, to_stderr=True)
    about(namespace="", study="demo", trial=0, attempt=1)
    logging.getLogger("tacotrain").info("hello")
    assert "namespace" not in json.loads(capsys.readouterr().err)


def test_a_format_that_there_is_not_is_named() -> None:
    with pytest.raises(ConfigError, match="TACOTRAIN_LOG_FORMAT=xml: write text or json"):
        set_up_logging({LOG_FORMAT: "xml"}, to_stderr=False)


def test_the_command_obeys_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LOG_FORMAT, "json")
    monkeypatch.setattr(sys, "argv", ["tacotrain", "train"])
    assert main() == 64
    assert "give either --trial FILE" in json.loads(capsys.readouterr().err)["message"]


@pytest.mark.parametrize(("form", "there"), [("text", False), ("json", True)])
def test_pods_are_told_only_what_is_not_the_rule(form: str, there: bool) -> None:
    assert names.LOG_FORMAT == LOG_FORMAT
    study = StudyKey("voices", "ruslan", "0123")
    resources: Resources = {}
    template = pod_template(
        study, Platform("image", log_format=form), spec_of(), {}, arguments=(), resources=resources
    )
    (container,) = template["spec"]["containers"]
    assert ({"name": LOG_FORMAT, "value": "json"} in container["env"]) is there
    assert any(entry["name"] == LOG_FORMAT for entry in container["env"]) is there
