"""What our Docker changes outside of its namespaces, and how it is taken back: the host's network and control groups."""

import json
from collections.abc import Collection
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Final

from support.kind.processes import output, succeeds

BRIDGE: Final = "docker0"
POOL: Final = ip_network("172.31.0.0/16")
"""All addresses of our Docker's networks (files/dockerd.sh)."""
_REFUSED: Final = ":FORWARD DROP"
_FORWARDING: Final = Path("/proc/sys/net/ipv4/ip_forward")
_GROUPS: Final = Path("/sys/fs/cgroup")
_NAMESPACE: Final = ("unshare", "--mount", "--propagation", "private", "chroot")


def remember(state: Path, root: Path) -> None:
    """Keep how the network was, unless an earlier Docker's traces are still there."""
    memory = state / "before.json"
    if not memory.exists():
        before = {
            "forwarding": _FORWARDING.read_text().strip(),
            "refused": _REFUSED in output([*_NAMESPACE, root, "iptables-save"]),
            "bridge": (Path("/sys/class/net") / BRIDGE).exists(),
        }
        memory.write_text(json.dumps(before))


def take_back(state: Path, root: Path) -> None:
    """Undo what a stopped daemon left; `root` has the programs for it. Without a memory there is nothing to undo."""
    memory = state / "before.json"
    if not memory.exists():
        return
    before = json.loads(memory.read_text())
    if not before["bridge"]:
        # A bridge that was there before is another Docker's, and so are its rules. One that was stopped has taken back its
        # other bridges itself; one that was killed has not.
        bridges = bridges_of_docker(
            output([*_NAMESPACE, root, "ip", "-json", "-4", "address", "show", "type", "bridge"])
        )
        for bridge in bridges:
            succeeds([*_NAMESPACE, root, "ip", "link", "delete", bridge])
        rules = output([*_NAMESPACE, root, "iptables-save"])
        kept = without_docker(rules, bridges, refused=before["refused"])
        output([*_NAMESPACE, root, "iptables-restore"], text=kept)
    _FORWARDING.write_text(before["forwarding"])
    for group in _GROUPS.glob("**/tacotune-kind"):
        _remove_group(group)
    memory.unlink()


def bridges_of_docker(links: str) -> list[str]:
    """Names of our Docker's bridges in what `ip -json address` prints."""
    return [
        link["ifname"]
        for link in json.loads(links)
        # Those of another type are there without anything in them.
        if link and any(ip_address(address["local"]) in POOL for address in link["addr_info"])
    ]


def without_docker(rules: str, bridges: Collection[str], *, refused: bool) -> str:
    """The rules of `iptables-save` without Docker's chains and what refers to them; forwarding `refused` as before."""
    gone = ("DOCKER", BRIDGE, *bridges)
    kept = (line for line in rules.splitlines() if not any(word in line for word in gone))
    return "\n".join(line if refused else line.replace(_REFUSED, ":FORWARD ACCEPT") for line in kept) + "\n"


def _remove_group(group: Path) -> None:
    """Control groups are folders that are removed from the inside out, once no process is in them."""
    for folder in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
        folder.rmdir()
    group.rmdir()
