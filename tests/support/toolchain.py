"""The programs of the test clusters, built from Go modules into a cache: Kubernetes, etcd and their companions.

    PYTHONPATH=tests python -m support.toolchain kube-apiserver etcd

prints the folder they lie in. What is there already is not built again; the first Kubernetes program takes about eight
minutes on two cores, each further one a fraction of that. The programs are static: they run in any image too.
"""

import argparse
import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MODULE: Final = Path(__file__).resolve().parents[1] / "toolchain"
KUBERNETES: Final = "1.37.2"
GO: Final = (1, 26)
REPORT_SECONDS: Final = 15.0
POLL_SECONDS: Final = 0.2
EX_UNAVAILABLE: Final = 69
EX_SOFTWARE: Final = 70


@dataclass(frozen=True, slots=True)
class Program:
    """Where a program comes from."""

    package: str
    version: str = ""
    """For `go install`; empty where go.mod has the version."""


_CONTAINERD: Final = "github.com/containerd/containerd/v2/cmd"
PROGRAMS: Final[Mapping[str, Program]] = {
    "etcd": Program("go.etcd.io/etcd/server/v3"),
    "kube-apiserver": Program("k8s.io/kubernetes/cmd/kube-apiserver"),
    "kube-controller-manager": Program("k8s.io/kubernetes/cmd/kube-controller-manager"),
    "kube-scheduler": Program("k8s.io/kubernetes/cmd/kube-scheduler"),
    "kubelet": Program("k8s.io/kubernetes/cmd/kubelet"),
    "kube-proxy": Program("k8s.io/kubernetes/cmd/kube-proxy"),
    "kubeadm": Program("k8s.io/kubernetes/cmd/kubeadm"),
    "kubectl": Program("k8s.io/kubernetes/cmd/kubectl"),
    "coredns": Program("github.com/coredns/coredns", "v1.15.0"),
    "helm": Program("helm.sh/helm/v4/cmd/helm", "v4.3.1"),
    "kwok": Program("sigs.k8s.io/kwok/cmd/kwok", "v0.8.0"),
    "kind": Program("sigs.k8s.io/kind", "v0.33.0"),
    "containerd": Program(f"{_CONTAINERD}/containerd", "v2.4.2"),
    "ctr": Program(f"{_CONTAINERD}/ctr", "v2.4.2"),
    "containerd-shim-runc-v2": Program(f"{_CONTAINERD}/containerd-shim-runc-v2", "v2.4.2"),
    "local-path-provisioner": Program("github.com/rancher/local-path-provisioner", "v0.0.30"),
}

_VERSION: Final = "k8s.io/component-base/version"
_MAJOR, _MINOR, _ = KUBERNETES.split(".")
LINKER: Final = f"-s -w -X {_VERSION}.gitVersion=v{KUBERNETES} -X {_VERSION}.gitMajor={_MAJOR} -X {_VERSION}.gitMinor={_MINOR}"
# The checkout's own commit would be stamped into the programs, and a checkout of another user refuses to tell it.
FLAGS: Final = ("-trimpath", "-buildvcs=false", "-v", "-ldflags", LINKER)


