"""The command line. Its modules import nothing heavy at the top: `tacotune --help` must answer at once."""


def main() -> None:
    """Entry point of the console script."""
    from tacotune.cli.app import app  # noqa: PLC0415  importing tacotune.cli costs nothing

    app(prog_name="tacotune")
