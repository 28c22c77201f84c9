"""`tacotune plan`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tacotune.cli.manifests import load_study, parse_overrides
from tacotune.cli.output import duration, number, print_fields, print_json, print_table, size
from tacotune.cli.status import RunsOption

if TYPE_CHECKING:
    from tacotune.api.study import TTSStudy
    from tacotune.local.estimate import Estimate, Measured
    from tacotune.local.rundir import TrialRow


def plan(  # noqa: PLR0917  typer passes by name
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A manifest; - reads standard input.")],
    count: Annotated[int, typer.Option("--trials", "-n", min=0, help="Parameter sets to show.")] = 10,
    seconds_per_step: Annotated[
        float | None,
        typer.Option(
            "--seconds-per-step",
            min=0.0,
            help="Speed of one optimizer step; that of the study's earlier trials when absent. `tacotrain bench` measures it.",
        ),
    ] = None,
    utterances: Annotated[
        int | None,
        typer.Option("--utterances", min=1, help="Size of the dataset, where the manifest does not tell."),
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Replace a field of spec; repeatable."),
    ] = None,
    directory: RunsOption = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Dry run: the first parameter sets, and trials, steps, hours and bytes at the most. Needs no database.

    \b
    Examples:
      tacotune plan study.yaml
      tacotune plan study.yaml --seconds-per-step 0.8 --utterances 13100
      tacotune plan study.yaml --set maxTrials=100 --set parallelism=8
    """
    from tacotune.local.estimate import Measured  # noqa: PLC0415  pydantic is slow to import

    study = load_study(file, parse_overrides(assignments or []))
    measured = (
        Measured(seconds_per_step, "given by --seconds-per-step")
        if seconds_per_step is not None
        else _measured(study, directory)
    )
    guess, proposals = work_out(
        study, measured=measured, utterances=utterances, base=file.parent, count=count
    )
    if as_json:
        print_json(document(study, guess, proposals))
    else:
        show(study, guess, proposals)


def work_out(
    study: "TTSStudy", *, measured: "Measured", utterances: int | None, base: Path, count: int
) -> "tuple[Estimate, list[Any]]":
    """What a study can cost, and what would be asked first, wherever its manifest was read.

    Args:
        study: The manifest.
        measured: Speed seen before.
        utterances: Size of the dataset, where a person tells it.
        base: Folder that `dataset.path` starts from.
        count: How many parameter sets.
    """
    from tacotune.adapters.preview import configurations, preview  # noqa: PLC0415  Optuna is slow to import
    from tacotune.local.estimate import estimate  # noqa: PLC0415

    amount, source = (utterances, "given by --utterances") if utterances else _utterances(study, base)
    guess = estimate(
        study.spec,
        utterances=amount,
        utterances_source=source,
        measured=measured,
        configurations=configurations(study.spec),
    )
    return guess, list(preview(study.spec, min(count, guess.trials)))


def _measured(study: "TTSStudy", runs: Path) -> "Measured":
    """The slowest step among the finished trials of an earlier run."""
    from tacotune.local.rundir import RunDirectory  # noqa: PLC0415  pydantic is slow to import

    run = RunDirectory.of(runs, study.metadata.name)
    return pace(run.read_trials() if run.exists() else (), f"in {run.root}")


def pace(rows: "Sequence[TrialRow]", where: str) -> "Measured":
    """The slowest step among finished trials."""
    from tacotune.local.estimate import Measured  # noqa: PLC0415  as above

    paces = [row.seconds / row.steps for row in rows if row.ended_at and row.steps and row.seconds]
    if not paces:
        return Measured()
    return Measured(max(paces), f"the slowest of {len(paces)} finished trials {where}")


