"""`kubectl tacotune completion`."""

from typing import Annotated

import typer

from tacotune.cli.completion import Shell
from tacotune.cli.kubectl import COMPLETE_VARIABLE

PROGRAM = "kubectl-tacotune"


def completion(context: typer.Context, shell: Annotated[Shell, typer.Argument(help="Your shell.")]) -> None:
    """Print the script that completes the program kubectl-tacotune, studies' names of the cluster included.

    kubectl completes `kubectl tacotune` by itself: where its own completion is set up (kubectl completion --help), it
    asks kubectl_complete-tacotune, which lies beside kubectl-tacotune.

    \b
    Examples:
      bash:  eval "$(kubectl tacotune completion bash)"         in ~/.bashrc
      zsh:   eval "$(kubectl tacotune completion zsh)"          in ~/.zshrc, after compinit
      fish:  kubectl tacotune completion fish > ~/.config/fish/completions/kubectl-tacotune.fish
    """
    from typer.completion import shell_complete  # noqa: PLC0415  only when asked

    root = context.find_root()
    code = shell_complete(root.command, {}, PROGRAM, COMPLETE_VARIABLE, f"source_{shell}")
    raise typer.Exit(code)
