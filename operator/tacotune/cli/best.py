"""`tacotune best`."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tacotune.cli.exit_codes import Exit
from tacotune.cli.manifests import complain, find_study
from tacotune.cli.output import number, paint, print_fields, print_json
from tacotune.cli.status import RunsOption, StudyArgument

if TYPE_CHECKING:
    from tacotune.api.study import TTSStudy
    from tacotune.local.rundir import BestVoice


def best(
    study: StudyArgument = None,
    directory: RunsOption = Path("runs"),
    export: Annotated[
        Path | None,
        typer.Option(
            "--export",
            help="Copy checkpoint, samples, pictures and parameters into this folder.",
            file_okay=False,
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace what lies there from an earlier export.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON, with absolute paths.")] = False,
) -> None:
    """Show the best voice so far: its parameters, metrics, checkpoint, samples and alignment pictures.

    \b
    Examples:
      tacotune best
      tacotune best quickstart --json | jq -r .checkpoint
      tacotune best quickstart --export voice/
    """
    run = find_study(study, directory)
    manifest = run.read_study()
    found = run.read_best()
    if found is None and manifest.spec.objectives is not None:
        complain(
            f"study {manifest.metadata.name} has several objectives and no single best; `tacotune trials {run.root}` lists all"
        )
        raise typer.Exit(Exit.MISSING)
    if found is None:
        complain(
            f"study {manifest.metadata.name} has no best voice yet; `tacotune status {run.root}` says how far it is"
        )
        raise typer.Exit(Exit.MISSING)
    voice, folder = found
    if export is not None:
        _export(voice, folder, manifest, export, force=force)
        folder = export
    document = _document(voice, folder.resolve(), manifest)
    if as_json:
        print_json(document)
    else:
        show(document, manifest)


def _document(voice: "BestVoice", folder: Path, manifest: "TTSStudy") -> dict[str, Any]:
    return {
        "study": manifest.metadata.name,
        "trial": voice.trial,
        "purpose": voice.purpose,
        "preset": voice.preset or manifest.spec.trainer.preset,
        "metric": manifest.spec.all_objectives[0].metric,
        "value": voice.value,
        "parameters": dict(voice.parameters),
        "metrics": dict(voice.metrics),
        "gateThreshold": voice.gate_threshold,
        "checkpoint": str(folder / voice.checkpoint),
        "samples": [str(folder / path) for path in voice.samples],
        "alignments": [str(folder / path) for path in voice.alignments],
    }


def show(document: dict[str, Any], manifest: "TTSStudy") -> None:
    """Print a voice, wherever it was read; what is not known of it is left out."""
    searched = {parameter.name for parameter in manifest.spec.search_space}
    trained = "trained fully with the parameters of trial" if document["purpose"] == "final" else "trial"
    parameters = document["parameters"]
    print_fields(
        [
            ("Study", document["study"]),
            ("Voice", f"{trained} {document['trial']}, preset {document['preset']}"),
            ("Score", paint(f"{document['metric']} {number(document['value'])}", "green")),
            ("Parameters", _lines({k: v for k, v in parameters.items() if k in searched})),
            ("Fixed", _lines({k: v for k, v in parameters.items() if k not in searched})),
            ("Metrics", _lines(document["metrics"])),
            ("Checkpoint", document["checkpoint"]),
            ("Samples", "\n".join(document.get("samples", ()))),
            ("Alignments", "\n".join(document.get("alignments", ()))),
        ]
    )


def _lines(values: Any) -> str:
    return "\n".join(f"{name}: {number(value)}" for name, value in values.items())


def _export(voice: "BestVoice", folder: Path, manifest: "TTSStudy", target: Path, *, force: bool) -> None:
    """Copy the voice; nothing that lies there is touched without `force`, and nothing else than the voice with it."""
    fragment = target / "parameters.yaml"
    copied = [target / name for name in ("best.json", "checkpoint", "samples", "alignments", "report.html")]
    there = [path for path in (*copied, fragment) if path.exists()]
    if there and not force:
        names = ", ".join(path.name for path in there)
        complain(f"{target} already holds {names}; --force replaces them")
        raise typer.Exit(Exit.USAGE)
    target.mkdir(parents=True, exist_ok=True)
    for path in copied:
        source = folder / path.name
        if path.is_dir():
            shutil.rmtree(path)
        if source.is_dir():
            shutil.copytree(source, path)
        elif source.exists():
            shutil.copy2(source, path)
    fragment.write_text(_fragment(voice, manifest), "utf-8")
    typer.echo(f"exported to {target}", err=True)


def _fragment(voice: "BestVoice", manifest: "TTSStudy") -> str:
    """The parameters as the part of a manifest that fixes them."""
    from json import dumps  # noqa: PLC0415  JSON's scalars are YAML's

    metric = manifest.spec.all_objectives[0].metric
    lines = [
        f"# The best voice of study {manifest.metadata.name}: trial {voice.trial}, {metric} {number(voice.value)}.",
        "# These fields in a manifest's spec train with the same parameters.",
        "spec:",
        "  trainer:",
        f"    preset: {voice.preset or manifest.spec.trainer.preset}",
        f"    seed: {manifest.spec.trainer.seed}",
        "  fixedParameters:",
        *(f"    {name}: {dumps(value)}" for name, value in voice.parameters.items()),
    ]
    return "\n".join(lines) + "\n"
