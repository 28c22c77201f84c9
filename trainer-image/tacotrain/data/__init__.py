"""Datasets: checking recordings, preparing them into one memory-mapped shard, and reading batches from it.

Only numpy is imported here: torch comes with the first batch, so that a broken dataset is reported at once.
"""

from tacotrain.data.sampler import BatchSampler
from tacotrain.data.shard import PreparedDataset

__all__ = ["BatchSampler", "PreparedDataset"]
