"""The chart of this checkout as a release in the kind cluster; called by `session`, used by the end-to-end tests."""

import json
from collections.abc import Mapping
from typing import Any, Final

from support.kind import cluster, paths
from support.kind.images import OPERATOR, POSTGRES
from support.kind.processes import output, run
from support.kind.progress import step

CHART: Final = paths.REPOSITORY / "helm" / "tacotune"
NAME: Final = "tacotune"
NAMESPACE: Final = "tacotune-system"
_WHERE: Final = ("--namespace", NAMESPACE)
WAIT: Final = "5m"
IMAGE: Final = "tacotune.dev/image"
"""Annotation of a pod with the identity of its image: a rebuilt one has the same name, and only this replaces the pod."""


def install(identities: Mapping[str, str]) -> None:
    """Install the chart, or bring the release to what it is in this checkout.

    Args:
        identities: Reference of an image → what it is; pods of an image that has changed are replaced.

    Raises:
        KindError: with what helm said.
    """
    file = paths.cache() / "values.json"
    file.write_text(json.dumps(values(identities), indent=1))
    if _is_half_installed():
        # A helm that was killed in mid-work; it refuses every upgrade since. The database's volume and Secret stay.
        with step("removing a half-installed release"):
            _helm("uninstall", NAME, "--no-hooks", "--wait")
    with step(f"helm upgrade --install {NAME}"):
        run(
            "helm",
            [
                *(
                    cluster.program("helm"),
                    "upgrade",
                    "--install",
                    NAME,
                    CHART,
                    *_WHERE,
                    "--create-namespace",
                ),
                *("--values", file, "--wait", f"--timeout={WAIT}", f"--kubeconfig={paths.kubeconfig()}"),
            ],
        )


def notes() -> str:
    """What helm says next to do."""
    return _helm("get", "notes", NAME).removeprefix("NOTES:\n").strip()


def values(identities: Mapping[str, str]) -> dict[str, Any]:
    """The chart's values: images of this checkout, a small volume, and an operator that looks every second."""
    return {
        "image": {"tag": "e2e"},
        "trainer": {"image": {"tag": "e2e"}},
        "dashboards": {"image": {"tag": "e2e"}},
        "operator": {
            "extraArgs": ["--poll-seconds=1"],
            # The operator names the trainer's image in the Jobs that it makes, so only its own matters here.
            "podAnnotations": {IMAGE: identities[OPERATOR.reference]},
        },
        "postgresql": {
            "embedded": {
                "image": {"repository": "tacotune/postgres", "tag": "e2e"},
                "persistence": {"size": "1Gi"},
                "podAnnotations": {IMAGE: identities[POSTGRES.reference]},
            }
        },
    }


def _is_half_installed() -> bool:
    listed = _helm("list", "--pending", "--filter", f"^{NAME}$", "--output", "json")
    return bool(json.loads(listed))


def _helm(*arguments: str) -> str:
    return output([cluster.program("helm"), *arguments, *_WHERE, f"--kubeconfig={paths.kubeconfig()}"])
