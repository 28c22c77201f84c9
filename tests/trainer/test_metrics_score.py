"""`tts_score`: no shortcut pays, and nothing broken ever scores better."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacotrain.errors import ConfigError
from tacotrain.metrics.score import (
    DEFAULT_WEIGHTS,
    METRICS,
    WORST,
    is_voice,
    merge_weights,
    metric_names,
    tts_score,
    value_of,
)

Metrics = dict[str, float | None]

# After 300 steps of the tiny preset: all of it measured.
HONEST: Metrics = {
    "val_loss": 0.5, "mel_loss": 0.22, "alignment": 0.93, "alignment_focus": 0.85, "alignment_coverage": 0.97,
    "alignment_monotonicity": 0.98, "swap_ratio": 2.3, "word_hit_rate": 0.95, "stop_f1": 0.98, "failure_rate": 0.0,
    "stop_rate": 1.0, "mcd_dtw": 3.1, "length_ratio": 1.02, "mcd_floor": 6.6,
}  # fmt: skip
READ = ["val_loss", "alignment", "swap_ratio", "failure_rate", "stop_f1", "mcd_dtw", "mcd_floor"]
IMPOSSIBLE = [math.nan, math.inf, -math.inf, -1.0]

share = st.floats(0, 1)
honest = st.builds(
    lambda **values: values,
    val_loss=st.floats(0, 1e6),
    mel_loss=st.floats(0, 1e6),
    alignment=share,
    alignment_focus=share,
    alignment_coverage=share,
    alignment_monotonicity=share,
    swap_ratio=st.floats(0, 20),
    word_hit_rate=share,
    stop_f1=share,
    failure_rate=share,
    stop_rate=share,
    mcd_dtw=st.floats(0, 100),
    length_ratio=st.floats(1, 50),
    mcd_floor=st.floats(1, 10),
)
some_weights = st.fixed_dictionaries({}, optional=dict.fromkeys(DEFAULT_WEIGHTS, st.floats(0.01, 10)))


def test_an_honest_voice_scores_what_its_terms_say() -> None:
    text_use = 1 - math.log(2.3) / math.log(2.5)
    expected = 0.30 * 3.1 / 6.6 + 0.25 * text_use + 0.20 * 0.07 + 0.10 * 0.02
    assert tts_score(HONEST) == pytest.approx(expected)
    assert tts_score({**HONEST, "alignment": 1, "swap_ratio": 9, "stop_f1": 1, "mcd_dtw": 0}) == 0.0


def test_a_straight_diagonal_that_ignores_the_text_is_no_voice() -> None:
    blind = {**HONEST, "alignment": 0.974, "swap_ratio": 1.02, "stop_f1": 1.0}
    assert not is_voice(blind)
    assert tts_score(blind) > 1.3
    worst_voice = {
        **HONEST,
        "alignment": 0.7,
        "swap_ratio": 1.3,
        "stop_f1": 0,
        "failure_rate": 1,
        "mcd_dtw": 40,
    }
    assert tts_score(worst_voice) <= 1.0


def test_unaligned_attention_with_a_low_loss_is_no_voice() -> None:
    # Without guided attention: passes every stop test, loss lower than that of aligned models.
    assert (
        tts_score({**HONEST, "alignment": 0.58, "swap_ratio": 1.33, "mcd_dtw": 5.23, "val_loss": 0.4}) > 1.0
    )


def test_before_alignment_progress_is_ordered() -> None:
    start = {
        **HONEST,
        "alignment": 0.35,
        "swap_ratio": 1.0,
        "val_loss": 3.0,
        "failure_rate": 1.0,
        "stop_f1": 0.0,
    }
    scores = [
        tts_score(start),
        tts_score({**start, "val_loss": 1.5}),
        tts_score({**start, "val_loss": 1.5, "alignment": 0.6}),
        tts_score({**start, "val_loss": 1.5, "alignment": 0.88, "swap_ratio": 1.1}),
    ]
    assert scores == sorted(scores, reverse=True)
    assert all(1.0 <= score < 2.0 for score in scores)
    assert len(set(scores)) == 4


@given(metrics=honest, weights=some_weights)
def test_an_honest_score_lies_on_its_side_of_one(metrics: Metrics, weights: dict[str, float]) -> None:
    score = tts_score(metrics, weights)
    assert (0.0 <= score <= 1.0 + 1e-12) if is_voice(metrics) else (1.0 <= score <= 2.0)


@given(metrics=honest, weights=some_weights, name=st.sampled_from(READ), missing=st.booleans())
def test_a_missing_number_is_the_worst(
    metrics: Metrics, weights: dict[str, float], name: str, missing: bool
) -> None:
    broken = {key: value for key, value in metrics.items() if key != name or not missing}
    if not missing:
        broken[name] = None
    assert tts_score(broken, weights) == WORST


@given(
    metrics=honest,
    weights=some_weights,
    name=st.sampled_from([*(set(METRICS) - {"tts_score"}), "mcd_floor"]),
    value=st.sampled_from(IMPOSSIBLE),
)
def test_a_broken_number_is_the_worst(
    metrics: Metrics, weights: dict[str, float], name: str, value: float
) -> None:
    assert tts_score({**metrics, name: value}, weights) == WORST


@given(
    metrics=honest,
    weights=some_weights,
    name=st.sampled_from(
        ["alignment", "swap_ratio", "stop_f1", "failure_rate", "mcd_dtw", "word_hit_rate", "val_loss"]
    ),
    values=st.tuples(share, share).map(sorted),
)
def test_a_better_number_never_scores_worse(
    metrics: Metrics, weights: dict[str, float], name: str, values: list[float]
) -> None:
    scale = {"swap_ratio": 4.0, "mcd_dtw": 20.0, "val_loss": 5.0}.get(name, 1.0)
    low, high = ({**metrics, name: value * scale} for value in values)
    better, worse = (high, low) if METRICS[name].direction == "Maximize" else (low, high)
    assert tts_score(better, weights) <= tts_score(worse, weights) + 1e-12


def test_word_hits_count_only_with_a_weight_and_then_must_be_there() -> None:
    unknown = {key: value for key, value in HONEST.items() if key != "word_hit_rate"}
    assert tts_score(unknown) == tts_score(HONEST)
    assert tts_score(unknown, {"word_hits": 0.1}) == WORST
    assert tts_score(HONEST, {"word_hits": 0.1}) < 1.0


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"aligment": 0.2}, "did you mean alignment"),
        ({"zzz": 1.0}, "there are mcd, text_use"),
        ({"mcd": -0.1}, r"weights\.mcd: -0\.1"),
        ({"mcd": math.nan}, r"weights\.mcd: nan"),
        (dict.fromkeys(DEFAULT_WEIGHTS, 0.0), "at least one"),
    ],
)
def test_wrong_weights_are_named(weights: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        merge_weights(weights)


def test_weights_replace_their_defaults_only() -> None:
    assert merge_weights({"mcd": 0.5}) == {**DEFAULT_WEIGHTS, "mcd": 0.5}
    only_stop = {**dict.fromkeys(DEFAULT_WEIGHTS, 0.0), "stop": 3.0}
    assert tts_score({**HONEST, "stop_f1": 0.25}, only_stop) == pytest.approx(0.75)


@pytest.mark.parametrize("name", metric_names())
@pytest.mark.parametrize("value", [None, *IMPOSSIBLE])
def test_an_objective_without_a_possible_value_gets_the_worst_of_its_direction(
    name: str, value: float | None
) -> None:
    metric = METRICS[name]
    worst = value_of({name: value}, name)
    assert worst == metric.worst == value_of({}, name)
    assert math.isfinite(worst)
    sign = 1 if metric.direction == "Minimize" else -1
    for finite in (metric.low, min(metric.high, 1e12)):
        assert sign * value_of({name: finite}, name) <= sign * worst


def test_an_honest_value_is_passed_on_and_an_unknown_metric_named() -> None:
    assert value_of(HONEST, "mcd_dtw") == 3.1
    with pytest.raises(ConfigError, match="did you mean mcd_dtw"):
        value_of(HONEST, "mcd_dwt")
