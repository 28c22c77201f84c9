"""Does the attention read the text from start to end? Focus, coverage, monotonicity and their geometric mean.

One utterance at a time, on decoder steps, padding cut off by the caller: U = decoder steps, S = symbols. Each number is
in [0, 1], 1 is best, and none depends on how many steps or symbols there are: the mean of A[i, i], which is sometimes
called alignment, gives a perfect diagonal of 500 steps over 80 symbols 0.0125; here it is 1.

A straight line that ignores the text is a perfect alignment too: guided attention draws one before anything is learned.
Only `tacotrain.metrics.text_use` tells the two apart.

A number that is not finite stays not finite, so that nobody takes a broken model for a bad one.
"""

from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor

END_SYMBOLS = 3
"""The last step must look at one of that many last symbols: the final ones are often silent."""


@dataclass(frozen=True, slots=True)
class AlignmentQuality:
    """What one alignment is worth."""

    focus: float
    """Mean over steps of the largest weight (the focus rate of FastSpeech); 1 / symbols when attention is flat."""
    coverage: float
    """Share of the text that was attended to for as long as a symbol should be, neighbors counted in."""
    monotonicity: float
    """1 when reading never goes back, 0 when the text is read backwards, about a half when at random."""
    end: bool
    """Whether reading arrived at the end of the text."""

    @property
    def alignment(self) -> float:
        """The geometric mean: one bad factor is enough to spoil it."""
        return float((self.focus * self.coverage * self.monotonicity) ** (1 / 3))


def assess(alignment_US: Tensor) -> AlignmentQuality:
    """Judge one alignment.

    Args:
        alignment_US: Attention weights of one utterance, each row summing to 1, without padding.

    Raises:
        ValueError: The alignment has no step or no symbol.
    """
    if alignment_US.ndim != 2 or 0 in alignment_US.shape:
        raise ValueError(
            f"an alignment is a matrix of steps and symbols, not of shape {tuple(alignment_US.shape)}"
        )
    weights_US = alignment_US.detach().to("cpu", torch.float64)
    return AlignmentQuality(
        focus=focus(weights_US),
        coverage=coverage(weights_US),
        monotonicity=monotonicity(weights_US),
        end=reaches_end(weights_US),
    )


def focus(alignment_US: Tensor) -> float:
    """How sharply each step looks: the mean of the largest weights."""
    return float(alignment_US.amax(1).mean().clamp(max=1.0))


def coverage(alignment_US: Tensor) -> float:
    """How much of the text was read.

    A symbol is covered when the weights on it and on its neighbors, summed over the steps, reach one step's worth.
    Attention that rests on every second symbol reads well, so neighbors count; and when there are fewer steps than
    symbols, as with a large reduction factor, each step is worth more and reaches as far as it must.
    """
    steps, symbols = alignment_US.shape
    reach = max(1, ceil(symbols / (2 * steps)))
    total_S = alignment_US.sum(0).cumsum(0)
    position_S = torch.arange(symbols)
    upper_S = total_S[(position_S + reach).clamp(max=symbols - 1)]
    below_S = position_S - reach - 1
    lower_S = torch.where(below_S >= 0, total_S[below_S.clamp(min=0)], 0.0)
    attended_S = (upper_S - lower_S) * max(1.0, symbols / steps)
    return float(attended_S.clamp(0.0, 1.0).mean())


def monotonicity(alignment_US: Tensor) -> float:
    """How seldom reading goes back.

    Over all pairs of an earlier and a later step, the mean distance by which the earlier one is ahead in the text, in
    units of what backward reading would give: a third of the text. Unlike the mean backward move from step to step, it
    does not shrink as steps grow more, and one stray step costs little.
    """
    steps, symbols = alignment_US.shape
    if steps < 2 or symbols < 2:
        return 1.0 if bool(alignment_US.isfinite().all()) else float("nan")
    position_S = torch.arange(symbols, dtype=alignment_US.dtype)
    center_U = alignment_US @ position_S / (symbols - 1)
    ahead_UU = (center_U[:, None] - center_U[None, :]).clamp(min=0.0).triu(1)
    pairs = steps * (steps - 1) / 2
    return float((1.0 - 3.0 * ahead_UU.sum() / pairs).clamp(0.0, 1.0))


def reaches_end(alignment_US: Tensor) -> bool:
    """Whether the last step looks at one of the last symbols."""
    symbols = alignment_US.shape[1]
    return int(alignment_US[-1].argmax()) >= symbols - END_SYMBOLS
