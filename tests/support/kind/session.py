"""The whole of `make kind-up`, `make kind-load`, `make kind-down` and `make kind-clean`; the end-to-end tests call `up`, too."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from support.kind import cluster, images, paths, release
from support.kind.progress import say


def up() -> None:
    """The cluster, all images in it and the chart installed, as this checkout has them; what is so already stays as it is."""
    with _alone():
        release.install(images.build_and_load(cluster.up()))


def load() -> None:
    """Images and chart anew, in a cluster that is up."""
    with _alone():
        release.install(images.build_and_load(cluster.docker()))


def down() -> None:
    """Take the cluster down and say what stays."""
    with _alone():
        cluster.down()
        say(
            f"the cluster is gone; {paths.cache()} stays and makes the next start short (`make kind-clean` removes it)"
        )


def clean() -> None:
    """Take the cluster down and remove all that was made for it."""
    with _alone():
        cluster.down()
        shutil.rmtree(paths.cache())
    say("the cluster and its cache are gone")


@contextmanager
def _alone() -> Iterator[None]:
    """Two of these at once would build everything twice and delete each other's cluster."""
    with (paths.cache() / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another kind-up, kind-load or kind-down is at work; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        # Left by one that was killed: whoever holds the lock makes nothing yet.
        for unfinished in paths.cache().glob(".making-*"):
            shutil.rmtree(unfinished)
        yield
