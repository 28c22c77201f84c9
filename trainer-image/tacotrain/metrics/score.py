"""One number for a voice, `tts_score`, and the table of all metrics: what studies optimize and pruners compare.

The score is built so that no shortcut pays:

- **0 to 1: a voice.** Its attention is aligned *and* its text is used; the weighted mean of the terms below.
- **1 to 2: not yet a voice.** Ordered by progress (loss, alignment, text use), so that pruners and samplers see a slope.
  A straight diagonal drawn by guided attention lands here, however good it looks, because its text changes nothing.
- **3: the worst.** Any number that is missing, not finite or impossible. A term is never left out and the weights are
  never spread over the others: that is how a broken model once scored better than an honest one.

Terms, each 0 at best and 1 at worst, weighted and divided by the sum of the weights:

| term | weight | from |
|---|---|---|
| `mcd` | 0.30 | `mcd_dtw` / `mcd_floor`, at most 1: an unrelated sentence by the same speaker scores 1 |
| `text_use` | 0.25 | `swap_ratio`, 1 at 1.0 falling on a log scale to 0 at 2.5 |
| `alignment` | 0.20 | 1 - `alignment` |
| `failures` | 0.15 | `failure_rate` |
| `stop` | 0.10 | 1 - `stop_f1` |
| `word_hits` | 0 | 1 - `word_hit_rate`; give it a weight where the corpus has word timings |
"""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from math import inf, isfinite, log
from typing import Literal

from tacotrain.errors import ConfigError

WORST = 3.0
"""Score of anything that cannot be judged; worse than every honest score."""

ALIGNED_ALIGNMENT = 0.7
"""An alignment from here on counts as aligned; attention that learned nothing reaches 0.3 to 0.65."""

ALIGNED_SWAP_RATIO = 1.3
"""With a swap ratio from here on the text counts as used; a blind diagonal has 1.0 to 1.05."""

SATURATED_SWAP_RATIO = 2.5
"""More than this earns nothing: from here on the ratio measures how low the loss is, not whether text is used."""

DEFAULT_WEIGHTS: Mapping[str, float] = {
    "mcd": 0.30,
    "text_use": 0.25,
    "alignment": 0.20,
    "failures": 0.15,
    "stop": 0.10,
    "word_hits": 0.0,
}

Direction = Literal["Minimize", "Maximize"]


@dataclass(frozen=True, slots=True)
class Metric:
    """What one number means."""

    name: str
    direction: Direction
    description: str
    worst: float
    """Stands for a value that is missing, impossible or worse; finite, because Optuna and JSON need it so."""
    low: float = 0.0
    """Smallest possible value."""
    high: float = inf
    """Largest possible value."""

    def admits(self, value: float) -> bool:
        """Whether the value is finite and possible; rounding may overstep a bound by a millionth."""
        return isfinite(value) and self.low - 1e-6 <= value <= self.high + 1e-6


_LARGE = 1e6

METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("tts_score", "Minimize", "All below in one number; see the documentation.", WORST, high=WORST),
        Metric(
            "val_loss", "Minimize", "Teacher-forced masked loss: mel, mel after the postnet, gate.", _LARGE
        ),
        Metric("mel_loss", "Minimize", "Mean square error after the postnet, teacher-forced.", _LARGE),
        Metric("alignment", "Maximize", "Geometric mean of the three below.", 0.0, high=1.0),
        Metric("alignment_focus", "Maximize", "How sharply each step looks at the text.", 0.0, high=1.0),
        Metric("alignment_coverage", "Maximize", "How much of the text is read.", 0.0, high=1.0),
        Metric("alignment_monotonicity", "Maximize", "How seldom reading goes back.", 0.0, high=1.0),
        Metric("swap_ratio", "Maximize", "Mel loss with a wrong text / with the right text.", 0.0),
        Metric("word_hit_rate", "Maximize", "Steps that look at the word that sounds.", 0.0, high=1.0),
        Metric("stop_f1", "Maximize", "Stop frames found within 5 frames, teacher-forced.", 0.0, high=1.0),
        Metric("failure_rate", "Minimize", "Free-running utterances that broke.", 1.0, high=1.0),
        Metric("stop_rate", "Maximize", "Free-running utterances that stopped by themselves.", 0.0, high=1.0),
        Metric("mcd_dtw", "Minimize", "Distance to the recording, free-running, in dB.", _LARGE),
        Metric(
            "length_ratio", "Minimize", "Longer / shorter of spoken and recorded; 1 is best.", _LARGE, low=1.0
        ),
    )
}

REFERENCES: Mapping[str, str] = {
    "mcd_floor": "mcd_dtw between recordings of different sentences: what a voice without content scores.",
}
"""Numbers that belong to the dataset and not to the voice; reported, never optimized."""

