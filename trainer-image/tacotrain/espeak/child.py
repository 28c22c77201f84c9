"""The program that loads espeak-ng: requests on stdin, answers on stdout, one JSON object a line.

Started by `tacotrain.espeak.client` as `python -m tacotrain.espeak.child`; nothing else of tacotrain imports it, so the
GPL library never enters a process of ours. The first line out is a greeting or a failure:

    {"version": "1.52.0", "sampleRate": 22050}          {"error": "missing", "message": "…"}
    {"do": "synthesize", "voice": "en-us", "rate": 250, "text": "a red fox"}
        -> {"pcm": "<base64 of 16-bit little-endian samples>", "words": [[0, 1, 264], [2, 5, 1320], [6, 9, 9000]]}
    {"do": "phonemes", "voice": "ru", "text": "кот"}    -> {"clauses": ["kˈot"]}

A word is its first character, the character behind it (in the text), and its first sample.
"""

import base64
import ctypes
import json
import os
import signal
import sys
from typing import Any

_SYNCHRONOUS = 2
_EVENTS_OPTION = 0x0001
# Without it the library calls exit(1) in this process when its data is missing.
_DONT_EXIT_OPTION = 0x8000
_POSITION_CHARACTER = 1
_UTF8 = 1
_RATE_PARAMETER = 1
_IPA = 2
_WORD_EVENT = 1
_SAMPLE_RATE = 22050


class _Identity(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Identity),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class EspeakError(Exception):
    """The library refused; the message is for the user."""


class Espeak:
    """The library, initialized."""

    def __init__(self, library: str, data: str) -> None:
        self._lib = ctypes.CDLL(library)
        self._lib.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self._lib.espeak_Info.restype = ctypes.c_char_p
        options = _EVENTS_OPTION | _DONT_EXIT_OPTION
        # A wrong data path makes it return 0, not the documented -1.
        if self._lib.espeak_Initialize(_SYNCHRONOUS, 0, os.fsencode(data), options) != _SAMPLE_RATE:
            raise EspeakError(
                f"espeak-ng cannot read its data in {data}; reinstall: pip install --force-reinstall espeakng-loader"
            )
        self._pcm = bytearray()
        self._words: list[tuple[int, int, int]] = []
        # The attribute keeps the callback alive: ctypes holds no reference to it.
        self._callback = _Callback(self._collect)
        self._lib.espeak_SetSynthCallback(self._callback)
        self._voice: str | None = None
        self._rate: int | None = None

    @property
    def version(self) -> str:
        """Version of the library."""
        version: bytes = self._lib.espeak_Info(None)
        return version.decode()

    def synthesize(self, text: str, voice: str, rate: int) -> tuple[bytes, list[tuple[int, int, int]]]:
        """Speak: 16-bit samples, and for each word its span in the text and its first sample."""
        self._use(voice)
        if rate != self._rate:
            self._lib.espeak_SetParameter(_RATE_PARAMETER, rate, 0)
            self._rate = rate
        self._pcm.clear()
        self._words.clear()
        data = text.encode()
        code = self._lib.espeak_Synth(data, len(data) + 1, 0, _POSITION_CHARACTER, 0, _UTF8, None, None)
        if code != 0 or self._lib.espeak_Synchronize() != 0:
            raise EspeakError(f"espeak-ng could not speak {text!r} (code {code})")
        return bytes(self._pcm), list(self._words)

    def phonemes(self, text: str, voice: str) -> list[str]:
        """IPA of each clause."""
        self._use(voice)
        buffer = ctypes.create_string_buffer(text.encode())
        position = ctypes.c_void_p(ctypes.addressof(buffer))
        clauses = []
        while position.value:
            clause: bytes = self._lib.espeak_TextToPhonemes(ctypes.byref(position), _UTF8, _IPA)
            clauses.append(clause.decode())
        return clauses

    def _use(self, voice: str) -> None:
        if voice != self._voice and self._lib.espeak_SetVoiceByName(voice.encode()) != 0:
            raise EspeakError(f"espeak-ng has no voice {voice!r}; English is en-us, Russian is ru")
        self._voice = voice

    def _collect(self, samples: Any, count: int, events: Any) -> int:
        if samples and count > 0:
            self._pcm += ctypes.string_at(samples, 2 * count)
        i = 0
        while events[i].type != 0:
            if events[i].type == _WORD_EVENT:
                start = events[i].text_position - 1
                self._words.append((start, start + events[i].length, events[i].sample))
            i += 1
        return 0


def _answer(espeak: Espeak, request: dict[str, Any]) -> dict[str, Any]:
    match request["do"]:
        case "synthesize":
            pcm, words = espeak.synthesize(request["text"], request["voice"], request["rate"])
            return {"pcm": base64.b64encode(pcm).decode(), "words": words}
        case "phonemes":
            return {"clauses": espeak.phonemes(request["text"], request["voice"])}
        case unknown:
            raise EspeakError(f"no such request: {unknown}")


def main() -> None:
    """Answer until stdin ends."""

    def send(message: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()

    # Ctrl-C reaches the whole process group; the client ends this program by closing its stdin.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        import espeakng_loader  # noqa: PLC0415 - its absence is an answer, not a crash
    except ImportError as error:
        send({"error": "missing", "message": str(error)})
        return
    try:
        espeak = Espeak(str(espeakng_loader.get_library_path()), str(espeakng_loader.get_data_path()))
    except (EspeakError, OSError) as error:
        send({"error": "broken", "message": str(error)})
        return
    send({"version": espeak.version, "sampleRate": _SAMPLE_RATE})
    for line in sys.stdin:
        try:
            send(_answer(espeak, json.loads(line)))
        except EspeakError as error:
            send({"error": "refused", "message": str(error)})


if __name__ == "__main__":
    main()
