"""The batch sampler: every utterance once an epoch, similar lengths together, resumable anywhere."""

import json
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tacotrain.data.sampler import BatchSampler
from tacotrain.errors import ConfigError, DataError

LENGTHS = st.lists(st.integers(1, 300), min_size=1, max_size=60)
SIZES = st.one_of(
    st.builds(lambda n: {"batch_size": n}, st.integers(1, 70)),
    st.builds(lambda n: {"frames_per_batch": n}, st.integers(1, 2000)),
)


def epoch(sampler: BatchSampler) -> list[tuple[int, ...]]:
    """Batches up to the end of the current epoch."""
    number = sampler.epoch
    batches = []
    while sampler.epoch == number:
        batches.append(next(sampler))
    return batches


def through_json(state: dict[str, Any]) -> dict[str, Any]:
    restored: dict[str, Any] = json.loads(json.dumps(state))
    return restored


@settings(deadline=None)
@given(LENGTHS, SIZES, st.integers(0, 2**63))
def test_an_epoch_serves_each_utterance_exactly_once(
    lengths: list[int], size: dict[str, int], seed: int
) -> None:
    sampler = BatchSampler(lengths, seed=seed, **size)
    for _ in range(2):
        count = sampler.batches_in_epoch
        batches = epoch(sampler)
        assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
        assert len(batches) == count >= 1
        assert all(batches)


@settings(deadline=None)
@given(LENGTHS, SIZES, st.integers(0, 1000))
def test_no_batch_is_larger_than_asked(lengths: list[int], size: dict[str, int], seed: int) -> None:
    for batch in epoch(BatchSampler(lengths, seed=seed, **size)):
        if "batch_size" in size:
            assert len(batch) <= size["batch_size"]
        else:
            padded = len(batch) * max(lengths[i] for i in batch)
            assert padded <= size["frames_per_batch"] or len(batch) == 1


@settings(deadline=None)
@given(LENGTHS, st.integers(1, 70), st.integers(0, 1000))
def test_with_a_fixed_size_an_epoch_has_as_few_batches_as_possible(
    lengths: list[int], size: int, seed: int
) -> None:
    sampler = BatchSampler(lengths, batch_size=size, seed=seed)
    assert sampler.batches_in_epoch == -(-len(lengths) // size)


@settings(deadline=None)
@given(LENGTHS, SIZES, st.integers(0, 1000), st.integers(0, 150))
def test_a_restored_sampler_goes_on_with_exactly_the_same_batches(
    lengths: list[int], size: dict[str, int], seed: int, served: int
) -> None:
    sampler = BatchSampler(lengths, seed=seed, **size)
    list(islice(sampler, served))
    state = through_json(sampler.state_dict())
    # A sampler built with another seed takes that of the state.
    restored = BatchSampler(lengths, seed=seed + 1, **size)
    restored.load_state_dict(state)
    assert (restored.epoch, restored.cursor) == (sampler.epoch, sampler.cursor)
    assert list(islice(restored, 40)) == list(islice(sampler, 40))


@settings(deadline=None)
@given(LENGTHS, st.lists(st.tuples(SIZES, st.integers(0, 20)), min_size=1, max_size=4), SIZES)
def test_changing_the_batch_size_within_an_epoch_still_serves_each_utterance_once(
    lengths: list[int], parts: list[tuple[dict[str, int], int]], last: dict[str, int]
) -> None:
    served: list[int] = []
    state: dict[str, Any] | None = None
    for size, batches in [*parts, (last, 10**6)]:
        sampler = BatchSampler(lengths, seed=3, **size)
        if state is not None:
            sampler.load_state_dict(state)
        # Saved and restored once more, as a run that is killed again does.
        again = BatchSampler(lengths, **size)
        again.load_state_dict(through_json(sampler.state_dict()))
        for _ in range(min(batches, again.batches_in_epoch - again.cursor)):
            served += next(again)
        if again.epoch == 1:
            break
        state = through_json(again.state_dict())
    assert sorted(served) == list(range(len(lengths)))


def test_only_the_given_utterances_are_served() -> None:
    sampler = BatchSampler([5, 6, 7, 8, 9], batch_size=2, utterances=[4, 1, 3])
    assert {i for batch in epoch(sampler) for i in batch} == {1, 3, 4}


def test_a_dataset_smaller_than_a_batch_still_trains() -> None:
    sampler = BatchSampler([10, 20, 30], batch_size=16)
    assert [sorted(batch) for batch in islice(sampler, 2)] == [[0, 1, 2], [0, 1, 2]]
    assert sampler.epoch == 2


def test_epochs_and_seeds_differ_and_repeat() -> None:
    lengths = list(range(10, 110))
    first, second = BatchSampler(lengths, batch_size=8, seed=1), BatchSampler(lengths, batch_size=8, seed=1)
    epochs = [epoch(first) for _ in range(3)]
    assert epochs == [epoch(second) for _ in range(3)]
    assert epochs[0] != epochs[1]
    assert epochs[0] != epoch(BatchSampler(lengths, batch_size=8, seed=2))


def test_similar_lengths_share_a_batch() -> None:
    lengths = [60 + 37 * i % 120 for i in range(400)]
    batches = epoch(BatchSampler(lengths, batch_size=16))
    padded = sum(len(batch) * max(lengths[i] for i in batch) for batch in batches)
    assert sum(lengths) / padded > 0.9  # 0.67 without bucketing


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1000))
def test_over_epochs_the_longest_utterances_are_not_always_the_ones_left_over(seed: int) -> None:
    sampler = BatchSampler(list(range(100, 217)), batch_size=16, seed=seed)
    leftovers = [min(epoch(sampler), key=len) for _ in range(20)]
    assert {len(batch) for batch in leftovers} == {5}
    assert len({min(batch) > 50 for batch in leftovers}) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "batch_size, frames_per_batch: give exactly one of them"),
        ({"batch_size": 2, "frames_per_batch": 2}, "batch_size, frames_per_batch: give exactly one of them"),
        ({"batch_size": 0}, "batch_size, frames_per_batch: 0 is below 1"),
        ({"frames_per_batch": -5}, "batch_size, frames_per_batch: -5 is below 1"),
        ({"batch_size": 1, "seed": -1}, "seed: -1 is below 0"),
    ],
)
def test_a_wrong_argument_is_named(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        BatchSampler([1], **arguments)
    assert str(error.value) == message


def test_no_utterances_is_an_error_and_no_endless_loop() -> None:
    with pytest.raises(DataError, match=r"^the dataset has no utterances to train on$"):
        BatchSampler([], batch_size=1)
    with pytest.raises(DataError, match=r"^the dataset has no utterances to train on$"):
        BatchSampler([1, 2], batch_size=1, utterances=[])


@pytest.mark.parametrize("other", [[1, 2, 4], [1, 2], [1, 2, 3, 4]])
def test_the_state_of_another_dataset_is_refused(other: list[int]) -> None:
    state = BatchSampler([1, 2, 3], batch_size=2).state_dict()
    with pytest.raises(
        DataError, match=r"^the checkpoint's batches are of another dataset; train on that one or start anew$"
    ):
        BatchSampler(other, batch_size=2).load_state_dict(state)
