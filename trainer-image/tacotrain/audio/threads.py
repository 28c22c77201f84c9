"""Small tensor operations want one thread."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread inside the block.

    The frames of one utterance are too little work to share: on two busy cores the threads of OpenMP spent twenty times
    longer waiting for each other than computing.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
