"""Does the voice depend on its text at all? The teacher-forced loss with a wrong text over that with the right one.

Guided attention draws a diagonal long before anything is read: after 80 steps of the tiny preset the alignment is 0.88
and this ratio 1.02. At 1.5 and above the text is used; a finished voice of the demo has more than 4.
"""

from collections.abc import Sequence

import torch


def swap_ratio(wrong_loss: float, right_loss: float) -> float:
    """Loss with wrong texts over loss with the right ones; 1 when the text is not used."""
    return wrong_loss / right_loss if right_loss > 0 else float("nan")


def derangement(count: int, seed: int) -> tuple[int, ...]:
    """A permutation that moves every index, the same for the same seed, without touching global random state.

    Raises:
        ValueError: Fewer than two have no such permutation.
    """
    if count < 2:
        raise ValueError(f"{count} utterances cannot swap their texts: at least 2 are needed")
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed)).tolist()
    partner = dict(zip(order, order[1:] + order[:1], strict=True))  # One cycle through all of them.
    return tuple(partner[index] for index in range(count))


def wrong_texts(texts: Sequence[Sequence[int]], seed: int) -> tuple[int, ...]:
    """For each utterance another one whose text differs, where there is one.

    Args:
        texts: Symbol ids of each utterance. Corpora repeat sentences; an equal text would not be wrong.
        seed: Equal seeds give equal partners.
    """
    partners = list(derangement(len(texts), seed))
    for index, partner in enumerate(partners):
        if list(texts[partner]) == list(texts[index]):
            others = (other % len(texts) for other in range(partner + 1, partner + len(texts)))
            partners[index] = next((o for o in others if list(texts[o]) != list(texts[index])), partner)
    return tuple(partners)
