"""`tacotune` again and again, as a kubelet restarts a container: whenever it is killed it is started anew.

    KUBECONFIG=… python -m support.restarting PIDFILE operator --kubeconfig …

What it imports is loaded once, before it forks: that is most of a start's time, and nothing that a test is about.
"""

import os
import signal
import sys
from pathlib import Path
from types import FrameType

from support.guarded import die_with


def main() -> int:
    pid_file, arguments = Path(sys.argv[1]), sys.argv[2:]
    # What `tacotune operator` imports when it runs, and what Optuna does when it opens a database.
    import psycopg2.extras  # noqa: F401, PLC0415
    import sqlalchemy.dialects.postgresql  # noqa: F401, PLC0415
    from optuna.storages import RDBStorage  # noqa: PLC0415

    import tacotune.adapters.clock  # noqa: PLC0415
    import tacotune.adapters.kube_api  # noqa: PLC0415
    import tacotune.handlers.operator  # noqa: F401, PLC0415
    from tacotune.cli.app import app  # noqa: PLC0415

    RDBStorage("sqlite://")
    child = 0

    def stop(number: int, _: FrameType | None) -> None:
        os.kill(child, number)

    while True:
        parent = os.getpid()
        child = os.fork()
        if child == 0:
            die_with(parent)
            sys.argv = ["tacotune", *arguments]
            app()
        pid_file.write_text(str(child))
        signal.signal(signal.SIGTERM, stop)
        _, status = os.waitpid(child, 0)
        if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
            return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
