"""The command line: picks one command, and turns whatever happens into an exit code and a last line that helps.

Each command is a module with `add_arguments(parser)` and `run(args)`. Only the one that is asked for is imported, because their
libraries take seconds to load, and `--help` and mistakes should answer at once.
"""

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Final, NoReturn

from tacotrain.errors import ConfigError, Interrupted, TrainerError, WorkerLost
from tacotrain.logs import last_line, set_up_logging
from tacotrain.termination import write_termination_message

_LONGEST_MESSAGE: Final = 2000
"""Characters; Kubernetes keeps 4096 bytes of a termination message."""

COMMANDS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "prepare": ("tacotrain.cli_prepare", "check recordings and prepare them for training"),
        "train": ("tacotrain.cli_train", "train a voice, or go on training it"),
        "launch": ("tacotrain.cli_launch", "train in several processes, one for each GPU"),
        "evaluate": ("tacotrain.cli_evaluate", "measure a checkpoint"),
        "synthesize": ("tacotrain.cli_synthesize", "speak a text with a checkpoint"),
        "publish": ("tacotrain.cli_publish", "put a checkpoint forward as the best voice of its study"),
        "dashboard": (
            "tacotrain.cli_dashboard",
            "show a study to people: MLflow, TensorBoard, Optuna, a demo",
        ),
        "report": ("tacotrain.cli_report", "write the page about a study, as one file"),
        "bench": ("tacotrain.bench", "measure the speed of training on this machine"),
        "config": ("tacotrain.cli_config", "show, check and describe parameters"),
    }
)
"""Module and summary of each command."""

EPILOG: Final = """\
examples:
  tacotrain prepare --speech en --out prepared/demo
  tacotrain train --preset tiny --data prepared/demo --out runs/demo
  tacotrain evaluate --checkpoint runs/demo --data prepared/demo
  tacotrain synthesize --checkpoint runs/demo --text "the red cat sees a dog" -o cat.wav
  tacotrain config show --preset small --set batch_size=16

exit codes:
  0 finished   64 wrong arguments or configuration   65 bad data   66 input missing   69 device or worker unavailable
  70 internal error   73, 74 cannot write   75 checkpointed on SIGTERM or deadline   77 permission denied
"""

log = logging.getLogger("tacotrain")


class _Parser(argparse.ArgumentParser):
    """Raises instead of exiting, so that a wrong argument ends like any other wrong configuration."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; see: {self.prog} --help")


class _Version(argparse.Action):
    """Asks for the version only when it is wanted: reading package metadata is slow."""

    def __init__(self, option_strings: Sequence[str], dest: str, **_: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, help="show the version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version  # noqa: PLC0415

        print(f"tacotrain {version('tacotrain')}")  # noqa: T201 - the command's output
        parser.exit()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        args = build_parser(arguments).parse_args(arguments)
        set_up_logging(os.environ, to_stderr=bool(getattr(args, "json", False)))
        return int(args.run(args))
    except TrainerError as error:
        return _leave(str(error), error.exit_code, error)
    except BrokenPipeError:
        # `tacotrain config schema | head`: nobody reads any more; keep Python from complaining at exit.
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return _leave("stopped by Ctrl-C before there was anything to save", Interrupted.exit_code)
    except Exception as error:
        # The last resort: a traceback for us, one line for the user.
        log.exception("unexpected error")
        message = f"internal error ({type(error).__name__}: {error}); please report it with the lines above"
        return _leave(message, TrainerError.exit_code, error)


def build_parser(arguments: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The parser; a command has its arguments only if it is named in `arguments`."""
    parser = _Parser(
        prog="tacotrain",
        description="Trains Tacotron 2 voices: resumes exactly, and is honest about how they speak.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    wanted = next((argument for argument in arguments if not argument.startswith("-")), None)
    for name, (module, summary) in COMMANDS.items():
        command = commands.add_parser(
            name, help=summary, description=summary, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if name == wanted:
            implementation = importlib.import_module(module)
            implementation.add_arguments(command)
            command.set_defaults(run=implementation.run)
    return parser


def _leave(message: str, exit_code: int, error: Exception | None = None) -> int:
    """Say what to do, last on stderr and in the termination message."""
    line = "; ".join(part.strip() for part in message.splitlines() if part.strip())[:_LONGEST_MESSAGE]
    last_line(f"tacotrain: {line}")
    document: dict[str, Any] = {"state": "failed", "exitCode": exit_code, "message": line}
    if _is_cuda_out_of_memory(error):
        document["cudaOutOfMemory"] = True
    # For want of another worker says less than what that one said.
    write_termination_message(document, if_unsaid=isinstance(error, WorkerLost))
    return exit_code


def _is_cuda_out_of_memory(error: Exception | None) -> bool:
    """Ours says so; torch's own comes from a model that does not even fit. Asked by name, for torch is slow to load."""
    torchs = type(error).__name__ == "OutOfMemoryError" and type(error).__module__.startswith("torch")
    return bool(getattr(error, "cuda", torchs))
