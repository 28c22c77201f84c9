"""A Docker to talk to: the machine's own, or ours (`daemon.py`)."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO

from support.kind.processes import output, run, succeeds


@dataclass(frozen=True, slots=True)
class Docker:
    """How to call the client, and kind with it."""

    ours: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def env(self) -> dict[str, str]:
        """The environment in which `docker` and `kind` reach this daemon."""
        return {**os.environ, **self.settings, "KIND_EXPERIMENTAL_PROVIDER": "docker"}

    def run(self, name: str, *arguments: str, stdin: IO[bytes] | int | None = subprocess.DEVNULL) -> None:
        """Run `docker …` with a log and progress."""
        run(name, ["docker", *arguments], env=self.env, stdin=stdin)

    def output(self, *arguments: str, text: str = "", within: float = 120) -> str:
        """What `docker …` prints."""
        return output(["docker", *arguments], env=self.env, text=text, within=within)

    def succeeds(self, *arguments: str, within: float = 60) -> bool:
        """Whether `docker …` ends well in time."""
        return succeeds(["docker", *arguments], env=self.env, within=within)

    def has(self, image: str) -> bool:
        """Whether the image lies in this daemon."""
        return self.succeeds("image", "inspect", image)

    @property
    def answers(self) -> bool:
        """Whether the daemon is there."""
        return self.succeeds("version", "--format", "{{.Server.Version}}", within=15)


def machines_docker() -> Docker | None:
    """The machine's own, when its client is there and its daemon answers."""
    docker = Docker()
    return docker if shutil.which("docker") and docker.answers else None
