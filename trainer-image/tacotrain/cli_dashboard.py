"""`tacotrain dashboard`: show one study to people, on a port."""

import argparse
import importlib
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tacotrain.errors import ConfigError

EPILOG = """\
examples:
  tacotrain dashboard tensorboard --study-directory runs/quickstart --study-name local.quickstart.0b2f3c4d
  TACOTUNE_READER_STORAGE_URL=postgresql://reader@db/optuna tacotrain dashboard optuna --study-directory /study/0b2f… \\
    --study-name voices.quickstart.0b2f3c4d --host 0.0.0.0

kinds and their ports:
  mlflow 5000        runs, parameters, metrics and samples; needs TACOTUNE_MLFLOW_STORAGE_URL, a database of its own, and
                     TACOTUNE_READER_STORAGE_URL, from which it copies what happens
  tensorboard 5001   curves, alignments and sounds while they are made
  optuna 5002        the Optuna Dashboard, read-only; needs TACOTUNE_READER_STORAGE_URL
  demo 5003          type, and the best voice speaks; answers 503 until there is one

Databases are named by the environment only: every process of a machine may read the others' arguments. It runs until SIGTERM.

exit codes: 0 told to end, or nobody looked for --idle-after seconds, 64 wrong arguments, a port that is taken or a variable that is missing, 70 internal error, 77 permission denied
"""

PORTS: Final[Mapping[str, int]] = {"mlflow": 5000, "tensorboard": 5001, "optuna": 5002, "demo": 5003}
"""Where each kind listens unless told otherwise."""
# <namespace>.<name>.<first 8 of the uid>, as the operator names a study in Optuna's storage.
STUDY_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]*")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `tacotrain dashboard`."""
    parser.epilog = EPILOG
    parser.add_argument("kind", choices=tuple(PORTS), help="which page")
    parser.add_argument(
        "--study-directory",
        required=True,
        type=Path,
        metavar="DIR",
        help="the study's folder; it may be missing yet",
    )
    parser.add_argument(
        "--study-name", required=True, metavar="NAME", help="the study's name in Optuna's storage"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, help="port to listen on (default: 5000 to 5003, by kind)")
    parser.add_argument(
        "--allowed-host",
        action="append",
        default=[],
        metavar="HOST",
        help="a name under which browsers ask for the page, such as voices.example.org; may be given several times",
    )
    parser.add_argument(
        "--idle-after",
        type=int,
        metavar="SECONDS",
        help="end when nobody has looked for so long; a pod then leaves the termination message `idle` (default: never)",
    )
    parser.add_argument(
        "--end-with-input",
        action="store_true",
        help="end with standard input as well: for programs that start a page and must not leave it behind",
    )


def run(args: argparse.Namespace) -> int:
    """Run `tacotrain dashboard`."""
    port = PORTS[args.kind] if args.port is None else args.port
    if not 0 <= port <= 65_535:
        raise ConfigError(f"--port: {port} is not a port; name one from 1 to 65535")
    if not STUDY_NAME.fullmatch(args.study_name):
        raise ConfigError(
            f"--study-name: {args.study_name!r} is no study's name; it looks like voices.ruslan.0b2f3c4d"
        )
    if args.idle_after is not None and args.idle_after < 1:
        raise ConfigError(f"--idle-after: {args.idle_after} is no time; give seconds, at least 1")
    try:
        page = importlib.import_module(f"tacotrain.dashboards.{args.kind}")
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{args.kind}: {error.name} is not installed; add it with: pip install 'tacotrain[dashboards]'"
        ) from error
    from tacotrain.dashboards.options import Options  # noqa: PLC0415 - beside the page that needs it

    options = Options(
        host=args.host,
        port=port,
        study_directory=args.study_directory.absolute(),
        study_name=args.study_name,
        allowed_hosts=tuple(args.allowed_host),
        idle_after=args.idle_after,
    )
    if args.end_with_input:
        from tacotrain.dashboards.until import end_with_input  # noqa: PLC0415 - as above

        end_with_input()
    # What the pages' libraries tell their makers is no news to those who look.
    warnings.simplefilter("ignore")
    code: int = page.serve(options)
    return code
