"""Prometheus and promtool as Debian packages them, unpacked into the cache: nothing is installed, no service begins.

`TACOTUNE_PROMETHEUS` names a folder that has both programs instead.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx

from support.eventually import eventually
from support.guarded import end, free_ports, spawn, tail
from support.toolchain import cache

OTHER: Final = "TACOTUNE_PROMETHEUS"
PACKAGE: Final = "prometheus"
Labels = dict[str, str]


class PrometheusError(Exception):
    """Why there is no Prometheus here."""


def programs() -> Path:
    """The folder with `prometheus` and `promtool`; fetched once on a machine.

    Raises:
        PrometheusError: Debian's package cannot be had.
    """
    if other := os.environ.get(OTHER):
        return Path(other)
    # Beside the toolchain.
    folder = cache().parents[2] / PACKAGE
    if not (folder / "promtool").exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{PACKAGE}-", dir=folder.parent) as scratch:
            _fetch(Path(scratch))
            ready = Path(scratch) / "root" / "usr" / "bin"
            folder.mkdir(exist_ok=True)
            for name in ("prometheus", "promtool"):  # promtool last: it says that both are there.
                (ready / name).replace(folder / name)
    return folder


def _fetch(scratch: Path) -> None:
    missing = [tool for tool in ("apt-get", "dpkg") if shutil.which(tool) is None]
    if missing:
        raise PrometheusError(
            f"no {' and no '.join(missing)} on PATH: Prometheus comes as a Debian package; give {OTHER}=folder with "
            "prometheus and promtool instead"
        )
    download = ("apt-get", "download", PACKAGE)
    if _run(download, scratch).returncode != 0:
        _run(("apt-get", "update", "--quiet"), scratch)
        answer = _run(download, scratch)
        if answer.returncode != 0:
            raise PrometheusError(f"Debian's package {PACKAGE} cannot be downloaded: {answer.stderr.strip()}")
    (package,) = scratch.glob("*.deb")
    unpacked = _run(("dpkg", "-x", str(package), str(scratch / "root")), scratch)
    if unpacked.returncode != 0:
        raise PrometheusError(f"{package.name} cannot be unpacked: {unpacked.stderr.strip()}")


def _run(command: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=240)


def promtool(folder: Path, *arguments: str) -> str:
    """What promtool says; an AssertionError when it finds something."""
    answer = subprocess.run(
        [str(folder / "promtool"), *arguments], capture_output=True, text=True, check=False, timeout=120
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


class Prometheus:
    """A server that the test starts and ends.

    Args:
        folder: Of the programs.
        config: Its configuration file.
        home: Where its data and its log go.
    """

    def __init__(self, folder: Path, config: Path, home: Path) -> None:
        (port,) = free_ports(1)
        self._log = home / "prometheus.log"
        self._command = [
            str(folder / "prometheus"), f"--config.file={config}", f"--storage.tsdb.path={home / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
        ]  # fmt: skip
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._process = spawn(self._command, self._log)
        try:
            eventually(self._ready, within=60)
        except AssertionError:
            self.__exit__(None, None, None)
            raise AssertionError(f"Prometheus does not start: {tail(self._log)}") from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            end(self._process)
        self._client.close()

    def _ready(self) -> bool:
        try:
            return self._client.get("/-/ready").is_success
        except httpx.TransportError:
            return False

    def query(self, expression: str) -> list[tuple[Labels, float]]:
        """Labels and value of each series of an instant vector; a scalar has no labels."""
        answer = self._client.post("/api/v1/query", data={"query": expression})
        document = answer.json()
        assert document["status"] == "success", f"{expression}: {document.get('error')}"
        data = document["data"]
        if data["resultType"] == "scalar":
            return [({}, float(data["result"][1]))]
        return [(series["metric"], float(series["value"][1])) for series in data["result"]]

    def rules(self) -> list[dict[str, Any]]:
        """All rules, as the API shows them."""
        groups = self._client.get("/api/v1/rules").json()["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]
