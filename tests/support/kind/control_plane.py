"""The images of the control plane, as one archive: programs built from Go modules, each alone in its image.

The programs are static. Only kube-proxy needs more, iptables with its libraries, taken from the Debian of the node.
"""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from support import toolchain
from support.kind import paths
from support.kind.archive import Image, write_archive
from support.kind.processes import output

PROGRAMS: Final = (
    *(
        "kubeadm",
        "kubelet",
        "kubectl",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kube-proxy",
        "etcd",
    ),
    *("coredns", "local-path-provisioner", "containerd", "ctr", "containerd-shim-runc-v2"),
)
PROVISIONER: Final = "tacotune.local/local-path-provisioner:e2e"
HELPER: Final = "tacotune.local/local-path-helper:e2e"
_SHELL: Final = ("sh", "mkdir", "rm", "chmod")
"""What the provisioner's scripts use of busybox."""


def references(programs: Path) -> Mapping[str, str]:
    """Name → the image of that name which kubeadm wants, as `pause` → `registry.k8s.io/pause:3.10.2`."""
    version = f"v{toolchain.KUBERNETES}"
    listed = output(
        [programs / "kubeadm", "config", "images", "list", "--kubernetes-version", version]
    ).split()
    return {match[1]: name for name in listed if (match := re.search(r"([^/]+):[^:]+$", name))}


def write_images(programs: Path, root: Path, scratch: Path, archive: Path) -> str:
    """Write all images; `root` is the node's Debian. Return the reference of the pause image."""
    names = references(programs)
    pause = scratch / "pause"
    output(
        ["go", "build", "-trimpath", "-ldflags", "-s -w", "-o", pause, paths.FILES / "node/pause.go"],
        env=_static(),
    )
    busybox = root / "bin/busybox"
    shell = {f"bin/{tool}": "busybox" for tool in _SHELL}
    certificates = {"etc/ssl/certs/ca-certificates.crt": root / "etc/ssl/certs/ca-certificates.crt"}
    images = [
        *(
            Image(names[name], {**_program(programs, name), **certificates}, {})
            for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
        ),
        # etcd's probes and kubeadm's upgrades call a shell.
        Image(names["etcd"], {**_program(programs, "etcd"), "bin/busybox": busybox}, shell),
        Image(names["coredns"], _program(programs, "coredns"), {}, ("/usr/local/bin/coredns",)),
        Image(
            names["kube-proxy"], {**_program(programs, "kube-proxy"), **_iptables(root)}, _iptables_links()
        ),
        Image(names["pause"], {"pause": pause}, {}, ("/pause",)),
        Image(
            PROVISIONER,
            _program(programs, "local-path-provisioner"),
            {},
            ("/usr/local/bin/local-path-provisioner",),
        ),
        Image(HELPER, {"bin/busybox": busybox}, shell),
    ]
    write_archive(images, archive)
    return names["pause"]


def _program(programs: Path, name: str) -> dict[str, Path]:
    return {f"usr/local/bin/{name}": programs / name}


def _iptables(root: Path) -> dict[str, Path]:
    """iptables, its extensions and every library that one of them loads: their places in the image and here."""
    program = Path("usr/sbin/xtables-nft-multi")
    extensions = [path.relative_to(root) for path in root.glob("usr/lib/*/xtables/*.so")]
    libraries = output(["chroot", root, "ldd", *(f"/{path}" for path in (program, *extensions))])
    needed = {Path(match) for match in re.findall(r"(?:=> |^\t)/(\S+) \(0x", libraries, re.MULTILINE)}
    return {str(path): _resolved(root, path) for path in sorted({program, *extensions, *needed})}


def _resolved(root: Path, path: Path) -> Path:
    """The file behind links, some of which are absolute and meant inside the root."""
    file = root / path
    while file.is_symlink():
        target = file.readlink()
        file = root / target.relative_to("/") if target.is_absolute() else file.parent / target
    return file


def _iptables_links() -> dict[str, str]:
    tools = [f"{family}tables{suffix}" for family in ("ip", "ip6") for suffix in ("", "-save", "-restore")]
    return {f"usr/sbin/{tool}": "xtables-nft-multi" for tool in tools}


def _static() -> dict[str, str]:
    return {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"}


def kind_module() -> Path:
    """The folder of kind's own module, which holds the files of its base image."""
    version = toolchain.PROGRAMS["kind"].version
    answer = json.loads(output(["go", "mod", "download", "-json", f"sigs.k8s.io/kind@{version}"], within=300))
    return Path(answer["Dir"])
