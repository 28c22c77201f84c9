"""`tacotrain publish`: put a trial's checkpoint forward as the best voice of its study."""

import argparse
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from tacotrain.announce import ANNOUNCE, TOKEN, announce
from tacotrain.contract import parse_publication
from tacotrain.errors import ConfigError
from tacotrain.publish import publish
from tacotrain.termination import write_termination_message

PAGE_OF: Final = "TACOTUNE_PAGE_OF"
"""The study, as Optuna's storage has it, whose page is wanted beside the voice."""
PAGE: Final = "report.html"
PAGE_SECONDS: Final = 300

log = logging.getLogger("tacotrain")

EPILOG = f"""\
examples:
  tacotrain publish --root /study --document '{{"source": "trial/7/checkpoints/step-00000250", "purpose": "trial",
    "trial": 7, "checkpoint": "checkpoints/step-00000250", "parameters": {{"learning_rate": 0.02}}, "preset": "base"}}'

Copies the checkpoint, its samples, alignment pictures and parameters into ROOT/best, which is replaced as a whole. Every
file's sha256 is in best/best.json. Running it again is harmless. {ANNOUNCE} ({{"title", "chatId", "url"}}) and {TOKEN}
in the environment have its picture and a sample sent to a Telegram chat; when that fails, the voice is published all the same.

With TACOTUNE_PAGE_OF, a study's name in Optuna's storage, and TACOTUNE_READER_STORAGE_URL it also leaves the study page in
ROOT/best/report.html, as `tacotrain report` makes it. A page that cannot be made is a line, and the voice is published.

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
    print(f"{publication.source} published in {best}", flush=True)  # noqa: T201 - the command's output
    if reason := announce(best):
        log.warning("the voice was shown to nobody: %s", reason)
        write_termination_message({"state": "published", "exitCode": 0, "unannounced": reason})
    if study := os.environ.get(PAGE_OF):
        print(leave_page(args.root, best, study))  # noqa: T201
    return 0


def leave_page(root: Path, best: Path, study: str) -> str:
    """Make the study page beside a voice that is published; a line that says what became of it."""
    command = [sys.executable, "-m", "tacotrain", "report", "--study-directory", str(root)]
    command += ["--study-name", study, "--output", str(best / PAGE)]
    try:
        # A process of its own: it may hang, lack its libraries or end badly, and the voice is published all the same. What it
        # says last is no last word of this one.
        done = subprocess.run(  # noqa: S603 - this program itself, arguments as a list
            command,
            env={**os.environ, "TACOTUNE_TERMINATION_LOG": os.devnull},
            capture_output=True,
            text=True,
            check=False,
            timeout=PAGE_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"no study page: {error}"
    said = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    last = said[-1].removeprefix("tacotrain: ") if said else f"exit code {done.returncode}"
    return last if done.returncode == 0 else f"no study page: {last}"
