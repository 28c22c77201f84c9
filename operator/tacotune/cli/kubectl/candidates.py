"""Answers to kubectl's own completion; the program `kubectl_complete-tacotune`.

kubectl completes `kubectl tacotune …` by running it with the words behind `tacotune`, the last one unfinished; it reads one
candidate a line, and a directive for the shell from the last line.
"""

import os
import shlex
from collections.abc import Sequence

import typer

from tacotune.cli.kubectl import COMPLETE_VARIABLE
from tacotune.cli.kubectl.app import app
from tacotune.cli.kubectl.completion import PROGRAM

NO_FILES = 4
"""Directive: nothing else than these candidates."""
FILES = 0
"""Directive: where there is no candidate, the shell completes names of files."""
TAKES_FILES = frozenset({"--kubeconfig"})
EXPORT_TARGET = frozenset({"-o", "--output"})


def answer_kubectl(words: Sequence[str]) -> None:
    """Print candidates for the last word, then the directive."""
    os.environ |= {
        COMPLETE_VARIABLE: "complete_bash",
        "COMP_WORDS": shlex.join([PROGRAM, *words]),
        "COMP_CWORD": str(max(len(words), 1)),
    }
    try:
        app(prog_name=PROGRAM, complete_var=COMPLETE_VARIABLE)
    except SystemExit:
        typer.echo(f":{directive(words)}")


def directive(words: Sequence[str]) -> int:
    """Whether the word that is being written may be the name of a file."""
    before = words[-2] if len(words) > 1 else ""
    files = TAKES_FILES | (EXPORT_TARGET if words and words[0] == "export" else frozenset())
    return FILES if before in files else NO_FILES
