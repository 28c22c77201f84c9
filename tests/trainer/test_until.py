"""A thread that does one thing again and again says what goes wrong once, and nothing that is secret."""

import logging

import pytest

from support.eventually import eventually
from tacotrain.dashboards.until import Every
from tacotrain.report import redact

URL = "postgresql://reader:hunter2%21@db/optuna"


def test_what_goes_wrong_is_logged_once_a_row_without_the_password(caplog: pytest.LogCaptureFixture) -> None:
    calls = 0

    def work() -> None:
        nonlocal calls
        calls += 1
        if calls in {1, 2, 3}:
            raise ConnectionError(f"cannot reach {URL} as reader with hunter2!\nand more")

    with (
        caplog.at_level(logging.INFO, logger="tacotrain"),
        Every(0.001, work, name="mirror", redact=lambda text: redact(text, URL)),
    ):
        eventually(lambda: calls > 4)
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert warnings == ["mirror: ConnectionError: cannot reach *** as reader with ***; it is tried again"]
    assert "mirror: it works again" in caplog.text
