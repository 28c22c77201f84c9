"""`tacotune init`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tacotune.cli.exit_codes import Exit
from tacotune.cli.manifests import STDIN, complain


class PresetChoice(StrEnum):
    """Sizes of the model."""

    TINY = "tiny"
    SMALL = "small"
    BASE = "base"


class LanguageChoice(StrEnum):
    """Languages of the trainer."""

    ENGLISH = "en"
    RUSSIAN = "ru"


def init(  # noqa: PLR0917  typer passes by name
    name: Annotated[
        str, typer.Argument(help="Name of the study: lower-case letters, digits and -.")
    ] = "voice",
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder with wavs/ and metadata.csv.", file_okay=False)
    ] = None,
    claim: Annotated[str, typer.Option("--claim", help="PersistentVolumeClaim with the recordings.")] = "",
    preset: Annotated[PresetChoice | None, typer.Option("--preset", help="Size of the model.")] = None,
    language: Annotated[
        LanguageChoice | None, typer.Option("--language", help="Guessed from metadata.csv when absent.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write, - for standard output; NAME.yaml when absent."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
) -> None:
    """Write a manifest with comments, valid as it stands.

    \b
    Examples:
      tacotune init                                  voice.yaml, with speech made by espeak-ng
      tacotune init ruslan --data recordings/        your own recordings
      tacotune init ruslan --claim ruslan --preset base -o - | kubectl apply -f -
    """
    from tacotune.cli.starter import guess_language, starter_manifest, study_name  # noqa: PLC0415

    if data is not None and claim:
        raise typer.BadParameter("give --data or --claim, not both")
    if study_name(Path(name)) != name:
        raise typer.BadParameter(
            f"{name!r} is no name for a study; {study_name(Path(name))!r} would be", param_hint="NAME"
        )
    target = output or Path(f"{name}.yaml")
    spoken = language or (guess_language(data) if data is not None else LanguageChoice.ENGLISH)
    size = preset or (PresetChoice.SMALL if data is not None or claim else PresetChoice.TINY)
    located = _relative(data, target) if data is not None else None
    text = starter_manifest(
        name, language=LanguageChoice(spoken).value, preset=size.value, data=located, claim=claim
    )
    if target == STDIN:
        typer.echo(text, nl=False)
        return
    try:
        with target.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        complain(f"{target} exists; --force overwrites it")
        raise typer.Exit(Exit.USAGE) from None
    typer.echo(f"wrote {target}; next: tacotune plan {target}, tacotune run {target}", err=True)


def _relative(data: Path, target: Path) -> Path:
    """The folder as the manifest must name it: relative to the manifest where it lies beside or below."""
    if data.is_absolute() or target == STDIN:
        return data.resolve() if target == STDIN else data
    try:
        return data.resolve().relative_to(target.resolve().parent)
    except ValueError:
        return data.resolve()
