"""`tacotune completion`."""

from enum import StrEnum
from typing import Annotated

import typer


class Shell(StrEnum):
    """Shells with a completion script."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(context: typer.Context, shell: Annotated[Shell, typer.Argument(help="Your shell.")]) -> None:
    """Print the script that completes commands, options and study names in a shell.

    \b
    Examples:
      bash:  eval "$(tacotune completion bash)"         in ~/.bashrc
      zsh:   eval "$(tacotune completion zsh)"          in ~/.zshrc, after compinit
      fish:  tacotune completion fish > ~/.config/fish/completions/tacotune.fish
    """
    from typer.completion import shell_complete  # noqa: PLC0415  only when asked

    root = context.find_root()
    code = shell_complete(root.command, {}, "tacotune", "_TACOTUNE_COMPLETE", f"source_{shell}")
    raise typer.Exit(code)
