"""`python -m support.kind up | load | down | clean`, called by `make kind-up` and the others."""

import argparse
import sys

from support.kind import paths, session
from support.kind.errors import KindError
from support.toolchain import ToolchainError

COMMANDS = {"up": session.up, "load": session.load, "down": session.down, "clean": session.clean}


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m support.kind", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    chosen = parser.parse_args().command
    try:
        COMMANDS[chosen]()
    except (KindError, ToolchainError) as error:
        print(error, file=sys.stderr)
        return error.code
    if chosen == "up":
        print(f"export KUBECONFIG={paths.kubeconfig()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
