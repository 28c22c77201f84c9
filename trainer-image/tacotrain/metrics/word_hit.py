"""Where the true timing of each word is known, does attention rest on the word that sounds?

Synthesized corpora bring their timings along. A perfectly straight diagonal scores about 0.84 on the demo corpus, so
unlike the alignment this number tells a ruler from a reader.
"""

from collections.abc import Sequence

from torch import Tensor

from tacotrain.words import WordTiming

NEIGHBORS = 1
"""Symbols before and after the word that still count: letters at a word's edge sound together."""


def word_hits(
    alignment_US: Tensor, words: Sequence[WordTiming], *, reduction_factor: int, seconds_per_frame: float
) -> tuple[int, int]:
    """Count the decoder steps on which a word sounds, and those of them that look at it.

    Args:
        alignment_US: Teacher-forced attention of one utterance, without padding.
        words: In order of time.
        reduction_factor: Frames per decoder step; a step is judged by its middle.
        seconds_per_frame: Frames are centered, the first one on 0 seconds.

    Returns:
        Hits and steps; sum both over utterances before dividing.
    """
    hits = steps = 0
    for step, symbol in enumerate(alignment_US.argmax(1).tolist()):
        seconds = (step * reduction_factor + (reduction_factor - 1) / 2) * seconds_per_frame
        word = next((word for word in words if word.start_seconds <= seconds < word.end_seconds), None)
        if word is not None:
            steps += 1
            hits += word.start - NEIGHBORS <= symbol < word.end + NEIGHBORS
    return hits, steps
