"""`python -m tacotrain`."""

import sys

from tacotrain.cli import main

if __name__ == "__main__":
    sys.exit(main())