class ToolchainError(Exception):
    """A program cannot be built; `code` is the exit code of the command."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def build(names: Sequence[str]) -> Path:
    """Make sure that these programs are there; return the folder they lie in.

    Raises:
        ToolchainError: when Go is missing or too old, or a build fails.
    """
    if unknown := [name for name in names if name not in PROGRAMS]:
        raise ToolchainError(f"unknown: {', '.join(unknown)}; known: {', '.join(PROGRAMS)}", EX_SOFTWARE)
    folder = cache()
    missing = [name for name in dict.fromkeys(names) if not (folder / name).exists()]
    if missing:
        _require_go()
        folder.mkdir(parents=True, exist_ok=True)
    for index, name in enumerate(missing, start=1):
        _build_once(folder, name, f"[{index}/{len(missing)}] {name}")
    return folder


def cache() -> Path:
    """The folder of the programs: another version of anything is another folder."""
    root = os.environ.get("TACOTUNE_CACHE")
    if not root:
        root = f"{os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'}/tacotune"
    versions = f"{sorted((k, v.package, v.version) for k, v in PROGRAMS.items())} {FLAGS}"
    digest = hashlib.sha256((MODULE / "go.sum").read_bytes() + versions.encode()).hexdigest()
    return Path(root).expanduser().absolute() / "toolchain" / f"{KUBERNETES}-{digest[:12]}" / "bin"


def _require_go() -> None:
    wanted = ".".join(map(str, GO))
    advice = f"The test clusters are built from source, which needs Go {wanted} or newer (https://go.dev/dl/)"
    if shutil.which("go") is None:
        raise ToolchainError(f"{advice}; there is no `go` on PATH.", EX_UNAVAILABLE)
    # In the module's folder, where a `go` that may fetch newer toolchains answers with the one that it would use.
    answer = subprocess.run(["go", "version"], cwd=MODULE, capture_output=True, text=True, check=False)
    found = re.search(r"go(\d+)\.(\d+)", answer.stdout)
    if answer.returncode != 0 or found is None or (int(found[1]), int(found[2])) < GO:
        said = (answer.stdout + answer.stderr).strip()
        raise ToolchainError(f"{advice}; here: {said}", EX_UNAVAILABLE)


def _build_once(folder: Path, name: str, title: str) -> None:
    with _locked(folder.parent / f"{name}.lock", title):
        if (folder / name).exists():
            _say(f"{title}: built by another run")
            return
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder) as scratch:
            _compile(name, Path(scratch), folder.parent / f"{name}.log", title)
            (Path(scratch) / name).replace(folder / name)


def _compile(name: str, scratch: Path, log: Path, title: str) -> None:
    program = PROGRAMS[name]
    command = (
        ["go", "install", *FLAGS, f"{program.package}@{program.version}"]
        if program.version
        else ["go", "build", *FLAGS, "-o", str(scratch / name), program.package]
    )
    environment = {**os.environ, "GOBIN": str(scratch), "GOWORK": "off", "CGO_ENABLED": "0"}
    started = time.monotonic()
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=MODULE, env=environment, stdout=output, stderr=output)
        try:
            for elapsed in _ticks(lambda: process.poll() is None):
                _say(f"{title}: {_clock(elapsed)}, {_compiled(log)} packages compiled")
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    if process.returncode != 0:
        last = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise ToolchainError(f"{name} could not be built ({log}):\n{last}", EX_SOFTWARE)
    _say(f"{title}: built in {_clock(time.monotonic() - started)}")


@contextlib.contextmanager
def _locked(path: Path, title: str) -> Iterator[None]:
    """Hold a lock that ends with the process, however it ends."""
    with path.open("w") as file:

        def taken() -> bool:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False

        for elapsed in _ticks(taken):
            _say(f"{title}: another run builds it, waiting for {_clock(elapsed)}")
        yield


def _ticks(busy: Callable[[], bool]) -> Iterator[float]:
    """Wait while something is busy; yield the seconds passed at the start and then each 15."""
    started = time.monotonic()
    due = started
    while busy():
        now = time.monotonic()
        if now >= due:
            yield now - started
            due += REPORT_SECONDS
        time.sleep(POLL_SECONDS)


def _compiled(log: Path) -> int:
    """`go -v` names a package a line; it also tells of downloads."""
    return sum(not line.startswith("go: ") for line in log.read_text(errors="replace").splitlines())


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _say(text: str) -> None:
    print(f"toolchain {text}", file=sys.stderr, flush=True)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m support.toolchain", description=__doc__)
    parser.add_argument("programs", nargs="+", metavar="PROGRAM", help=", ".join(PROGRAMS))
    try:
        print(build(parser.parse_args().programs))
    except ToolchainError as error:
        print(error, file=sys.stderr)
        return error.code
    return 0


if __name__ == "__main__":
    sys.exit(main())
