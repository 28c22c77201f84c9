"""What our Docker changes outside of its namespaces, and how it is taken back: the host's network and control groups."""

import json
from pathlib import Path
from typing import Final

from support.kind.processes import output, succeeds

BRIDGE: Final = "docker0"
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
        # A bridge that was there before is another Docker's, and so are its rules.
        succeeds([*_NAMESPACE, root, "ip", "link", "delete", BRIDGE])
        rules = output([*_NAMESPACE, root, "iptables-save"])
        output([*_NAMESPACE, root, "iptables-restore"], text=without_docker(rules, refused=before["refused"]))
    _FORWARDING.write_text(before["forwarding"])
    for group in _GROUPS.glob("**/tacotune-kind"):
        _remove_group(group)
    memory.unlink()


def without_docker(rules: str, *, refused: bool) -> str:
    """The rules of `iptables-save` without Docker's chains and what refers to them; forwarding `refused` as before."""
    kept = (line for line in rules.splitlines() if "DOCKER" not in line and BRIDGE not in line)
    return "\n".join(line if refused else line.replace(_REFUSED, ":FORWARD ACCEPT") for line in kept) + "\n"


def _remove_group(group: Path) -> None:
    """Control groups are folders that are removed from the inside out, once no process is in them."""
    for folder in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
        folder.rmdir()
    group.rmdir()
