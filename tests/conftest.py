"""For all tests."""

from hypothesis import settings

# How long an example takes says something about the machine and its other work, nothing about the code.
settings.register_profile("tacotune", deadline=None)
settings.load_profile("tacotune")
