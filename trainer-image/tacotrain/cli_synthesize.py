"""`tacotrain synthesize`: speak a text."""

import argparse
import logging
from pathlib import Path

EPILOG = """\
examples:
  tacotrain synthesize --checkpoint runs/demo --text "the red cat sees a dog" -o cat.wav
"""

log = logging.getLogger("tacotrain")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `tacotrain synthesize`."""
    parser.epilog = EPILOG
    parser.add_argument(
        "--checkpoint",
        required=True,
        type=Path,
        metavar="DIR",
        help="checkpoint, or a trial directory: its best one",
    )
    parser.add_argument("--text", required=True, help="what to say; numbers and abbreviations are read out")
    parser.add_argument("-o", "--out", required=True, type=Path, metavar="FILE", help="wav file to write")
    parser.add_argument(
        "--seed", type=int, default=0, help="the voice never says a sentence twice alike (default: 0)"
    )
    parser.add_argument(
        "--iterations", type=int, default=60, metavar="N", help="of the vocoder (default: 60)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")


def run(args: argparse.Namespace) -> int:
    """Run `tacotrain synthesize`."""
    from tacotrain.audio.wav import write_wav  # noqa: PLC0415 - libraries take seconds to load
    from tacotrain.device import choose_device  # noqa: PLC0415
    from tacotrain.files import make_directory  # noqa: PLC0415
    from tacotrain.synth import speak  # noqa: PLC0415
    from tacotrain.text.frontend import Frontend  # noqa: PLC0415
    from tacotrain.voice import load_voice  # noqa: PLC0415

    device = choose_device(args.device)
    voice = load_voice(args.checkpoint, device)
    (text,) = Frontend.for_language(voice.language, phonemes=voice.profile.phonemes).read((args.text,))
    (speech,) = speak(voice, (text,), seed=args.seed, griffin_lim_iterations=args.iterations)
    make_directory(args.out.resolve().parent)
    write_wav(args.out, speech.samples, speech.sample_rate)
    if not speech.stopped:
        log.warning("the voice did not find the end of the sentence; it was cut")
    log.info("%s: %.2f s", args.out, len(speech.samples) / speech.sample_rate)
    return 0
