"""`kubectl tacotune report`."""

import secrets
import signal
from pathlib import Path
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


def report(  # noqa: PLR0917  typer passes by name
    study: StudyArgument,
    target: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE", help="The page; replaced when it is there.", dir_okay=False
        ),
    ] = Path("report.html"),
    namespace: NamespaceOption = "",
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
    """Copy the study page here: one file with plots, pictures and samples to hear, which needs no network.

    It was made when the best voice was published, and says of when it is. A small pod mounts the study's volume, read-only,
    for as long as the copy takes.

    \b
    Examples:
      kubectl tacotune report ruslan
      kubectl tacotune report ruslan -n voices -o ruslan.html
    """
    from tacotune.adapters.page_copy import copy_page  # noqa: PLC0415  slow to import
    from tacotune.adapters.user_studies import claim_annotations, read_study  # noqa: PLC0415
    from tacotune.adapters.voice_copy import platform_of, published_folder  # noqa: PLC0415

    # So that the pod goes when somebody ends this by a signal.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    user = connect(namespace, context, kubeconfig)
    found, _ = read_study(user, study)
    annotations = claim_annotations(user.api, found)
    folder, source = published_folder(annotations, found)
    copy_page(
        user,
        found,
        platform_of(annotations, found, image),
        folder,
        target.absolute(),
        token=secrets.token_hex(3),
        seconds=timeout,
        tell=complain,
    )
    complain(f"page of {source} written to {target}")
