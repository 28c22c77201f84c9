"""The process that speaks for the demo: a request as one line of JSON on stdin, an answer as one line on stdout.

It loads torch and a voice or two; the page in front of it does without both, and ends it when nobody speaks for a while. It
ends by itself when the page does: its stdin closes.
"""

import base64
import json
import logging
import os
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from tacotrain.audio.wav import encode_wav
from tacotrain.dashboards.vocoders import load_vocoder
from tacotrain.errors import TrainerError
from tacotrain.pictures import alignment_png, mel_png
from tacotrain.synth import Vocoder, speak
from tacotrain.text.frontend import Frontend
from tacotrain.voice import LoadedVoice, load_voice

VOICES: Final = 3
"""Kept loaded: two that are compared, and the one before."""

log = logging.getLogger(__name__)


def answer(request: Mapping[str, Any]) -> dict[str, Any]:
    """Do what a request asks; what went wrong is an answer too, `{"error": sentence}`."""
    try:
        if request["do"] == "check":
            voice = _voice(request["checkpoint"], request["stamp"])
            return {"step": voice.step, "language": voice.language}
        return _speak(request)
    except TrainerError as error:
        return {"error": str(error)}
    except Exception as error:
        log.exception("unexpected error")
        return {"error": f"internal error ({type(error).__name__}: {error})"}


def _speak(request: Mapping[str, Any]) -> dict[str, Any]:
    voice = _voice(request["checkpoint"], request["stamp"])
    (text,) = Frontend.for_language(voice.language, phonemes=voice.profile.phonemes).read((request["text"],))
    (speech,) = speak(
        voice,
        (text,),
        seed=int(request["seed"]),
        griffin_lim_iterations=int(request["iterations"]),
        vocoder=_vocoder(request["vocoder"]) if request["vocoder"] else None,
    )
    mel = voice.statistics.denormalize(speech.mel_TM)
    seconds = voice.audio.seconds_per_frame
    return {
        "text": text,
        "seconds": len(speech.samples) / speech.sample_rate,
        "stopped": speech.stopped,
        "wav": _base64(encode_wav(speech.samples, speech.sample_rate)),
        "mel": _base64(mel_png({"spoken": mel}, title=text, seconds_per_frame=seconds)),
        "alignment": _base64(
            alignment_png(
                speech.alignment_US,
                title=text,
                seconds_per_step=voice.config.reduction_factor * seconds,
                symbols=[voice.symbols.symbols[symbol] for symbol in voice.symbols.encode(text)],
            )
        ),
    }


@lru_cache(maxsize=VOICES)
def _voice(checkpoint: str, stamp: str) -> LoadedVoice:  # noqa: ARG001 - other weights at the same place are another voice
    return load_voice(Path(checkpoint))


@lru_cache(maxsize=1)
def _vocoder(folder: str) -> Vocoder:
    return load_vocoder(Path(folder))


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def main() -> None:
    """Answer until there are no more requests."""
    # Whatever prints must not get between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin:
        answers.write(json.dumps(answer(json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
