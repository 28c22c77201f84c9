"""The kind cluster from the command line; `make kind-up`, `make kind-demo` and the others call it.

python -m support.kind up      cluster, images and chart; says what to do next
python -m support.kind demo    the same, then a study from its manifest to a voice
python -m support.kind load    images and chart anew
python -m support.kind down    the cluster goes, the cache stays
python -m support.kind clean   both go
"""

import argparse
import shutil
import signal
import sys

from support.kind import cluster, demo, paths, release, session
from support.kind.errors import KindError
from support.kind.progress import say
from support.toolchain import ToolchainError

COMMANDS = {
    "up": session.up,
    "demo": demo.show,
    "load": session.load,
    "down": session.down,
    "clean": session.clean,
}


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m support.kind",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS)
    chosen = parser.parse_args().command
    try:
        COMMANDS[chosen]()
        if chosen == "up":
            _tell_what_is_next()
    except (KindError, ToolchainError) as error:
        print(error, file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        say("stopped")
        return 128 + signal.SIGINT
    return 0


def _tell_what_is_next() -> None:
    """Standard output is for a shell, `eval "$(make -s kind-up)"`; the rest is for a person."""
    say(f"the cluster is up; as helm has it:\n\n{release.notes()}\n\nIn this shell, before that:\n")
    print(f"export KUBECONFIG={paths.kubeconfig()}")
    folder = cluster.program("kubectl").parent
    if shutil.which("kubectl") != str(folder / "kubectl"):
        print(f"export PATH={folder}:$PATH")


if __name__ == "__main__":
    sys.exit(main())
