"""Known answers of the alignment numbers."""

import math
from functools import partial

import pytest
import torch
from torch import Tensor

from tacotrain.metrics.alignment import AlignmentQuality, assess
from tacotrain.metrics.text_use import derangement, swap_ratio, wrong_texts
from tacotrain.metrics.word_hit import word_hits
from tacotrain.words import WordTiming

SIZES = [(500, 80), (34, 28), (100, 28), (25, 28), (12, 40), (6, 30)]
size = pytest.mark.parametrize(("steps", "symbols"), SIZES, ids=[f"{u} steps, {s} symbols" for u, s in SIZES])


def looking_at(positions: list[int], symbols: int) -> Tensor:
    """Sharp attention: one symbol per step."""
    return torch.nn.functional.one_hot(torch.tensor(positions), symbols).float()


def diagonal(steps: int, symbols: int) -> Tensor:
    return looking_at([round(step * (symbols - 1) / (steps - 1)) for step in range(steps)], symbols)


def soft(steps: int, symbols: int, width: float = 0.8) -> Tensor:
    """A diagonal that looks at about two symbols at a time."""
    center_U = torch.linspace(0, symbols - 1, steps)
    return torch.softmax(-0.5 * ((center_U[:, None] - torch.arange(symbols)) / width) ** 2, 1)


@size
def test_a_perfect_diagonal_scores_one_at_every_size(steps: int, symbols: int) -> None:
    assert assess(diagonal(steps, symbols)) == AlignmentQuality(1.0, 1.0, 1.0, end=True)
    assert assess(diagonal(steps, symbols)).alignment == 1.0


@size
def test_flat_attention_scores_low_because_it_looks_nowhere(steps: int, symbols: int) -> None:
    quality = assess(torch.full((steps, symbols), 1 / symbols))
    assert quality.focus == pytest.approx(1 / symbols)
    assert quality.monotonicity == pytest.approx(1.0)
    assert quality.alignment < 0.34
    assert quality.alignment == pytest.approx((quality.coverage / symbols) ** (1 / 3))


@size
def test_backward_reading_scores_zero(steps: int, symbols: int) -> None:
    quality = assess(diagonal(steps, symbols).flip(0))
    assert quality.focus == quality.coverage == 1.0
    assert quality.monotonicity == 0.0
    assert quality.alignment == 0.0
    assert not quality.end


@size
def test_stuck_attention_covers_three_symbols_at_most(steps: int, symbols: int) -> None:
    quality = assess(looking_at([symbols // 2] * steps, symbols))
    assert quality.coverage <= max(3, 2 * math.ceil(symbols / (2 * steps)) + 1) / symbols
    assert quality.alignment < 0.62
    assert not quality.end


def test_stuck_at_the_usual_sizes_scores_below_a_half() -> None:
    assert assess(looking_at([5] * 500, 80)).alignment == pytest.approx((3 / 80) ** (1 / 3))
    assert assess(looking_at([5] * 34, 28)).alignment < 0.5


@pytest.mark.parametrize("symbols", [28, 80])
def test_the_reduction_factor_does_not_change_the_score(symbols: int) -> None:
    scores = [assess(soft(102 // factor, symbols)).alignment for factor in (1, 2, 3, 4)]
    assert max(scores) - min(scores) < 0.04


def test_resting_on_every_second_symbol_is_harmless() -> None:
    positions = [min(2 * (step // 2) + 1, 27) for step in range(28)]
    assert assess(looking_at(positions, 28)).alignment > 0.98


def test_skipping_the_second_half_costs_coverage_and_the_end() -> None:
    quality = assess(diagonal(40, 80)[:20])
    assert quality.coverage < 0.6
    assert not quality.end


def test_one_stray_step_costs_little_and_random_reading_a_lot() -> None:
    stray = diagonal(40, 40)
    stray[3] = looking_at([39], 40)[0]
    generator = torch.Generator().manual_seed(0)
    random = looking_at(torch.randint(0, 40, (400,), generator=generator).tolist(), 40)
    assert assess(stray).monotonicity > 0.92
    assert 0.4 < assess(random).monotonicity < 0.6


def test_what_is_not_finite_stays_so() -> None:
    broken = diagonal(34, 28)
    broken[7] = math.nan
    assert math.isnan(assess(broken).alignment)
    assert math.isnan(assess(torch.full((1, 1), math.nan)).alignment)


def test_one_step_and_one_symbol_are_fine_and_none_is_refused() -> None:
    assert assess(torch.ones(1, 1)).alignment == 1.0
    with pytest.raises(ValueError, match="steps and symbols"):
        assess(torch.ones(0, 4))


@pytest.mark.parametrize("count", [2, 3, 32])
def test_a_derangement_moves_everyone_and_depends_on_the_seed_alone(count: int) -> None:
    before = torch.get_rng_state()
    partners = derangement(count, seed=7)
    assert sorted(partners) == list(range(count))
    assert all(index != partner for index, partner in enumerate(partners))
    assert partners == derangement(count, seed=7)
    assert torch.equal(before, torch.get_rng_state())


def test_one_utterance_has_nobody_to_swap_with() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        derangement(1, seed=0)


def test_a_repeated_sentence_is_no_wrong_text() -> None:
    texts = [[1, 2], [1, 2], [1, 2], [3]]
    for seed in range(8):
        partners = wrong_texts(texts, seed)
        assert all(texts[partner] != texts[index] for index, partner in enumerate(partners))
    assert wrong_texts([[1], [1]], seed=0) == (1, 0)


def test_the_swap_ratio_is_one_for_a_voice_that_ignores_its_text() -> None:
    assert swap_ratio(0.4, 0.4) == 1.0
    assert swap_ratio(0.9, 0.3) == pytest.approx(3.0)
    assert math.isnan(swap_ratio(0.9, 0.0))
    assert math.isnan(swap_ratio(math.nan, 0.3))


def test_word_hits_count_steps_that_look_at_the_sounding_word() -> None:
    words = [WordTiming(0, 3, 0.0, 0.6), WordTiming(4, 7, 0.9, 1.8)]
    hits = partial(word_hits, words=words, reduction_factor=3, seconds_per_frame=0.1)
    # Steps of 3 frames: two in the first word, one in the pause, three in the second word.
    assert hits(looking_at([0, 3, 9, 3, 7, 5], 10)) == (5, 5)
    assert hits(looking_at([4, 0, 0, 2, 8, 9], 10)) == (1, 5)
