"""The Helm chart as tests see it: values in, objects out; and a release on a cluster."""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

from support.api_server import Object

CHART: Final = Path(__file__).resolve().parents[2] / "helm" / "tacotune"
PROGRAMS: Final = ("helm", "kubectl")
Values = Mapping[str, Any]


class ChartError(Exception):
    """What helm or kubectl said when it refused."""


class Chart:
    """The chart of this checkout, or a copy of it."""

    def __init__(self, programs: Path, folder: Path = CHART) -> None:
        self._programs = programs
        self._folder = folder

    def copied(self, folder: Path) -> "Chart":
        """The same chart somewhere else, for a test that changes it."""
        shutil.copytree(self._folder, folder)
        return Chart(self._programs, folder)

    def lint(self, values: Values) -> str:
        """Every finding counts."""
        return self._run(
            "helm", "lint", "--strict", str(self._folder), "--values", "-", text=json.dumps(values)
        )

    def text(self, values: Values, namespace: str = "tacotune") -> str:
        """What would be sent to the API server."""
        command = ("template", "tacotune", str(self._folder), "--namespace", namespace, "--values", "-")
        return self._run("helm", *command, text=json.dumps(values))

    def render(self, values: Values, namespace: str = "tacotune") -> list[Object]:
        """The same as objects."""
        return load_all(self.text(values, namespace))

    def dry_run(self, text: str, kubeconfig: Path) -> list[str]:
        """Have the API server admit all of it without keeping it; returns its warnings."""
        command = ("--kubeconfig", str(kubeconfig), "apply", "--dry-run=server", "-f", "-")
        done = self._call("kubectl", *command, text=text)
        return [line for line in done.stderr.splitlines() if line]

    def helm(self, kubeconfig: Path, namespace: str, *arguments: str, values: Values | None = None) -> str:
        """Run helm on a cluster; the chart stands for the word CHART."""
        words = [str(self._folder) if word == "CHART" else word for word in arguments]
        if values is not None:
            words += ["--values", "-"]
        where = ("--kubeconfig", str(kubeconfig), "--namespace", namespace)
        done = self._call("helm", *words, *where, text=json.dumps(values or {}))
        return done.stdout + done.stderr

    def _run(self, program: str, *arguments: str, text: str) -> str:
        return self._call(program, *arguments, text=text).stdout

    def _call(self, program: str, *arguments: str, text: str) -> subprocess.CompletedProcess[str]:
        command: Sequence[str] = [str(self._programs / program), *arguments]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=120)
        if done.returncode != 0:
            raise ChartError(done.stdout + done.stderr)
        return done


def load_all(text: str) -> list[Object]:
    """The documents of a YAML stream that are not empty."""
    return [document for document in YAML(typ="safe").load_all(text) if document]


def one(objects: Sequence[Object], kind: str, name: str = "") -> Object:
    """The only object of a kind, or the one of that name."""
    (found,) = [o for o in objects if o["kind"] == kind and name in {"", o["metadata"]["name"]}]
    return found
