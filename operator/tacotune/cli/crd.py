"""`tacotune crd`."""

from pathlib import Path
from typing import Annotated

import typer


def crd(
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write; standard output when absent.", dir_okay=False),
    ] = None,
) -> None:
    """Print the CustomResourceDefinition of TTSStudy, made from the same models that check manifests.

    \b
    Examples:
      tacotune crd | kubectl apply --server-side -f -
      tacotune crd --output crds/ttsstudies.yaml
    """
    from tacotune.api.crd import crd_yaml  # noqa: PLC0415  pydantic is slow to import

    text = crd_yaml()
    if output is None:
        typer.echo(text, nl=False)
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text, "utf-8")
    typer.echo(f"wrote {output}", err=True)
