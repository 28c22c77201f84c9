"""`tacotune status`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tacotune.cli.manifests import complete_study, find_study
from tacotune.cli.output import duration, number, paint, print_fields, print_json, print_table

if TYPE_CHECKING:
    from tacotune.api.status import TTSStudyStatus

StudyArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="STUDY",
        help="Name below the runs folder, a path, or a manifest; not needed where there is only one.",
        autocompletion=complete_study,
    ),
]
RunsOption = Annotated[Path, typer.Option("--directory", "-d", help="Folder of all runs.", file_okay=False)]

PHASE_STYLE = {"Succeeded": "green", "Failed": "red", "Suspended": "yellow"}


def status(
    study: StudyArgument = None,
    directory: RunsOption = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the status as JSON.")] = False,
) -> None:
    """Show how far a study is; needs neither its runner nor its database.

    \b
    Examples:
      tacotune status
      tacotune status quickstart
      tacotune status examples/quickstart.yaml --json | jq .best
    """
    run = find_study(study, directory)
    current = run.read_status()
    if as_json:
        print_json(current.model_dump(mode="json", by_alias=True))
        return
    _print(run.read_study().metadata.name, current, run.root)


def _print(name: str, current: "TTSStudyStatus", root: Path) -> None:
    counts, best = current.trials, current.best
    states = [
        f"{count} {word}"
        for word, count in (
            ("running", counts.running),
            ("pending", counts.pending),
            ("retrying", counts.retrying),
            ("succeeded", counts.succeeded),
            ("pruned", counts.pruned),
            ("failed", counts.failed),
        )
        if count
    ]
    parameters = ", ".join(f"{k} {number(v)}" for k, v in best.parameters.items()) if best else ""
    times = [
        f"{word} {time.astimezone():%Y-%m-%d %H:%M:%S}"
        for word, time in (
            ("started", current.start_time),
            ("ended", current.completion_time),
            ("ends about", current.estimated_completion_time if current.completion_time is None else None),
        )
        if time is not None
    ]
    print_fields(
        [
            ("Study", name),
            ("Phase", paint(current.phase.value, PHASE_STYLE.get(current.phase.value, "cyan"))),
            (
                "Trials",
                f"{current.progress or counts.total} finished" + (f": {', '.join(states)}" if states else ""),
            ),
            (
                "Attempts",
                f"{current.attempts}, {current.disruptions} of them disrupted" if current.attempts else "",
            ),
            ("GPU time", duration(current.gpu_seconds) if current.gpu_seconds else ""),
            ("Best", f"{number(best.value)} in trial {best.trial}: {parameters}" if best else ""),
            ("Time", ", ".join(times)),
            ("Files", str(root)),
            (
                "Dashboards",
                "\n".join(f"{d.name} {d.url or d.message}".rstrip() for d in current.dashboards),
            ),
            (
                "Conditions",
                "\n".join(
                    f"{c.type.value} {c.status}, {c.reason.value}: {c.message}" for c in current.conditions
                ),
            ),
        ]
    )
    if current.active:
        typer.echo()
        rows = [[str(a.trial), str(a.attempt), a.state, number(a.step), a.message] for a in current.active]
        print_table([">ACTIVE", ">ATTEMPT", "STATE", ">STEP", "MESSAGE"], rows)
    if current.recent_failures:
        typer.echo()
        rows = [
            [str(f.trial), str(f.attempt), f.cause, number(f.exit_code), f.message]
            for f in current.recent_failures
        ]
        print_table([">FAILED", ">ATTEMPT", "CAUSE", ">EXIT", "MESSAGE"], rows)
