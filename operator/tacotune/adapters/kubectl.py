"""What is left to kubectl itself, which whoever uses the plugin has: streams into pods, and quick lists for the shell."""

import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Final

from tacotune.adapters.free_port import first_free
from tacotune.api import names
from tacotune.engine.dashboards import candidates
from tacotune.ports import ClusterUnavailable, PermanentError

_FORWARDED: Final = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")
FORWARD_SECONDS: Final = 20.0
"""Longest wait for a port-forward to say that it listens."""
COMPLETION_SECONDS: Final = 3
"""A shell that waits longer for its names looks as if it hung."""


@dataclass(frozen=True, slots=True)
class KubeFlags:
    """Which cluster and namespace a person means, in the words of kubectl's own flags; empty is kubectl's default."""

    kubeconfig: str = ""
    context: str = ""
    namespace: str = ""

    def words(self) -> list[str]:
        """As arguments of kubectl."""
        given = {
            "--kubeconfig": self.kubeconfig,
            "--context": self.context,
            "--namespace": self.namespace,
        }
        return [f"{flag}={value}" for flag, value in given.items() if value]


def kubectl(flags: KubeFlags, *arguments: str) -> list[str]:
    """The words of a command.

    Raises:
        PermanentError: kubectl is not on PATH.
    """
    program = shutil.which("kubectl")
    if program is None:
        raise PermanentError("kubectl is not on PATH, and this needs it to reach into a pod; install it")
    return [program, *flags.words(), *arguments]


@contextmanager
def port_forward(flags: KubeFlags, service: str, port: int, *, local: int = 0) -> Iterator[int]:
    """A port of this machine that leads to a Service's, as long as the context lasts.

    Args:
        flags: Of kubectl.
        service: Its name.
        port: Of the Service.
        local: The first port to try on this machine, then those 10, 20, … above; 0: any that is free.

    Raises:
        ClusterUnavailable: It does not come about; in kubectl's own words.
    """
    command = kubectl(
        flags,
        *("port-forward", f"service/{service}", f"{_free(local)}:{port}"),
        *("--address=127.0.0.1", f"--pod-running-timeout={FORWARD_SECONDS - 5:.0f}s"),
    )
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process,  # noqa: S603  kubectl, arguments as a list
    ):
        # It says nothing while it waits for a pod to run; no read of ours must last longer.
        watchdog = threading.Timer(FORWARD_SECONDS, process.kill)
        watchdog.start()
        try:
            assert process.stdout is not None
            found = _FORWARDED.search(process.stdout.readline())
            watchdog.cancel()
            if found is None:
                process.kill()
                process.wait()
                words = last_words(errors) or f"nothing heard of it for {FORWARD_SECONDS:.0f} s"
                raise ClusterUnavailable(
                    f"kubectl port-forward to service {service} in namespace {flags.namespace}: {words}"
                )
            yield int(found[1])
        finally:
            watchdog.cancel()
            process.kill()


def _free(first: int) -> str:
    """The first port of those to try that nobody listens on; empty: let kubectl choose."""
    return str(first_free(candidates(first)) or "") if first else ""


def last_words(errors: IO[str]) -> str:
    """The last line that a program has written there."""
    errors.seek(0)
    lines = [line.strip() for line in errors.read().splitlines() if line.strip()]
    return lines[-1].removeprefix("error: ").removeprefix("Error from server ") if lines else ""


def study_names(flags: KubeFlags) -> list[str]:
    """Names of the studies of a namespace; none where they cannot be had quickly."""
    try:
        command = kubectl(flags, "get", f"{names.PLURAL}.{names.GROUP}", "-o", "name")
        command.append(f"--request-timeout={COMPLETION_SECONDS}s")
        done = subprocess.run(  # noqa: S603  as above
            command, capture_output=True, text=True, check=False, timeout=2 * COMPLETION_SECONDS
        )
    except (PermanentError, OSError, subprocess.TimeoutExpired):
        return []
    return [line.rpartition("/")[2] for line in done.stdout.splitlines()]
