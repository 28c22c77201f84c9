"""`kubectl tacotune logs`."""

import sys
from typing import Annotated

import typer

from tacotune.cli.kubectl.options import (
    ContextOption,
    KubeconfigOption,
    NamespaceOption,
    StudyArgument,
    connect,
)
from tacotune.cli.manifests import complain


def logs(  # noqa: PLR0917  typer passes by name
    study: StudyArgument,
    namespace: NamespaceOption = "",
    trial: Annotated[int | None, typer.Option("--trial", "-t", min=0, help="Number of the trial.")] = None,
    prepare: Annotated[bool, typer.Option("--prepare", help="The preparation of the dataset.")] = False,
    final: Annotated[bool, typer.Option("--final", help="The final training.")] = False,
    attempt: Annotated[
        int | None, typer.Option("--attempt", min=1, help="Number of the attempt; the newest when absent.")
    ] = None,
    previous: Annotated[
        bool, typer.Option("--previous", "-p", help="The attempt before the newest.")
    ] = False,
    worker: Annotated[int, typer.Option("--worker", min=0, help="Of several workers a trial.")] = 0,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the pod ends; wait for it to start.")
    ] = False,
    tail: Annotated[
        int | None, typer.Option("--tail", min=0, help="Only so many of the last lines; all when absent.")
    ] = None,
    timestamps: Annotated[bool, typer.Option("--timestamps", help="When each line was written.")] = False,
    context: ContextOption = "",
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Print what the pod of a trial says: of its newest attempt, or of the newest pod that runs.

    \b
    Examples:
      kubectl tacotune logs ruslan -f                     what runs now
      kubectl tacotune logs ruslan --trial 7 --tail 20
      kubectl tacotune logs ruslan --trial 7 --previous   why it was retried
      kubectl tacotune logs ruslan --prepare
    """
    from tacotune.adapters.study_pods import Wanted, choose, read_log, study_pods  # noqa: PLC0415  slow to import
    from tacotune.adapters.user_studies import read_study  # noqa: PLC0415
    from tacotune.engine.observed import Purpose  # noqa: PLC0415

    if (trial is not None) + prepare + final > 1:
        raise typer.BadParameter("give --trial, --prepare or --final, not several of them")
    if attempt is not None and previous:
        raise typer.BadParameter("give --attempt or --previous, not both")
    purpose = (
        Purpose.PREPARE
        if prepare
        else Purpose.FINAL
        if final
        else Purpose.TRIAL
        if trial is not None
        else None
    )
    user = connect(namespace, context, kubeconfig)
    found, _ = read_study(user, study)
    wanted = Wanted(purpose, trial, attempt, before=previous, worker=worker)
    pod = choose(study_pods(user, found), wanted)
    complain(f"{pod.title} (pod {pod.name})")
    for chunk in read_log(user, pod.name, follow=follow, tail=tail, timestamps=timestamps, tell=complain):
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