_NEEDED = ("val_loss", "alignment", "swap_ratio", "failure_rate", "stop_f1", "mcd_dtw", "mcd_floor")


def metric_names() -> tuple[str, ...]:
    """All metrics that an objective may name."""
    return tuple(METRICS)


def value_of(metrics: Mapping[str, float | None], name: str) -> float:
    """Value of one objective, always finite: the worst of its direction when it is missing or impossible.

    Raises:
        ConfigError: There is no such metric.
    """
    metric = METRICS.get(name)
    if metric is None:
        raise ConfigError(f"objectives: there is no metric {name!r}{_nearest(name, METRICS)}")
    value = metrics.get(name)
    if value is None or not metric.admits(value):
        return metric.worst
    # Nothing finite may be worse than what a broken model gets.
    return float(min(value, metric.worst) if metric.direction == "Minimize" else max(value, metric.worst))


def merge_weights(weights: Mapping[str, float] | None) -> dict[str, float]:
    """The user's weights over the default ones.

    Raises:
        ConfigError: A term is unknown, or a weight is negative or not finite, or all are zero.
    """
    given = dict(weights or {})
    for term, weight in given.items():
        if term not in DEFAULT_WEIGHTS:
            raise ConfigError(f"weights.{term}: tts_score has no such term{_nearest(term, DEFAULT_WEIGHTS)}")
        if not isfinite(weight) or weight < 0:
            raise ConfigError(f"weights.{term}: {weight} is not a weight; give a number of 0 or more")
    merged = {**DEFAULT_WEIGHTS, **given}
    if not sum(merged.values()) > 0:
        raise ConfigError(
            "weights: all terms of tts_score have weight 0; give at least one a positive weight"
        )
    return merged


def tts_score(metrics: Mapping[str, float | None], weights: Mapping[str, float] | None = None) -> float:
    """Judge a voice: 0 to 1 when it is one, 1 to 2 when it is not yet, 3 when something is missing or broken.

    Args:
        metrics: Everything that one evaluation measured, `mcd_floor` included.
        weights: Of the terms; those not named keep their defaults.

    Raises:
        ConfigError: The weights are wrong.
    """
    merged = merge_weights(weights)
    if not _complete(metrics, merged):
        return WORST
    values = {name: float(value) for name, value in metrics.items() if value is not None}
    terms = _terms(values)
    if not is_voice(values):
        return 1.0 + _unaligned_progress(values, terms)
    return sum(weight * terms[term] for term, weight in merged.items() if weight > 0) / sum(merged.values())


def is_voice(metrics: Mapping[str, float | None]) -> bool:
    """Whether attention is aligned and the text is used: the line between 0..1 and 1..2."""
    alignment, swap = metrics.get("alignment"), metrics.get("swap_ratio")
    if alignment is None or swap is None:
        return False
    return alignment >= ALIGNED_ALIGNMENT and isfinite(swap) and swap >= ALIGNED_SWAP_RATIO


def _complete(metrics: Mapping[str, float | None], weights: Mapping[str, float]) -> bool:
    """Whether all that the score reads is there, and all that is there is possible."""
    needed = [*_NEEDED, *(["word_hit_rate"] if weights["word_hits"] > 0 else [])]
    if any(metrics.get(name) is None for name in needed):
        return False
    floor = metrics["mcd_floor"]
    if floor is None or not isfinite(floor) or floor <= 0:
        return False
    known = (
        (METRICS[name], value) for name, value in metrics.items() if name in METRICS and name != "tts_score"
    )
    return all(metric.admits(value) for metric, value in known if value is not None)


def _terms(values: Mapping[str, float]) -> dict[str, float]:
    swap = max(values["swap_ratio"], 1.0)
    terms = {
        "mcd": values["mcd_dtw"] / values["mcd_floor"],
        "text_use": 1.0 - log(swap) / log(SATURATED_SWAP_RATIO),
        "alignment": 1.0 - values["alignment"],
        "failures": values["failure_rate"],
        "stop": 1.0 - values["stop_f1"],
        "word_hits": 1.0 - values.get("word_hit_rate", 0.0),
    }
    return {term: min(max(value, 0.0), 1.0) for term, value in terms.items()}


def _unaligned_progress(values: Mapping[str, float], terms: Mapping[str, float]) -> float:
    """0 to 1. Free-running numbers hardly move before attention aligns, so they have no say yet.

    The loss is bent, not cut, so that even an exploding one still has a slope; 1 is about that of mean frames.
    """
    loss = values["val_loss"]
    return (terms["alignment"] + terms["text_use"] + loss / (1.0 + loss)) / 3.0


def _nearest(name: str, known: Mapping[str, object]) -> str:
    close = get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; there are {', '.join(known)}"
