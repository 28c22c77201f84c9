"""kind's node image without a registry: Debian, kind's own scripts and units, and the programs of Kubernetes, as one tar file."""

import shutil
from pathlib import Path
from typing import Final

from support import toolchain
from support.kind import paths
from support.kind.control_plane import PROGRAMS, kind_module, write_images
from support.kind.debian import Root, pack, require_debian, scratch, tarball, unpack
from support.kind.processes import run
from support.kind.progress import step

DEBIAN: Final = Root(
    "node",
    "bookworm",
    (
        *(
            "systemd",
            "systemd-sysv",
            "dbus",
            "bash",
            "ca-certificates",
            "curl",
            "jq",
            "procps",
            "pigz",
            "busybox-static",
        ),
        *(
            "conntrack",
            "iptables",
            "ipset",
            "nftables",
            "iproute2",
            "ethtool",
            "kmod",
            "containernetworking-plugins",
        ),
        *("util-linux", "mount", "libseccomp2", "runc"),
    ),
)
# What `docker import` cannot read from a tar file.
CHANGES: Final = (
    "ENV container=docker",
    "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    'ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]',
    "STOPSIGNAL SIGRTMIN+3",
)


def key() -> str:
    """Version and hash of what goes in: the tag of the image and the name of its tar file."""
    sources = [
        Path(__file__),
        Path(__file__).with_name("control_plane.py"),
        *sorted((paths.FILES / "node").iterdir()),
    ]
    return f"v{toolchain.KUBERNETES}-{paths.digest(DEBIAN.key, toolchain.cache().parent.name, *sources)}"


def node_tar() -> Path:
    """The root file system of a node, from the cache or made now."""
    tar = paths.cache() / f"node-{key()}.tar"
    if not tar.exists():
        require_debian()
        debian = tarball(DEBIAN)
        programs = toolchain.build(PROGRAMS)
        with step("the node image"), scratch() as folder:
            unpack(debian, folder)
            _install(programs, folder)
            pack(folder, tar)
    return tar


def _install(programs: Path, root: Path) -> None:
    base = kind_module() / "images/base/files"
    for folder in ("kind/bin", "kind/images", "kind/manifests", "opt/cni/bin", "etc/cni/net.d"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    _copy_tree(base / "etc", root / "etc", 0o644)
    _copy_tree(base / "kind/bin", root / "kind/bin", 0o755)
    _copy_tree(base / "usr/local/bin", root / "usr/local/bin", 0o755)
    for name in ("containerd", "ctr", "containerd-shim-runc-v2"):
        shutil.copy(programs / name, root / "usr/local/bin")
    for name in ("kubeadm", "kubelet", "kubectl"):
        shutil.copy(programs / name, root / "usr/bin")
    _copy_tree(root / "usr/lib/cni", root / "opt/cni/bin", 0o755)
    shutil.copy(paths.FILES / "node/load-images.service", root / "etc/systemd/system")
    shutil.copy(paths.FILES / "node/10-bridge.conflist", root / "etc/cni/net.d")
    shutil.copy(paths.FILES / "node/storage.yaml", root / "kind/manifests/default-storage.yaml")
    (root / "kind/version").write_text(f"v{toolchain.KUBERNETES}\n")
    pause = write_images(programs, root, root / "tmp", root / "kind/images/images.tar")
    _prepare(root, pause)


def _prepare(root: Path, pause: str) -> None:
    """Run the shell piece inside the root, with /proc and /dev for as long as it runs."""
    script = root / "tmp/prepare-node.sh"
    shutil.copy(paths.FILES / "node/prepare-node.sh", script)
    mounted = f'mount --bind /dev "$1/dev"; mount -t proc proc "$1/proc"; exec chroot "$1" env PAUSE_IMAGE={pause} sh /tmp/{script.name}'
    run(
        "prepare-node",
        ["unshare", "--mount", "--propagation", "private", "sh", "-ec", mounted, "prepare-node", root],
    )


def _copy_tree(source: Path, target: Path, mode: int) -> None:
    """The files of a module are read-only and of no mode worth keeping."""
    for file in sorted(source.rglob("*")):
        if file.is_file():
            place = target / file.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)
            place.chmod(mode)
