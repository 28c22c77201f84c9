"""A namespace of the test cluster, spoken to with kubectl: objects in, objects out."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from support.kind import cluster

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Namespace:
    """Everything here happens inside it."""

    name: str

    def kubectl(self, *arguments: str, text: str = "", within: float = 150) -> str:
        """What `kubectl --namespace … …` prints."""
        return cluster.kubectl("--namespace", self.name, *arguments, text=text, within=within)

    def apply(self, *objects: Mapping[str, Any]) -> None:
        """Create or change objects."""
        self.kubectl(
            "apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        )

    def get(self, what: str) -> Object:
        """One object, as `job/train`."""
        document = json.loads(self.kubectl("get", what, "-o", "json"))
        assert isinstance(document, dict)
        return document

    def pod_of(self, job: str) -> Object:
        """The only pod of a Job."""
        [pod] = json.loads(self.kubectl("get", "pods", "-l", f"job-name={job}", "-o", "json"))["items"]
        assert isinstance(pod, dict)
        return pod

    def wait(self, what: str, condition: str, within: int = 120) -> None:
        """Until `kubectl wait --for=…` is content."""
        self.kubectl("wait", what, f"--for={condition}", f"--timeout={within}s", within=within + 10)

    def delete(self, what: str) -> None:
        """Delete an object and wait until it is gone."""
        self.kubectl("delete", what, "--timeout=120s")

    @contextmanager
    def watch_pods(self, selector: str) -> Iterator[Iterator[Object]]:
        """Pods as they change, the last time when they are deleted."""
        command = cluster.kubectl_command(
            *(
                "--namespace",
                self.name,
                "get",
                "pods",
                "-l",
                selector,
                "--watch",
                "-o",
                "json",
                "--request-timeout=150s",
            )
        )
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                yield _documents(process.stdout)
            finally:
                process.terminate()


def _documents(lines: Iterator[str]) -> Iterator[Object]:
    """kubectl writes one document after another, each over several lines and ending with a brace at the margin."""
    text = ""
    for line in lines:
        text += line
        if line.rstrip() == "}":
            yield json.loads(text)
            text = ""
