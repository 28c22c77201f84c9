"""Manifest files for the commands: reading, showing what is wrong, and finding the study that a person means."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from tacotune.cli.exit_codes import Exit

if TYPE_CHECKING:
    from tacotune.api.manifest import Problem
    from tacotune.api.study import TTSStudy
    from tacotune.local.rundir import RunDirectory

STDIN = Path("-")


def read_text(path: Path) -> str:
    """The text of a file, `-` being standard input.

    Raises:
        typer.Exit: with 66 when it cannot be read, 64 when it is no text.
    """
    try:
        return sys.stdin.read() if path == STDIN else path.read_text("utf-8")
    except UnicodeDecodeError as error:
        complain(f"{path}: not UTF-8 text: byte {error.start} is {error.object[error.start]:#04x}")
        raise typer.Exit(Exit.INVALID_MANIFEST) from error
    except OSError as error:
        complain(f"{path}: {error.strerror}")
        raise typer.Exit(Exit.MISSING) from error


def load_study(path: Path, overrides: Mapping[str, Any] | None = None) -> "TTSStudy":
    """The study of a manifest.

    Raises:
        typer.Exit: with 64 after its problems were printed, 66 when there is no such file.
    """
    from tacotune.api.manifest import InvalidManifestError, read_manifest  # noqa: PLC0415  pydantic is slow to import

    text = read_text(path)
    try:
        return read_manifest(text, overrides)
    except InvalidManifestError as error:
        for problem in error.problems:
            complain(located(path, problem))
        raise typer.Exit(Exit.INVALID_MANIFEST) from error


def located(path: Path, problem: "Problem") -> str:
    """`study.yaml:3:14: spec.maxTrials: …`, which editors and CI understand."""
    name = "<stdin>" if path == STDIN else str(path)
    return f"{name}:{problem}" if problem.line is not None else f"{name}: {problem}"


def parse_overrides(assignments: Sequence[str]) -> dict[str, Any]:
    """`--set sampler.seed=7` as values by path, read as YAML.

    Raises:
        typer.BadParameter: one of them is no assignment.
    """
    from tacotune.api.yaml_tree import plain, read_documents  # noqa: PLC0415  ruamel.yaml is slow to import

    values: dict[str, Any] = {}
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals or not path.strip():
            raise typer.BadParameter(f"{assignment!r} is not of the form path=value, such as maxTrials=4")
        documents = read_documents(text)
        if any(d.faults for d in documents):
            raise typer.BadParameter(f"{assignment!r}: {documents[0].faults[0].message}")
        root = documents[0].root if documents else None
        values[path.strip()] = plain(root) if root is not None else None
    return values


def find_study(study: str | None, runs: Path) -> "RunDirectory":
    """The run of a study that is named by its name, its folder, its manifest, or not at all where there is one only."""
    from tacotune.local.rundir import find_run  # noqa: PLC0415  pydantic is slow to import

    if study is not None and study.endswith((".yaml", ".yml")) and Path(study).is_file():
        study = load_study(Path(study)).metadata.name
    return find_run(study, runs)


def complete_study(incomplete: str) -> list[str]:
    """Names of the studies below ./runs, for the shell."""
    from tacotune.local.rundir import DEFAULT_RUNS, list_runs  # noqa: PLC0415  only when the shell asks

    return [run.name for run in list_runs(DEFAULT_RUNS) if run.name.startswith(incomplete)]


def complain(message: str) -> None:
    """One line on standard error."""
    typer.echo(message, err=True)
