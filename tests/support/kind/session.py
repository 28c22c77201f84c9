"""The whole of `make kind-up`, `make kind-load` and `make kind-down`; the end-to-end tests call them, too."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from support.kind import cluster, images, paths
from support.kind.progress import say


def up() -> None:
    """The cluster with all images in it; what is there already is left as it is."""
    with _alone():
        images.build_and_load(cluster.up())


def load() -> None:
    """The images anew, in a cluster that is up."""
    with _alone():
        images.build_and_load(cluster.docker())


def down() -> None:
    """Take the cluster down and say what stays."""
    with _alone():
        cluster.down()
        size = sum(file.lstat().st_blocks * 512 for file in paths.cache().rglob("*"))
        say(
            f"the cluster is gone; {paths.cache()} keeps {size / 2**30:.1f} GiB that make the next start short"
        )


@contextmanager
def _alone() -> Iterator[None]:
    """Two of these at once would build everything twice and delete each other's cluster."""
    with (paths.cache() / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another kind-up, kind-load or kind-down is at work; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
