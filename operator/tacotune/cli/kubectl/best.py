"""`kubectl tacotune best`."""

from typing import TYPE_CHECKING, Any

import typer

from tacotune.cli.best import show
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

if TYPE_CHECKING:
    from tacotune.adapters.stored_study import StoredStudy
    from tacotune.api.status import BestTrial
    from tacotune.api.study import TTSStudy


def best(  # noqa: PLR0917  typer passes by name
    study: StudyArgument,
    namespace: NamespaceOption = "",
    output: ShapeOption = Shape.TABLE,
    context: ContextOption = "",
    kubeconfig: KubeconfigOption = None,
    storage: StorageOption = "",
    operator_namespace: OperatorNamespaceOption = "",
    reader_secret: ReaderSecretOption = READER,
) -> None:
    """Show the best voice so far: its parameters, metrics, and where it lies on the study's volume.

    Without the database, what stands in the study's status is shown.

    \b
    Examples:
      kubectl tacotune best ruslan
      kubectl tacotune best ruslan -n voices -o json | jq .parameters
    """
    from tacotune.adapters.user_studies import claim_annotations, read_study  # noqa: PLC0415  slow to import
    from tacotune.adapters.voice_copy import published_folder  # noqa: PLC0415
    from tacotune.ports import Missing, TacotuneError  # noqa: PLC0415

    user = connect(namespace, context, kubeconfig)
    found, status = read_study(user, study)
    name = found.metadata.name
    if status.best is None:
        raise Missing(
            f"study {name} has no best voice yet: no trial has completed; "
            f"`kubectl get tts {name} -n {user.namespace}` says how far it is"
        )
    stored: StoredStudy | None = None
    try:
        stored = Rows(storage, operator_namespace, reader_secret).read(user, found)
    except TacotuneError as error:
        complain(f"note: only what the study's status knows, no metrics: {error}")
    try:
        folder, source = published_folder(claim_annotations(user.api, found), found)
    except TacotuneError as error:
        complain(f"note: {error}")
        folder, source = "", ""
    document = voice(found, status.best, stored, folder=folder, source=source)
    if output is Shape.TABLE:
        show(document, found)
        if folder:
            typer.echo(
                f"\nCopy it here:   kubectl tacotune export {name} -n {user.namespace} -o {name}-voice/"
            )
    else:
        print_document(document, output)


def voice(
    study: "TTSStudy", best: "BestTrial", stored: "StoredStudy | None", *, folder: str, source: str
) -> dict[str, Any]:
    """What is known of the best voice, in the words of `tacotune best --json`.

    Args:
        study: Whose voice.
        best: The best trial of the search, by the study's status.
        stored: Its rows, where they could be read.
        folder: Where the published voice lies on the volume; empty when none is published.
        source: What was published: `final/7/checkpoints/step-00000250`.
    """
    metadata, spec = study.metadata, study.spec
    trial = next((t for t in stored.trials if t.number == best.trial), None) if stored else None
    parameters = {**spec.fixed_parameters, **best.parameters}
    document: dict[str, Any] = {
        "study": metadata.name,
        "namespace": metadata.namespace,
        "trial": best.trial,
        "purpose": "trial",
        "preset": spec.trainer.preset,
        "metric": spec.all_objectives[0].metric,
        "value": best.value,
        "parameters": parameters,
        "metrics": dict(trial.metrics) if trial is not None else {},
        "source": source,
        "checkpoint": f"claim {metadata.name}-checkpoints, {folder}/checkpoint" if folder else "",
    }
    return document | _final(study, stored, source)


def _final(study: "TTSStudy", stored: "StoredStudy | None", source: str) -> dict[str, Any]:
    """What is different when the voice is of the final training."""
    purpose, _, rest = source.partition("/")
    if purpose != "final":
        return {}
    from tacotune.engine.attempts import overrides  # noqa: PLC0415  with the rest, after --help

    number = int(rest.partition("/")[0])
    changed: dict[str, Any] = {"purpose": "final", "trial": number}
    if stored is None:
        return changed
    if (result := stored.record.final_result) is not None:
        changed["value"] = next(iter(result.values), None)
        changed["metrics"] = {name: value for name, value in result.metrics.items() if value is not None}
    final = study.spec.final_training
    row = next((t for t in stored.trials if t.number == number), None)
    changed["parameters"] = {
        **study.spec.fixed_parameters,
        **({**row.parameters, **overrides(row.attempts)} if row is not None else {}),
        **({} if final.epochs is None else {"epochs": final.epochs}),
        **final.parameters,
        **overrides(stored.record.final_attempts),
    }
    return changed
