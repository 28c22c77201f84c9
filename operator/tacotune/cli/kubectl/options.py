"""What the commands of the plugin have in common: who is asked about which study, and where its rows are read."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tacotune.cli.output import print_json, print_yaml

if TYPE_CHECKING:
    from tacotune.adapters.kube_user import User
    from tacotune.adapters.kubectl import KubeFlags
    from tacotune.adapters.stored_study import StoredStudy
    from tacotune.api.study import TTSStudy

OPERATOR_NAMESPACES = ("tacotune-system", "tacotune")
"""Where a release is looked for when nobody says where it is."""
READER = "tacotune-reader"
"""Secret of a release called tacotune."""


class Shape(StrEnum):
    """How something is printed."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


def _complete_study(context: typer.Context, incomplete: str) -> list[str]:
    """Names of the studies in the namespace that is meant, for the shell."""
    from tacotune.adapters.kubectl import study_names  # noqa: PLC0415  only when the shell asks

    given = context.params
    flags = _flags(given.get("namespace"), given.get("context"), given.get("kubeconfig"))
    return [name for name in study_names(flags) if name.startswith(incomplete)]


StudyArgument = Annotated[
    str,
    typer.Argument(metavar="STUDY", help="Name of the TTSStudy.", autocompletion=_complete_study),
]
NamespaceOption = Annotated[
    str, typer.Option("--namespace", "-n", help="Of the study; the context's when absent.")
]
ContextOption = Annotated[
    str, typer.Option("--context", help="Of the kubeconfig; its current one when absent.")
]
KubeconfigOption = Annotated[
    Path | None,
    typer.Option("--kubeconfig", help="Instead of $KUBECONFIG and ~/.kube/config.", dir_okay=False),
]
ShapeOption = Annotated[Shape, typer.Option("--output", "-o", help="How to print.")]
StorageOption = Annotated[
    str,
    typer.Option(
        "--storage",
        metavar="URL",
        envvar="TACOTUNE_READER_STORAGE_URL",
        show_envvar=True,
        help="Postgres with the study's rows, instead of the one that the cluster names.",
    ),
]
OperatorNamespaceOption = Annotated[
    str,
    typer.Option(
        "--operator-namespace",
        envvar="TACOTUNE_NAMESPACE",
        show_envvar=True,
        help=f"Of the operator's release; looked for in {' and '.join(OPERATOR_NAMESPACES)} when absent.",
    ),
]
ReaderSecretOption = Annotated[
    str,
    typer.Option(
        "--reader-secret",
        envvar="TACOTUNE_READER_SECRET",
        show_envvar=True,
        help="Its Secret with the reader's URL: the release's name and -reader.",
    ),
]


@dataclass(frozen=True, slots=True)
class Rows:
    """Where a study's rows are read, as a person has said it."""

    storage: str
    operator_namespace: str
    reader_secret: str

    def read(self, user: "User", study: "TTSStudy") -> "StoredStudy":
        """Read them."""
        from tacotune.adapters.stored_study import Reading, stored_study  # noqa: PLC0415  Optuna is slow to import

        namespaces: Sequence[str] = (
            (self.operator_namespace,) if self.operator_namespace else OPERATOR_NAMESPACES
        )
        return stored_study(user, study, Reading(self.storage, namespaces, self.reader_secret))


def connect(namespace: str, context: str, kubeconfig: Path | None) -> "User":
    """The cluster that a person means."""
    try:
        from tacotune.adapters.kube_user import connect_user  # noqa: PLC0415  the client is slow to import
    except ModuleNotFoundError as error:
        from tacotune.ports import PermanentError  # noqa: PLC0415  as above

        raise PermanentError(
            f"the Python package {error.name} is missing; install tacotune[kubernetes]"
        ) from error
    return connect_user(_flags(namespace, context, kubeconfig))


def print_document(document: Any, shape: Shape) -> None:
    """Print what a program reads."""
    (print_yaml if shape is Shape.YAML else print_json)(document)


def _flags(namespace: str | None, context: str | None, kubeconfig: Path | None) -> "KubeFlags":
    from tacotune.adapters.kubectl import KubeFlags  # noqa: PLC0415  only when needed

    return KubeFlags(str(kubeconfig or ""), context or "", namespace or "")
