"""`tacotune validate`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tacotune.cli.exit_codes import Exit
from tacotune.cli.manifests import STDIN, complain, located, read_text
from tacotune.cli.output import paint, print_json

if TYPE_CHECKING:
    from tacotune.api.manifest import ManifestFile


class Format(StrEnum):
    """How problems are printed."""

    TEXT = "text"
    JSON = "json"


def validate(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="YAML manifests; - reads standard input.")
    ],
    output: Annotated[Format, typer.Option("--output", "-o", help="How to print problems.")] = Format.TEXT,
) -> None:
    """Check manifests: every mistake at once, with line and column, and what to do.

    \b
    Examples:
      tacotune validate study.yaml
      tacotune validate examples/*.yaml
      kubectl get tts voice -o yaml | tacotune validate -
      tacotune validate -o json study.yaml
    """
    from tacotune.api.manifest import read_manifests  # noqa: PLC0415  pydantic is slow to import

    worst = Exit.OK
    checked: list[tuple[Path, ManifestFile]] = []
    for path in files:
        try:
            file = read_manifests(read_text(path))
        except typer.Exit as missing:
            worst = max(worst, Exit(missing.exit_code)) if worst is not Exit.INVALID_MANIFEST else worst
            continue
        checked.append((path, file))
        if file.problems:
            worst = Exit.INVALID_MANIFEST
    if output is Format.JSON:
        _print_json(checked)
    else:
        for path, file in checked:
            _print_text(path, file)
    raise typer.Exit(worst)


def _print_text(path: Path, file: "ManifestFile") -> None:
    for problem in file.problems:
        typer.echo(located(path, problem))
    if file.problems:
        count = len(file.problems)
        complain(f"{path}: {count} problem{'s' if count > 1 else ''}")
        return
    for manifest in file.manifests:
        assert manifest.study is not None, "a manifest without problems has a study"
        spec = manifest.study.spec
        typer.echo(
            f"{path}: {paint('valid', 'green')}: study {manifest.study.metadata.name}, {spec.max_trials} trials, "
            f"{len(spec.search_space)} parameters searched with {spec.sampler.name}",
            color=True,
        )
        folder = spec.dataset.path
        if folder is not None and path != STDIN and not (path.parent / Path(folder).expanduser()).exists():
            complain(f"{path}: note: spec.dataset.path: {folder} does not exist on this machine")
    for kind in file.skipped:
        complain(f"{path}: note: {kind} is not checked, only TTSStudy is")


def _print_json(checked: "list[tuple[Path, ManifestFile]]") -> None:
    print_json(
        [
            {
                "file": str(path),
                "line": problem.line,
                "column": problem.column,
                "path": problem.path,
                "message": problem.message,
                "hint": problem.hint,
            }
            for path, file in checked
            for problem in file.problems
        ]
    )
