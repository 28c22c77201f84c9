"""`tacotrain config`: show, check and describe parameters."""

import argparse
import json
import sys
from pathlib import Path

from tacotrain.config import TrainConfig, schema
from tacotrain.presets import PRESETS
from tacotrain.settings import parse_settings

EPILOG = """\
examples:
  tacotrain config show --preset small
  tacotrain config check --preset tiny --set learning_rate=0.01
  tacotrain config check --trial trial.json
  tacotrain config schema > parameters.json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `tacotrain config`."""
    parser.epilog = EPILOG
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", dest="config_command", required=True
    )
    show = commands.add_parser("show", help="print all parameters of a preset as JSON")
    _add_parameters(show)
    check = commands.add_parser("check", help="say what is wrong with parameters or a trial document")
    _add_parameters(check)
    check.add_argument("--trial", type=Path, metavar="FILE", help="check this trial.json instead")
    commands.add_parser(
        "schema", help="print every parameter with its kind, default, bounds and meaning as JSON"
    )


def _add_parameters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--preset", choices=tuple(PRESETS), default="tiny", help="recipe to begin with (default: tiny)"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="change a parameter; repeatable"
    )


def run(args: argparse.Namespace) -> int:
    """Run `tacotrain config`."""
    match args.config_command:
        case "schema":
            _print_json(schema())
        case "show":
            _print_json(TrainConfig.resolve(args.preset, parse_settings(args.set)).as_dict())
        case _:
            _check(args)
    return 0


def _check(args: argparse.Namespace) -> None:
    if args.trial is None:
        config = TrainConfig.resolve(args.preset, parse_settings(args.set))
    else:
        from tacotrain.contract import read_trial  # noqa: PLC0415 - pydantic is slow to load

        trial = read_trial(args.trial)
        config = TrainConfig.resolve(trial.preset, trial.parameters)
    print(f"all {len(config.as_dict())} parameters are valid")  # noqa: T201 - the command's output


def _print_json(document: object) -> None:
    json.dump(document, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")
