"""Debian root file systems by debootstrap, each once, as tar files in the cache."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from support.kind import paths
from support.kind.errors import EX_UNAVAILABLE, KindError
from support.kind.processes import run
from support.kind.progress import step

TOOLS: Final = ("debootstrap", "unshare", "mount", "tar")


@dataclass(frozen=True, slots=True)
class Root:
    """A minimal Debian and some packages."""

    name: str
    suite: str
    packages: tuple[str, ...]

    @property
    def key(self) -> str:
        """Its name in the cache: other packages are another root."""
        return f"{self.name}-{self.suite}-{paths.digest(*self.packages)}"


def mirror() -> str:
    """Where the packages come from."""
    return os.environ.get("TACOTUNE_DEBIAN_MIRROR") or "http://deb.debian.org/debian"


def require_debian() -> None:
    """Say all at once what this machine lacks to make root file systems and mount namespaces.

    Raises:
        KindError: with exit code 69 when something is missing.
    """
    missing = [f"`{tool}` on PATH" for tool in TOOLS if shutil.which(tool) is None]
    if os.geteuid() != 0:
        missing.insert(0, "root")
    if missing:
        raise KindError(
            "Without a Docker daemon and the registry of kind's node image, the cluster is made from Debian packages and Go "
            f"modules, which needs {', '.join(missing)}. Start Docker, or install what is missing (Debian: apt-get install "
            "debootstrap util-linux) and run this as root.",
            EX_UNAVAILABLE,
        )


def tarball(root: Root) -> Path:
    """The root file system as a tar file, from the cache or made now."""
    tar = paths.cache() / "debian" / f"{root.key}.tar"
    if tar.exists():
        return tar
    require_debian()
    tar.parent.mkdir(exist_ok=True)
    packages = paths.cache() / "packages" / root.suite
    packages.mkdir(parents=True, exist_ok=True)
    with step(f"Debian {root.suite} for {root.name} from {mirror()}"), scratch() as folder:
        # Whatever debootstrap mounts goes with the namespace, however it ends.
        run(
            f"debootstrap-{root.name}",
            [
                *("unshare", "--mount", "--propagation", "private", "debootstrap", "--variant=minbase"),
                *(
                    f"--cache-dir={packages}",
                    f"--include={','.join(root.packages)}",
                    root.suite,
                    folder,
                    mirror(),
                ),
            ],
        )
        pack(folder, tar)
    return tar


def pack(folder: Path, tar: Path) -> None:
    """Write a tar file beside and rename it, so that a half-written one is never found."""
    unfinished = tar.with_suffix(".unfinished")
    skipped = (
        "./proc/*",
        "./sys/*",
        "./dev/*",
        "./var/cache/apt/*",
        "./var/lib/apt/lists/*",
        "./tmp/*",
        "./run/*",
    )
    run("tar", ["tar", "-C", folder, *(f"--exclude={path}" for path in skipped), "-cf", unfinished, "."])
    unfinished.replace(tar)


def unpack(tar: Path, folder: Path) -> None:
    """Owners and modes as in the tar file."""
    folder.mkdir(parents=True, exist_ok=True)
    run("tar", ["tar", "-C", folder, "--numeric-owner", "-xpf", tar])


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for a root file system in the making; it goes when the block ends."""
    folder = Path(tempfile.mkdtemp(prefix=".making-", dir=paths.cache()))
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
