"""`tacotrain report`: the page about a study, as one file."""

import argparse
import json
import os
from pathlib import Path
from typing import Final

from tacotrain.cli_dashboard import STUDY_NAME
from tacotrain.errors import ConfigError
from tacotrain.files import read_json

STUDY_ENV: Final = "TACOTUNE_PAGE_STUDY"
"""The TTSStudy as JSON, where no file has it."""
EPILOG = f"""\
examples:
  TACOTUNE_READER_STORAGE_URL=postgresql://reader@db/optuna tacotrain report --study-directory runs/quickstart \\
    --study-name local.quickstart.0b2f3c4d --study runs/quickstart/study.json -o report.html

The page has the summary, the best trial, the history, the importance of parameters, parallel coordinates, alignments and samples of
the top five, failures and retries by cause, and hours by outcome. It is one file of 5 MB and what its sounds weigh, and needs no network.

The database is named by the environment only: every process of a machine may read the others' arguments. Without --study the
variable {STUDY_ENV} may hold the TTSStudy as JSON; without either, objectives have no names.

exit codes: 0 written, 64 wrong arguments or a variable that is missing, 66 no such study, 69 the database does not answer,
73, 74 cannot write, 77 permission denied
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `tacotrain report`."""
    parser.epilog = EPILOG
    parser.add_argument(
        "--study-directory", required=True, type=Path, metavar="DIR", help="the study's folder"
    )
    parser.add_argument(
        "--study-name", required=True, metavar="NAME", help="the study's name in Optuna's storage"
    )
    parser.add_argument(
        "-o", "--output", required=True, type=Path, metavar="FILE", help="the page, such as report.html"
    )
    parser.add_argument(
        "--study", type=Path, metavar="FILE", help="the TTSStudy as JSON: names of objectives, settings"
    )


def run(args: argparse.Namespace) -> int:
    """Run `tacotrain report`."""
    if not STUDY_NAME.fullmatch(args.study_name):
        raise ConfigError(
            f"--study-name: {args.study_name!r} is no study's name; it looks like voices.ruslan.0b2f3c4d"
        )
    if args.output.is_dir():
        raise ConfigError(f"--output: {args.output} is a folder; name a file, such as report.html")
    from tacotrain.dashboards.databases import READER, database  # noqa: PLC0415 - after --help

    url = database(READER)
    try:
        from tacotrain.study_page.make import make_page  # noqa: PLC0415
        from tacotrain.study_page.manifest import Manifest, parse_manifest  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{error.name} is not installed; add it with: pip install 'tacotrain[report]'"
        ) from error
    manifest = Manifest()
    if args.study is not None:
        manifest = parse_manifest(read_json(args.study), str(args.study))
    elif given := os.environ.get(STUDY_ENV):
        try:
            manifest = parse_manifest(json.loads(given), STUDY_ENV)
        except json.JSONDecodeError as error:
            raise ConfigError(f"{STUDY_ENV}: not JSON: {error.msg}") from error
    size = make_page(url, args.study_name, args.study_directory, manifest, args.output.absolute())
    print(f"{args.output} written, {size / 1e6:.1f} MB")  # noqa: T201 - the command's output
    return 0
