"""Starts the espeak-ng program and talks to it; what it says comes back as plain Python values."""

import base64
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tacotrain.errors import ConfigError, InputMissing, InternalError
from tacotrain.words import WordTiming

INSTALL_HINT = "pip install 'tacotrain[espeak]'"


@dataclass(frozen=True, slots=True)
class Speech:
    """A spoken text."""

    text: str
    samples: NDArray[np.int16]
    sample_rate: int
    words: tuple[WordTiming, ...]


class Espeak:
    """A running espeak-ng program; `with espeak() as program` starts and ends it.

    The sound of a text depends slightly on what was spoken before it in the same process, but the same sequence of
    calls in a fresh process is bit-equal. Who needs repeatable sound makes all of it in one go, in a fixed order.
    """

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        try:
            greeting = self._receive()
        except BaseException:
            self.close()
            raise
        self.version = str(greeting["version"])
        self.sample_rate = int(greeting["sampleRate"])

    @classmethod
    def start(cls, command: tuple[str, ...] = (sys.executable, "-m", "tacotrain.espeak.child")) -> Self:
        """Start the program; it ends when its stdin is closed.

        Raises:
            InputMissing: The espeakng-loader wheel is not installed, or its library or data cannot be loaded.
        """
        return cls(
            subprocess.Popen(  # noqa: S603 - our own module, no user input
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
            )
        )

    def close(self) -> None:
        """End the program."""
        for stream in (self._process.stdin, self._process.stdout):
            # A program that has died leaves a request behind that cannot be flushed any more.
            with suppress(BrokenPipeError):
                if stream is not None:
                    stream.close()
        self._process.wait()

    def synthesize(self, texts: Iterable[str], voice: str, rate: int = 175) -> Iterator[Speech]:
        """Speak texts in order.

        Args:
            texts: One utterance each, not empty.
            voice: An espeak-ng voice, such as en-us or ru.
            rate: Words per minute, 80 to 450.

        Raises:
            ConfigError: There is no such voice.
        """
        for text in texts:
            answer = self._ask({"do": "synthesize", "voice": voice, "rate": rate, "text": text})
            samples = np.frombuffer(base64.b64decode(answer["pcm"]), dtype="<i2").astype(np.int16)
            yield Speech(
                text, samples, self.sample_rate, _words(answer["words"], len(samples), self.sample_rate)
            )

    def phonemes(self, texts: Iterable[str], voice: str) -> Iterator[tuple[str, ...]]:
        """The IPA of each text, clause by clause.

        Raises:
            ConfigError: There is no such voice.
        """
        for text in texts:
            yield tuple(self._ask({"do": "phonemes", "voice": voice, "text": text})["clauses"])

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise InternalError(f"the espeak-ng program ended before {request['text']!r}") from error
        return self._receive()

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise InternalError(
                f"the espeak-ng program ended without an answer (exit code {self._process.wait()})"
            )
        answer: dict[str, Any] = json.loads(line)
        match answer.get("error"):
            case None:
                return answer
            case "missing":
                raise InputMissing(
                    f"espeak-ng is not installed; install it: {INSTALL_HINT} ({answer['message']})"
                )
            case "broken":
                raise InputMissing(answer["message"])
            case _:
                raise ConfigError(answer["message"])


@contextmanager
def espeak() -> Iterator[Espeak]:
    """An espeak-ng program for the length of a `with` block."""
    program = Espeak.start()
    try:
        yield program
    finally:
        program.close()


def _words(spans: list[list[int]], samples: int, sample_rate: int) -> tuple[WordTiming, ...]:
    """A word sounds until the next one begins, the last one until the sound ends."""
    ends = [*(start for _, _, start in spans[1:]), samples]
    return tuple(
        WordTiming(start, end, first / sample_rate, last / sample_rate)
        for (start, end, first), last in zip(spans, ends, strict=True)
    )
