"""One place that turns errors into a line and an exit code, for every program of ours."""

from typing import Any

import typer
from typer.core import TyperGroup

from tacotune.cli.exit_codes import exit_code


class Commands(TyperGroup):
    """Errors that tacotune raises on purpose become one line; all others keep their traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            code = exit_code(error)
            if code is None:
                raise
            typer.echo(f"{ctx.find_root().info_name}: {error}", err=True)
            raise typer.Exit(code) from error
