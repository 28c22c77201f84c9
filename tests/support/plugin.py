"""`kubectl tacotune`, run as a person runs it: the installed program, in an environment of one kubeconfig."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

BIN: Final = Path(sys.executable).parent


@dataclass(frozen=True, slots=True)
class Said:
    """How it ended, and what it said."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Plugin:
    """The plugin for one kubeconfig.

    Args:
        kubeconfig: Of somebody.
        programs: Folder with kubectl.
        environment: Further variables.
    """

    kubeconfig: Path
    programs: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def command(self, *arguments: str, program: str = "kubectl-tacotune") -> list[str]:
        """The words of a command."""
        return [str(BIN / program), *arguments]

    @property
    def env(self) -> dict[str, str]:
        """What it sees."""
        return {
            **os.environ,
            "KUBECONFIG": str(self.kubeconfig),
            "NO_COLOR": "1",
            "PATH": f"{self.programs}:{BIN}:{os.environ['PATH']}",
            **self.environment,
        }

    def run(self, *arguments: str, program: str = "kubectl-tacotune", within: float = 120) -> Said:
        """Run it to its end."""
        done = subprocess.run(
            self.command(*arguments, program=program),
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
            timeout=within,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def prints(self, *arguments: str, within: float = 120) -> str:
        """What it prints when all goes well."""
        said = self.run(*arguments, within=within)
        assert said.code == 0, said
        return said.out
