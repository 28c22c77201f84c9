"""`python -m tacotune` is the console script `tacotune`."""

from tacotune.cli import main

if __name__ == "__main__":
    main()
