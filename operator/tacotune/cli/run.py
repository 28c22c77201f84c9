"""`tacotune run`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tacotune.cli.exit_codes import Exit
from tacotune.cli.manifests import complain, load_study, parse_overrides

if TYPE_CHECKING:
    from tacotune.api.study import TTSStudy


def run(  # noqa: PLR0917  typer passes by name
    manifest: Annotated[
        Path, typer.Argument(metavar="FILE|FOLDER", help="A manifest, or recordings: wavs/ and metadata.csv.")
    ],
    directory: Annotated[
        Path, typer.Option("--directory", "-d", help="Folder of all runs.", file_okay=False)
    ] = Path("runs"),
    storage: Annotated[
        str | None,
        typer.Option(
            "--storage",
            metavar="DSN",
            envvar="TACOTUNE_STORAGE_URL",
            show_envvar=True,
            help="A Postgres of your own, postgresql://…; one comes along otherwise.",
        ),
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="PATH=VALUE", help="Replace a field of spec, such as maxTrials=4; repeatable."
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Recordings instead of the manifest's dataset.", file_okay=False),
    ] = None,
    parallelism: Annotated[
        int | None, typer.Option("--parallelism", "-p", min=1, help="Trials at the same time.")
    ] = None,
    live: Annotated[
        bool, typer.Option("--live/--no-live", help="A table that redraws itself, on a terminal.")
    ] = True,
    dashboards: Annotated[
        bool,
        typer.Option(
            "--dashboards/--no-dashboards",
            help="MLflow, TensorBoard, Optuna and demo, on this machine's ports 5000 to 5003 or 5010 to 5013 and so on.",
        ),
    ] = True,
    keep_dashboards: Annotated[
        bool, typer.Option("--keep-dashboards", help="Serve them after the study's end, until Ctrl-C.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the end only.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the last status as JSON.")] = False,
) -> None:
    """Run a study on this machine: no cluster needed, trials are processes.

    Ctrl-C lets every trial write a checkpoint and stops; the same command goes on. A second Ctrl-C kills.

    \b
    Examples:
      tacotune run examples/quickstart.yaml
      tacotune run recordings/                                a folder with wavs/ and metadata.csv
      tacotune run study.yaml --set maxTrials=4 --set fixedParameters.epochs=2 -p 2
      tacotune run study.yaml --keep-dashboards               look at the pages when it has ended
      tacotune run study.yaml --storage postgresql://user@host/tacotune
    """
    overrides = parse_overrides(assignments or [])
    if parallelism is not None:
        overrides["parallelism"] = parallelism
    base = manifest.parent
    if manifest.is_dir():
        _require_recordings(manifest)
        study = _study_of_folder(manifest, overrides)
    else:
        study = load_study(manifest, overrides)
    if data is not None:
        _require_recordings(data)
        study = _with_data(study, data)

    from tacotune.local.options import RunOptions  # noqa: PLC0415  Optuna and rich are slow to import
    from tacotune.local.runner import run_study  # noqa: PLC0415

    options = RunOptions(
        directory=directory,
        storage=storage,
        live=live,
        quiet=quiet,
        json=as_json,
        dashboards=dashboards or keep_dashboards,
        keep_dashboards=keep_dashboards,
    )
    raise typer.Exit(run_study(study, base, options))


def _require_recordings(folder: Path) -> None:
    if not (folder / "metadata.csv").is_file():
        complain(
            f"{folder}: no metadata.csv; recordings are a folder with wavs/ and metadata.csv (name|text), as LJSpeech has them"
        )
        raise typer.Exit(Exit.MISSING)


def _study_of_folder(folder: Path, overrides: dict[str, object]) -> "TTSStudy":
    from tacotune.api.manifest import InvalidManifestError, read_manifest  # noqa: PLC0415
    from tacotune.cli.starter import guess_language, starter_manifest, study_name  # noqa: PLC0415

    language = guess_language(folder)
    text = starter_manifest(study_name(folder), language=language, preset="small", data=folder.resolve())
    try:
        return read_manifest(text, overrides)
    except InvalidManifestError as error:
        # The starter is valid, so only --set can be at fault; its lines are in no file of the user's.
        for problem in error.problems:
            complain(
                f"--set: {problem.path}: {problem.message}" + (f" ({problem.hint})" if problem.hint else "")
            )
        raise typer.Exit(Exit.INVALID_MANIFEST) from error


def _with_data(study: "TTSStudy", folder: Path) -> "TTSStudy":
    changes = {"path": str(folder.resolve()), "speech": None, "persistent_volume_claim": None}
    spec = study.spec.model_copy(update={"dataset": study.spec.dataset.model_copy(update=changes)})
    return study.model_copy(update={"spec": spec})
