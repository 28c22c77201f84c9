"""The cluster itself: one node, created once, found again when it is there."""

import json
import os
import shutil
from pathlib import Path
from typing import Any, Final

from support import toolchain
from support.kind import daemon, node_image, paths
from support.kind.docker import Docker, machines_docker
from support.kind.errors import EX_UNAVAILABLE, KindError
from support.kind.processes import output, run, succeeds
from support.kind.progress import say, step

NAME: Final = "tacotune"
NODE: Final = f"{NAME}-control-plane"
PULLED: Final = "kindest/node:v1.37.0@sha256:a1ed56cfb0e7b93589bdf97c8cd566405a265939e3620fc4f5de89adff580ae5"
"""kind's default of the version that `toolchain` builds."""
_BUILT: Final = "tacotune.local/node"
READY_SECONDS: Final = 180


def up() -> Docker:
    """Bring the cluster up, or find it up; return the Docker that it runs in.

    Raises:
        KindError: saying what is missing or what failed.
    """
    docker = machines_docker() or daemon.running()
    if docker is None:
        docker = daemon.start()
        # A node that a dead daemon left behind does not come back by itself.
        _kind(docker, "delete", "cluster", "--name", NAME)
    if is_up(docker):
        if _is_of_this_checkout(docker):
            say(f"the cluster is up already: KUBECONFIG={paths.kubeconfig()}")
            return docker
        say("the cluster that is up has another node image; it is made anew")
    _kind(docker, "delete", "cluster", "--name", NAME)
    image = _node_image(docker)
    config = paths.cache() / "cluster.json"
    config.write_text(json.dumps(configuration(image, _store(docker, image))))
    with step("kind create cluster"):
        run("kind", [program("kind"), *_arguments(config)], env=docker.env)
    with step("waiting for DNS and volumes"):
        for namespace, deployment in (
            ("kube-system", "coredns"),
            ("local-path-storage", "local-path-provisioner"),
        ):
            kubectl(
                *(
                    "rollout",
                    "status",
                    f"deployment/{deployment}",
                    "-n",
                    namespace,
                    f"--timeout={READY_SECONDS}s",
                ),
                within=READY_SECONDS + 10,
            )
    return docker


def down() -> None:
    """Remove the cluster, and our Docker with it when it is ours."""
    try:
        for docker in (machines_docker(), daemon.running()):
            if docker is not None and NAME in _kind(docker, "get", "clusters").split():
                with step("kind delete cluster"):
                    _kind(docker, "delete", "cluster", "--name", NAME)
            if docker is not None and docker.ours:
                # kind leaves its network to other clusters; here there are none. What a rebuilt image replaced goes, too.
                docker.succeeds("network", "rm", "kind")
                docker.succeeds("image", "prune", "--force")
    finally:
        daemon.stop()
        paths.kubeconfig().unlink(missing_ok=True)


def docker() -> Docker:
    """The Docker that the cluster runs in.

    Raises:
        KindError: when it is not up.
    """
    for found in (machines_docker(), daemon.running()):
        if found is not None and is_up(found):
            return found
    raise KindError("The cluster is not up: `make kind-up` brings it up.", EX_UNAVAILABLE)


def is_up(docker: Docker) -> bool:
    """Whether the node runs and the API server says that it is ready."""
    return (
        paths.kubeconfig().exists()
        and docker.succeeds("container", "inspect", NODE)
        and succeeds(
            [program("kubectl"), f"--kubeconfig={paths.kubeconfig()}", "get", "--raw=/readyz"], within=10
        )
    )


def kubectl(*arguments: str, text: str = "", within: float = 120) -> str:
    """What `kubectl …` prints about this cluster; `text` is its standard input."""
    return output(kubectl_command(*arguments), text=text, within=within)


def kubectl_command(*arguments: str) -> list[str]:
    """`kubectl …` for this cluster."""
    return [str(program("kubectl")), f"--kubeconfig={paths.kubeconfig()}", *arguments]


def configuration(image: str, store: str | None) -> dict[str, Any]:
    """What kind is told.

    Args:
        image: The node's; a built one brings its own network, since kind's network image cannot be had either.
        store: Folder of Docker's machine in which containerd keeps its images for the next cluster.
    """
    kubelet = {
        "kind": "KubeletConfiguration",
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        # The kubelet refuses control groups of version 1 otherwise, which still are what some machines have.
        "failCgroupV1": False,
    }
    node: dict[str, Any] = {"role": "control-plane", "image": image}
    if store is not None:
        node["extraMounts"] = [{"hostPath": store, "containerPath": "/var/lib/containerd"}]
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "networking": {"disableDefaultCNI": image != PULLED, "kubeProxyMode": "iptables"},
        "nodes": [node],
        "kubeadmConfigPatches": [json.dumps(kubelet)],
    }


def _store(docker: Docker, image: str) -> str | None:
    """Where containerd keeps its images: a pulled node has them inside already, a built one would load gigabytes each time.

    A new cluster finds the containers of the last one as a node finds them after a restart, and removes them.
    """
    if image == PULLED:
        return None
    store = paths.cache() / "docker" / f"containerd-{node_image.key()}"
    for outdated in store.parent.glob("containerd-*"):
        if outdated != store:
            shutil.rmtree(outdated)
    store.mkdir(parents=True, exist_ok=True)
    return f"/state/{store.name}" if docker.ours else str(store)


def _arguments(config: os.PathLike[str]) -> tuple[str, ...]:
    return (
        *(
            "create",
            "cluster",
            "--name",
            NAME,
            "--config",
            str(config),
            "--kubeconfig",
            str(paths.kubeconfig()),
        ),
        *("--wait", f"{READY_SECONDS}s"),
    )


def _is_of_this_checkout(docker: Docker) -> bool:
    """Whether the node came from an image that this checkout would use: another checkout may have brought the cluster up."""
    image = docker.output("container", "inspect", "--format", "{{.Config.Image}}", NODE).strip()
    return image in {PULLED, _built()}


def _built() -> str:
    return f"{_BUILT}:{node_image.key()}"


def _node_image(docker: Docker) -> str:
    """The image of the node in this Docker: there already, pulled, or built."""
    if docker.has(PULLED):
        return PULLED
    built = _built()
    if docker.has(built):
        return built
    if not docker.ours:
        say(f"pulling {PULLED.partition('@')[0]}")
        if docker.succeeds("pull", PULLED, within=900):
            return PULLED
        say("it cannot be pulled; building a node image instead")
    tar = node_image.node_tar()
    with step("docker import of the node image"), tar.open("rb") as file:
        changes = [part for change in node_image.CHANGES for part in ("--change", change)]
        docker.run("import", "import", *changes, "-", built, stdin=file)
    # Docker has it now, and an earlier one serves nobody any more.
    tar.unlink()
    for outdated in docker.output("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", _BUILT).split():
        if outdated != built:
            docker.succeeds("image", "rm", outdated)
    return built


def _kind(docker: Docker, *arguments: str) -> str:
    return output([program("kind"), *arguments], env=docker.env)


def program(name: str) -> Path:
    """A program from the toolchain; on a machine with Docker and without Go, the one on PATH does."""
    try:
        return toolchain.build([name]) / name
    except toolchain.ToolchainError as error:
        if found := shutil.which(name):
            return Path(found)
        raise KindError(f"{error} Or put `{name}` on PATH.", error.code) from error
