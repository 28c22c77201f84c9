"""`kubectl tacotune`: the studies of a cluster, from a person's own machine and with that person's own rights.

kubectl finds the program `kubectl-tacotune` on PATH, and asks `kubectl_complete-tacotune` what to complete.
"""

COMPLETE_VARIABLE = "_KUBECTL_TACOTUNE_COMPLETE"
"""By which a shell asks for completions; a script of `kubectl tacotune completion` sets it."""


def main() -> None:
    """Entry point of `kubectl-tacotune`."""
    from tacotune.cli.kubectl.app import app  # noqa: PLC0415  importing the package costs nothing

    app(prog_name="kubectl tacotune", complete_var=COMPLETE_VARIABLE)


def complete() -> None:
    """Entry point of `kubectl_complete-tacotune`."""
    import sys  # noqa: PLC0415  as above

    from tacotune.cli.kubectl.candidates import answer_kubectl  # noqa: PLC0415

    answer_kubectl(sys.argv[1:])