def _utterances(study: "TTSStudy", base: Path) -> tuple[int | None, str]:
    dataset = study.spec.dataset
    if dataset.speech is not None:
        return dataset.speech.utterances, "dataset.speech.utterances"
    if dataset.path is not None:
        listing = base / Path(dataset.path).expanduser() / "metadata.csv"
        try:
            with listing.open("rb") as file:
                return sum(1 for line in file if line.strip()), f"lines of {listing}"
        except OSError:
            return None, ""
    return None, ""


def document(study: "TTSStudy", guess: "Estimate", proposals: list[Any]) -> dict[str, Any]:
    """All of it, for programs."""
    return {
        "study": study.metadata.name,
        "maxTrials": guess.trials,
        "parallelism": study.spec.parallelism,
        "utterances": guess.utterances,
        "stepsPerTrial": guess.steps_per_trial,
        "repeatedSteps": guess.repeated_steps,
        "trialSeconds": guess.trial_seconds,
        "studySeconds": guess.study_seconds,
        "busySeconds": guess.busy_seconds,
        "modelParameters": guess.parameters,
        "checkpointBytes": guess.checkpoint_bytes,
        "diskBytes": guess.disk_bytes,
        "sources": list(guess.sources),
        "proposals": proposals,
    }


def show(study: "TTSStudy", guess: "Estimate", proposals: list[Any]) -> None:
    """Print it for people."""
    spec = study.spec
    names = [parameter.name for parameter in spec.search_space]
    if proposals:
        rows = [
            [str(index), *(number(row[name]) if name in row else "-" for name in names)]
            for index, row in enumerate(proposals)
        ]
        print_table([">TRIAL", *(f">{name.upper()}" for name in names)], rows)
        typer.echo(f"\n{_honesty(study, len(proposals))}\n")
    unknown = "unknown: give --seconds-per-step" if guess.steps_per_trial else "unknown: give --utterances"
    devices = _devices(study)
    print_fields(
        [
            (
                "Study",
                f"{study.metadata.name}: {guess.trials} trials at the most, {spec.parallelism} at a time, sampler {spec.sampler.name}",
            ),
            ("Steps", _steps(guess)),
            ("One trial", duration(guess.trial_seconds) if guess.trial_seconds is not None else unknown),
            ("Whole study", duration(guess.study_seconds) if guess.study_seconds is not None else unknown),
            (
                "Device hours",
                f"{guess.busy_seconds * devices / 3600:.1f}" if guess.busy_seconds is not None else "",
            ),
            ("Checkpoint", f"{size(guess.checkpoint_bytes)} ({guess.parameters:,} weights)"),
            ("Disk", f"{size(guess.disk_bytes)} for checkpoints; samples and logs come on top"),
            ("Worked out", "\n".join(guess.sources)),
        ]
    )


def _steps(guess: "Estimate") -> str:
    if guess.steps_per_trial is None:
        return "unknown: give --utterances"
    again = f", and {guess.repeated_steps:,} repeated after failures" if guess.repeated_steps else ""
    return f"{guess.steps_per_trial:,} in the longest trial{again}"


def _devices(study: "TTSStudy") -> int:
    """GPUs of one attempt, 1 where the manifest asks for none: then it is hours of a processor."""
    trainer = study.spec.trainer
    limits = trainer.resources.get("limits", {})
    counts = [int(v) for k, v in limits.items() if k.endswith("/gpu") and str(v).isdecimal()]
    return max(sum(counts), 1) * trainer.workers


def _honesty(study: "TTSStudy", shown: int) -> str:
    sampler = study.spec.sampler
    learns = {"tpe": sampler.startup_trials, "gp": sampler.startup_trials}.get(sampler.name)
    warm = " Trials taken over by warmStart come first and are not shown." if study.spec.warm_start else ""
    if sampler.name in {"random", "qmc", "grid"}:
        return f"These are the parameters that will be asked first.{warm}"
    if learns is None or learns < shown:
        first = learns or 0
        return f"From trial {first} on {sampler.name} learns from results, so later trials will differ from these.{warm}"
    return f"These are the parameters that will be asked first; {sampler.name} learns from trial {learns} on.{warm}"
