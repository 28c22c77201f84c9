"""Promises of `ports.Channel`, kept by every channel and by the fake that other tests use."""

import traceback
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import pytest

from tacotune.engine.notices import Notice
from tacotune.ports import Channel, Undelivered

NOTICE = Notice("NewBest", "voice: new best", "trial 7 is the best: 0.125\nmit Größe & <b>", 7)


class FakeChannel:
    """Keeps messages, or refuses them."""

    def __init__(self, refuse: str = "") -> None:
        self.refuse = refuse
        self.sent: list[tuple[Notice, tuple[Path, ...]]] = []

    def send(self, notice: Notice, files: Sequence[Path] = ()) -> None:
        if self.refuse:
            raise Undelivered(self.refuse)
        self.sent.append((notice, tuple(files)))


class ChannelContract(ABC):
    """A subclass says how a channel is opened, how its service is made to refuse, and what arrived."""

    secret = ""

    @abstractmethod
    def open(self) -> Channel:
        """A channel whose service takes everything."""

    @abstractmethod
    def refuse(self) -> None:
        """From now on the service takes nothing."""

    @abstractmethod
    def texts(self) -> list[str]:
        """Title and text of each message that arrived."""

    @abstractmethod
    def file_names(self) -> list[str]:
        """Names of the files that arrived."""

    def test_title_and_text_arrive_as_they_are(self) -> None:
        self.open().send(NOTICE)
        assert self.texts() == [f"{NOTICE.title}\n\n{NOTICE.text}"]

    def test_files_arrive(self, tmp_path: Path) -> None:
        paths = [tmp_path / "alignment.png", tmp_path / "0.wav"]
        for path in paths:
            path.write_bytes(b"content")
        self.open().send(NOTICE, paths)
        assert self.file_names() == ["alignment.png", "0.wav"]

    def test_what_is_not_taken_raises_undelivered_without_the_secret(self) -> None:
        channel = self.open()
        self.refuse()
        with pytest.raises(Undelivered) as failure:
            channel.send(NOTICE)
        assert self.texts() == []
        assert str(failure.value)
        shown = "".join(traceback.format_exception(failure.value))
        assert not self.secret or self.secret not in shown
