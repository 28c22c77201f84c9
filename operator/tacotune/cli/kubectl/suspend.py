"""`kubectl tacotune suspend` and `resume`."""

from pathlib import Path

import typer

from tacotune.cli.kubectl.options import (
    ContextOption,
    KubeconfigOption,
    NamespaceOption,
    StudyArgument,
    connect,
)


def suspend(
    study: StudyArgument,
    namespace: NamespaceOption = "",
    context: ContextOption = "",
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Suspend a study: its trials write a checkpoint and give their GPUs back. Sets spec.suspend.

    \b
    Examples:
      kubectl tacotune suspend ruslan
      kubectl wait tts/ruslan --for=condition=Suspended     until the last pod has ended
    """
    _set(study, namespace, context, kubeconfig, suspend=True)


def resume(
    study: StudyArgument,
    namespace: NamespaceOption = "",
    context: ContextOption = "",
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Let a suspended study go on: the same trials first, from their checkpoints. Clears spec.suspend.

    \b
    Examples:
      kubectl tacotune resume ruslan
      kubectl tacotune resume ruslan -n voices --context production
    """
    _set(study, namespace, context, kubeconfig, suspend=False)


def _set(study: str, namespace: str, context: str, kubeconfig: Path | None, *, suspend: bool) -> None:
    from tacotune.adapters.user_studies import set_suspend  # noqa: PLC0415  the client is slow to import

    changed = set_suspend(connect(namespace, context, kubeconfig), study, suspend=suspend)
    done = "suspended" if suspend else "resumed"
    said = done if changed else f"unchanged, {'is suspended' if suspend else 'is not suspended'}"
    typer.echo(f"ttsstudy.tacotune.dev/{study} {said}")
