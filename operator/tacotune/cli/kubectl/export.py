"""`kubectl tacotune export`."""

import secrets
import signal
from pathlib import Path
from typing import Annotated

import typer

from tacotune.cli.exit_codes import Exit
from tacotune.cli.kubectl.options import (
    ContextOption,
    KubeconfigOption,
    NamespaceOption,
    StudyArgument,
    connect,
)
from tacotune.cli.manifests import complain


def export(  # noqa: PLR0917  typer passes by name
    study: StudyArgument,
    target: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="DIR", help="Folder to write; made when missing.", file_okay=False
        ),
    ],
    namespace: NamespaceOption = "",
    force: Annotated[
        bool,
        typer.Option("--force", help="Write into a folder that is not empty; replaces an earlier export."),
    ] = False,
    image: Annotated[
        str, typer.Option("--image", help="With python3, to read the volume; the trainer's when absent.")
    ] = "",
    timeout: Annotated[
        int,
        typer.Option(
            "--timeout", metavar="SECONDS", min=1, help="How long the reading pod may take to start."
        ),
    ] = 300,
    context: ContextOption = "",
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Copy the best voice here: checkpoint, samples, alignment pictures and best.json, every sha256 compared.

    A small pod mounts the study's volume, read-only, for as long as the copy takes.

    \b
    Examples:
      kubectl tacotune export ruslan -o voice/
      kubectl tacotune export ruslan -n voices -o voice/ --force
      tacotrain synthesize --checkpoint voice/checkpoint --text "Hello there." -o hello.wav
    """
    from tacotune.adapters.user_studies import claim_annotations, read_study  # noqa: PLC0415  slow to import
    from tacotune.adapters.voice_copy import copy_voice, platform_of, published_folder  # noqa: PLC0415

    if target.is_dir() and any(target.iterdir()) and not force:
        complain(
            f"{target} is not empty; --force replaces what an earlier export left there, and nothing else"
        )
        raise typer.Exit(Exit.USAGE)
    # So that the pod goes when somebody ends this by a signal.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    user = connect(namespace, context, kubeconfig)
    found, _ = read_study(user, study)
    annotations = claim_annotations(user.api, found)
    folder, source = published_folder(annotations, found)
    copy_voice(
        user,
        found,
        platform_of(annotations, found, image),
        folder,
        target.absolute(),
        token=secrets.token_hex(3),
        seconds=timeout,
        tell=complain,
    )
    complain(f"exported {source} to {target}")
