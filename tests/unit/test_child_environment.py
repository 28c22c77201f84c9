"""What is started here knows all that we know, but not whom to notify."""

import pytest

from tacotune.adapters.child_environment import child_environment


def test_tokens_of_notifications_go_to_no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TACOTUNE_TELEGRAM_TOKEN", "secret")
    monkeypatch.setenv("TACOTUNE_APPRISE_URL", "secret")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    found = child_environment()
    assert "secret" not in found.values()
    assert found["OMP_NUM_THREADS"] == "1"
