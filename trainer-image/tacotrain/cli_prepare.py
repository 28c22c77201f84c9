"""`tacotrain prepare`: arguments and output; `cli` mounts it and turns errors into exit codes."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tacotrain.corpus import GRAMMARS, CorpusSpec
from tacotrain.data.origin import Progress
from tacotrain.data.prepare import Options, prepare
from tacotrain.data.report import Report, UnusableData, print_report
from tacotrain.errors import ConfigError
from tacotrain.text.symbols import LANGUAGES

DESCRIPTION = """\
Check recordings and prepare them for training.

SOURCE is a folder in LJSpeech layout (wavs/NAME.wav and metadata.csv with NAME|text or NAME|text|normalized text
lines), or a file with path|text lines. Recordings are WAV or FLAC, one channel, 22050 Hz. Everything is checked
before anything is written: sample rate, channels, silence, clipping, length, characters that no one can read, texts that
do not fit their sound, duplicates. OUT appears complete or not at all; running the same command again reuses it.
"""

EPILOG = """\
examples:
  tacotrain prepare LJSpeech-1.1 --out prepared/lj
  tacotrain prepare ruslan/list.txt --language ru --skip-bad --out prepared/ruslan
  tacotrain prepare --speech en --train 400 --validation 32 --out prepared/demo

exit codes: 0 prepared or reused, 64 wrong arguments, 65 recordings cannot be used (all of them are listed, and written
to OUT.report.json), 66 SOURCE or espeak-ng is missing, 73 OUT cannot be made, 74 the disk is full
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `tacotrain prepare`."""
    parser.description = DESCRIPTION
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "source", nargs="?", type=Path, metavar="SOURCE", help="folder in LJSpeech layout, or path|text list"
    )
    parser.add_argument(
        "--out", required=True, type=Path, metavar="DIR", help="folder of the prepared dataset"
    )
    parser.add_argument("--language", choices=LANGUAGES, help="how to read the texts (default: en)")
    parser.add_argument(
        "--phonemes", action="store_true", help="train on phonemes by espeak-ng instead of letters"
    )
    parser.add_argument("--skip-bad", action="store_true", help="leave out recordings that cannot be used")
    parser.add_argument("--json", action="store_true", help="print the report as JSON on stdout, no table")
    speech = parser.add_argument_group("a small corpus spoken by espeak-ng, instead of SOURCE")
    speech.add_argument("--speech", choices=tuple(GRAMMARS), help="its language")
    speech.add_argument("--train", type=int, metavar="N", help="utterances to learn from (default: 400)")
    speech.add_argument("--validation", type=int, metavar="N", help="utterances held out (default: 32)")
    speech.add_argument("--rate", type=int, metavar="N", help="words per minute (default: 250)")
    speech.add_argument("--seed", type=int, metavar="N", help="of the sentences (default: 0)")


def run(args: argparse.Namespace) -> int:
    """Run `tacotrain prepare`; errors of the tree in `errors` go up to the caller."""
    source = _source(args)
    options = Options(language=args.language or "en", phonemes=args.phonemes, skip_bad=args.skip_bad)
    try:
        with _progress() as progress:
            prepared = prepare(source, args.out, options, progress)
    except UnusableData as error:
        _print(error.report, as_json=args.json)
        raise
    _print(prepared.report, as_json=args.json)
    dataset = prepared.dataset
    done = "is there already, from the same inputs" if prepared.reused else "prepared"
    print(
        f"{dataset.path} {done}: {len(dataset.train)} utterances to train, {len(dataset.validation)} to validate, "
        f"{dataset.header.frames} mel frames",
        file=sys.stderr if args.json else sys.stdout,
    )
    return 0


def _source(args: argparse.Namespace) -> Path | CorpusSpec:
    corpus = {name: getattr(args, name) for name in ("train", "validation", "seed", "rate")}
    given = {name: value for name, value in corpus.items() if value is not None}
    if (args.source is None) == (args.speech is None):
        raise ConfigError("prepare: give either SOURCE or --speech; see tacotrain prepare --help")
    if args.speech is None:
        if given:
            raise ConfigError(f"prepare: --{next(iter(given))} belongs to --speech, not to SOURCE")
        source: Path = args.source
        return source
    if args.language not in {None, args.speech}:
        raise ConfigError(
            f"prepare: --language {args.language} contradicts --speech {args.speech}; leave it out"
        )
    return CorpusSpec(args.speech, **given)


def _print(report: Report, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(report.to_json())
        return
    from rich.console import Console  # noqa: PLC0415 - JSON needs no table

    print_report(report, Console())


@contextmanager
def _progress() -> Iterator[Progress]:
    """Bars on a terminal, otherwise a line at every quarter of a stage."""
    if not sys.stderr.isatty():
        yield _tell_in_lines
        return
    from rich.console import Console  # noqa: PLC0415 - logs need no bars
    from rich.progress import Progress as Bars  # noqa: PLC0415

    with Bars(console=Console(stderr=True), transient=True) as bars:
        tasks = {}

        def tell(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done)

        yield tell


def _tell_in_lines(stage: str, done: int, total: int) -> None:
    if done in {total * quarter // 4 for quarter in (1, 2, 3, 4)}:
        print(f"{stage} {done} of {total}", file=sys.stderr, flush=True)  # noqa: T201 - progress, not a log
