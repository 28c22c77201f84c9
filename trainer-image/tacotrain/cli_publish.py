"""`tacotrain publish`: put a trial's checkpoint forward as the best voice of its study."""

import argparse
import json
import logging
from pathlib import Path

from tacotrain.announce import ANNOUNCE, TOKEN, announce
from tacotrain.contract import parse_publication
from tacotrain.errors import ConfigError
from tacotrain.publish import publish
from tacotrain.termination import write_termination_message

log = logging.getLogger("tacotrain")

EPILOG = f"""\
examples:
  tacotrain publish --root /study --document '{{"source": "trial/7/checkpoints/step-00000250", "purpose": "trial",
    "trial": 7, "checkpoint": "checkpoints/step-00000250", "parameters": {{"learning_rate": 0.02}}, "preset": "base"}}'

Copies the checkpoint, its samples, alignment pictures and parameters into ROOT/best, which is replaced as a whole. Every
file's sha256 is in best/best.json. Running it again is harmless. {ANNOUNCE} ({{"title", "chatId", "url"}}) and {TOKEN}
in the environment have its picture and a sample sent to a Telegram chat; when that fails, the voice is published all the same.

exit codes: 0 published, 64 wrong document, 65 the checkpoint is damaged or there is nothing to listen to, 66 no such trial or
checkpoint, 73 ROOT/best cannot be made, 74 the disk is full, 77 permission denied
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `tacotrain publish`."""
    parser.epilog = EPILOG
    parser.add_argument("--root", required=True, type=Path, metavar="ROOT", help="the study's directory")
    parser.add_argument(
        "--document",
        required=True,
        metavar="JSON",
        help="what to publish: source, purpose, trial, checkpoint, parameters, preset",
    )


def run(args: argparse.Namespace) -> int:
    """Run `tacotrain publish`."""
    try:
        document = json.loads(args.document)
    except json.JSONDecodeError as error:
        raise ConfigError(f"--document: not JSON: {error.msg} at character {error.pos}") from error
    publication = parse_publication(document, source="--document")
    best = publish(args.root, publication)
    print(f"{publication.source} published in {best}")  # noqa: T201 - the command's output
    if reason := announce(best):
        log.warning("the voice was shown to nobody: %s", reason)
        write_termination_message({"state": "published", "exitCode": 0, "unannounced": reason})
    return 0
