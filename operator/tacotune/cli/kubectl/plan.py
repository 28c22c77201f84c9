"""`kubectl tacotune plan`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tacotune.cli.kubectl.options import (
    READER,
    ContextOption,
    KubeconfigOption,
    NamespaceOption,
    OperatorNamespaceOption,
    ReaderSecretOption,
    Rows,
    Shape,
    ShapeOption,
    StorageOption,
    StudyArgument,
    connect,
    print_document,
)
from tacotune.cli.manifests import complain
from tacotune.cli.plan import document, pace, show, work_out

if TYPE_CHECKING:
    from tacotune.adapters.kube_user import User
    from tacotune.api.study import TTSStudy
    from tacotune.local.estimate import Measured


def plan(  # noqa: PLR0917  typer passes by name
    study: StudyArgument,
    namespace: NamespaceOption = "",
    count: Annotated[int, typer.Option("--trials", min=0, help="Parameter sets to show.")] = 10,
    seconds_per_step: Annotated[
        float | None,
        typer.Option(
            "--seconds-per-step",
            min=0.0,
            help="Speed of one optimizer step; that of the study's finished trials when absent.",
        ),
    ] = None,
    utterances: Annotated[
        int | None,
        typer.Option("--utterances", min=1, help="Size of the dataset, where the manifest does not tell."),
    ] = None,
    output: ShapeOption = Shape.TABLE,
    context: ContextOption = "",
    kubeconfig: KubeconfigOption = None,
    storage: StorageOption = "",
    operator_namespace: OperatorNamespaceOption = "",
    reader_secret: ReaderSecretOption = READER,
) -> None:
    """Show what a study of the cluster asks first, and trials, steps, hours and bytes at the most; changes nothing.

    \b
    Examples:
      kubectl tacotune plan ruslan
      kubectl tacotune plan ruslan --seconds-per-step 0.8 --utterances 13100
    """
    from tacotune.adapters.user_studies import read_study  # noqa: PLC0415  the client is slow to import
    from tacotune.local.estimate import Measured  # noqa: PLC0415

    user = connect(namespace, context, kubeconfig)
    found, status = read_study(user, study)
    if seconds_per_step is not None:
        measured = Measured(seconds_per_step, "given by --seconds-per-step")
    elif status.trials.succeeded + status.trials.pruned + status.trials.failed == 0:
        measured = Measured()
    else:
        measured = _measured(user, found, Rows(storage, operator_namespace, reader_secret))
    guess, proposals = work_out(found, measured=measured, utterances=utterances, base=Path(), count=count)
    if output is Shape.TABLE:
        show(found, guess, proposals)
    else:
        print_document(document(found, guess, proposals), output)


def _measured(user: "User", study: "TTSStudy", rows: Rows) -> "Measured":
    """The slowest step among the study's finished trials; unknown where its rows cannot be read."""
    from tacotune.local.estimate import Measured  # noqa: PLC0415  as above
    from tacotune.local.rows import trial_row  # noqa: PLC0415
    from tacotune.ports import TacotuneError  # noqa: PLC0415

    try:
        stored = rows.read(user, study)
    except TacotuneError as error:
        complain(f"note: no times: {error}; or give --seconds-per-step")
        return Measured()
    return pace([trial_row(trial) for trial in stored.trials], "of the study")
