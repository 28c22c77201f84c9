"""A real Kubernetes API server with etcd and the controllers, as processes on loopback: no root, no container, no node.

Custom resources, validation, RBAC, watches, Jobs and garbage collection are the real ones. Pods are created and stay pending:
tests set their status themselves.
"""

import http.client
import json
import shutil
import ssl
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from support.certificates import Authority, signing_pair
from support.eventually import eventually
from support.guarded import end, free_ports, spawn, tail
from support.kubeconfigs import write_kubeconfig

PROGRAMS: Final = ("etcd", "kube-apiserver", "kube-controller-manager")
SERVICE_HOSTS: Final = (
    "127.0.0.1", "10.96.0.1", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
)  # fmt: skip
ADMINISTRATORS: Final = "system:masters"
AUDIT: Final = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: None, userGroups: ["system:serviceaccounts:kube-system"]}
- {level: Metadata, userGroups: ["system:serviceaccounts"]}
- {level: None}
"""
"""What service accounts do, other than the controllers': each request with who, what and whether it was allowed."""
START_SECONDS: Final = 120.0
"""For a machine with much else to do; it takes about 11 alone."""


class ControlPlane:
    """etcd, kube-apiserver and kube-controller-manager; each can be stopped and started again under the same address."""

    def __init__(self, programs: Path, folder: Path, *, api_server_options: Sequence[str] = ()) -> None:
        """Prepare a control plane; nothing runs yet.

        Args:
            programs: Where its programs lie.
            folder: Gets the logs, which stay, and the data, which are deleted in the end.
            api_server_options: Further ones of kube-apiserver.
        """
        self._api_server_options = api_server_options
        self.logs = folder / "logs"
        self.audit = self.logs / "audit.log"
        """Requests of service accounts, a JSON object a line."""
        self._data = folder / "data"
        for part in (self.logs, self._data):
            part.mkdir(parents=True, mode=0o700)
        self._programs = programs
        self._authority = Authority()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._port, store, peer = free_ports(3)
        self._store = f"127.0.0.1:{store}"
        self._peer = f"http://127.0.0.1:{peer}"
        self.url = f"https://127.0.0.1:{self._port}"
        self._write_identities()
        self._tls = ssl.create_default_context(cafile=str(self._data / "ca.crt"))
        self._tls.load_cert_chain(self._data / "probe.pem")
        self.kubeconfig = self.kubeconfig_of("tacotune-test-admin", [ADMINISTRATORS])
        """Of an administrator."""

    def kubeconfig_of(self, user: str, groups: Sequence[str] = ()) -> Path:
        """Write the kubeconfig of a user, who may do what RBAC grants to that name and those groups.

        `system:serviceaccount:NAMESPACE:NAME` in the groups `system:serviceaccounts` and `system:authenticated` is that
        service account to RBAC.
        """
        path = self._data / f"{user.replace(':', '-')}.kubeconfig"
        credentials = self._authority.issue(user, groups)
        return write_kubeconfig(path, self.url, self._authority.certificate, credentials)

    def __enter__(self) -> Self:
        try:
            for name in PROGRAMS:
                self.start(name)
        except BaseException:
            self._abandon()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._abandon()

    def start(self, name: str) -> None:
        """Start a program and wait until it does its work."""
        log = self.logs / f"{name}.log"
        process = spawn([str(self._programs / name), *self._arguments()[name]], log)
        self._processes[name] = process
        ready = self._probes()[name]

        def ready_or_ended() -> bool:
            return process.poll() is not None or ready()

        eventually(ready_or_ended, within=START_SECONDS)
        if process.poll() is not None:
            raise RuntimeError(f"{name} ended with {process.returncode}; the end of {log}:\n{tail(log)}")

    def stop(self, name: str) -> None:
        """End a program: its watches break, and nobody answers."""
        end(self._processes.pop(name))

    def compact(self) -> None:
        """Forget all that was before this moment; who wants to go on watching from there has to begin anew.

        The API server has to be started again to forget it too: it remembers the last minutes by itself.
        """
        now = self._ask_store("/v3/kv/range", {"key": "AA==", "keys_only": True})["header"]["revision"]
        self._ask_store("/v3/kv/compaction", {"revision": now, "physical": True})

    def _ask_store(self, path: str, question: Mapping[str, Any]) -> Any:
        connection = http.client.HTTPConnection(self._store, timeout=5)
        try:
            connection.request("POST", path, json.dumps(question))
            answer = connection.getresponse()
            words = answer.read()
            assert answer.status == http.client.OK, words
            return json.loads(words)
        finally:
            connection.close()

    def _abandon(self) -> None:
        for process in self._processes.values():
            process.kill()
            process.wait()
        self._processes.clear()
        shutil.rmtree(self._data, ignore_errors=True)

    def _write_identities(self) -> None:
        server = self._authority.issue("kube-apiserver", hosts=SERVICE_HOSTS)
        probe = self._authority.issue("tacotune-test-probe", [ADMINISTRATORS])
        private, public = signing_pair()
        files = {
            "ca.crt": self._authority.certificate,
            "server.crt": server.certificate,
            "server.key": server.key,
            "probe.pem": probe.certificate + probe.key,
            "tokens.key": private,
            "tokens.pub": public,
            "audit.yaml": AUDIT.encode(),
        }
        for name, content in files.items():
            (self._data / name).touch(mode=0o600)
            (self._data / name).write_bytes(content)

    def _arguments(self) -> Mapping[str, Sequence[str]]:
        data = self._data
        return {
            "etcd": [
                f"--data-dir={data / 'etcd'}",
                f"--listen-client-urls=http://{self._store}",
                f"--advertise-client-urls=http://{self._store}",
                f"--listen-peer-urls={self._peer}",
                f"--initial-advertise-peer-urls={self._peer}",
                f"--initial-cluster=default={self._peer}",
                # Nothing here has to outlive a power failure.
                "--unsafe-no-fsync",
                "--log-level=warn",
            ],
            "kube-apiserver": [
                f"--etcd-servers=http://{self._store}",
                "--bind-address=127.0.0.1",
                f"--secure-port={self._port}",
                # The Service `kubernetes` would lead here, and an address of loopback is not allowed there.
                "--endpoint-reconciler-type=none",
                "--authorization-mode=Node,RBAC",
                "--enable-admission-plugins=NodeRestriction",
                "--allow-privileged=true",
                f"--audit-policy-file={data / 'audit.yaml'}",
                f"--audit-log-path={self.audit}",
                f"--client-ca-file={data / 'ca.crt'}",
                f"--tls-cert-file={data / 'server.crt'}",
                f"--tls-private-key-file={data / 'server.key'}",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-account-key-file={data / 'tokens.pub'}",
                f"--service-account-signing-key-file={data / 'tokens.key'}",
                "--service-cluster-ip-range=10.96.0.0/16",
                "--profiling=false",
                *self._api_server_options,
            ],
            "kube-controller-manager": [
                f"--kubeconfig={self.kubeconfig_of('system:kube-controller-manager')}",
                "--use-service-account-credentials=true",
                f"--service-account-private-key-file={data / 'tokens.key'}",
                f"--root-ca-file={data / 'ca.crt'}",
                "--leader-elect=false",
                # There is no node, and it would take every pod away 40 s after it was bound to one.
                "--controllers=*,-pod-garbage-collector-controller",
                "--secure-port=0",
                "--profiling=false",
                # The default of 20 requests a second would be the bottleneck of every benchmark.
                "--kube-api-qps=500",
                "--kube-api-burst=1000",
            ],
        }

    def _probes(self) -> Mapping[str, Callable[[], bool]]:
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        return {
            "etcd": lambda: self._answers(http.client.HTTPConnection(self._store, timeout=5), "/health"),
            "kube-apiserver": lambda: self._answers(self._connection(), "/readyz"),
            # A namespace's account is one of the controllers' works, and pods cannot be made without it.
            "kube-controller-manager": lambda: self._answers(self._connection(), account),
        }

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPSConnection("127.0.0.1", self._port, timeout=5, context=self._tls)

    @staticmethod
    def _answers(connection: http.client.HTTPConnection, path: str) -> bool:
        try:
            connection.request("GET", path)
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
