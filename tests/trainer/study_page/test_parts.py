"""Figures, tables and sums of the study page: facts in, documents out."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from tacotrain.errors import ConfigError
from tacotrain.study_page import figures, tables
from tacotrain.study_page.accounting import Outcome, causes, hours
from tacotrain.study_page.facts import (
    Attempt,
    FinalTraining,
    Objective,
    Parameter,
    State,
    Study,
    Trial,
    pareto_front,
    ranked,
)
from tacotrain.study_page.importance import FEWEST, Importance, importance
from tacotrain.study_page.manifest import parse_manifest
from tacotrain.study_page.page import Voices, render
from tacotrain.study_page.rows import UNREAD, Rows, parse_attempts, study_of
from tacotrain.study_page.wording import duration, number

NOW = datetime(2030, 1, 2, tzinfo=UTC)
SCORE = Objective("tts_score", minimize=True)
LOSS = Objective("val_loss", minimize=True)
ALIGNMENT = Objective("alignment", minimize=False)


def ended(attempt: int, cause: str = "Finished", hours: float = 1.0, **fields: Any) -> Attempt:
    end = NOW + timedelta(hours=attempt)
    return Attempt(attempt, cause, seconds=hours * 3600, ended=end, **fields)


def trial(number: int, state: State = State.COMPLETE, *values: float, **fields: Any) -> Trial:
    return Trial(number, state, values=values, **fields)


def study(*trials: Trial, objectives: tuple[Objective, ...] = (SCORE,), **fields: Any) -> Study:
    return Study("ruslan", objectives, NOW, trials, **fields)


# Facts.


def test_the_best_comes_first_whichever_way_is_better() -> None:
    trials = (trial(0, State.COMPLETE, 0.5), trial(1, State.PRUNED), trial(2, State.COMPLETE, 0.2))
    assert [t.number for t in ranked(study(*trials))] == [2, 0]
    assert [t.number for t in ranked(study(*trials, objectives=(ALIGNMENT,)))] == [0, 2]


def test_the_pareto_front_is_what_nothing_beats_in_both() -> None:
    found = study(
        trial(0, State.COMPLETE, 0.2, 0.9),
        trial(1, State.COMPLETE, 0.1, 0.5),
        trial(2, State.COMPLETE, 0.3, 0.8),
        trial(3, State.COMPLETE, 0.1, 0.5),
        trial(4, State.FAIL),
        objectives=(SCORE, ALIGNMENT),
    )
    assert [t.number for t in pareto_front(found)] == [0, 1, 3]
    assert [t.number for t in ranked(found)] == [1, 3, 0, 2]


# Hours and causes.


def test_hours_are_counted_as_their_trial_ended_and_faults_are_lost() -> None:
    found = study(
        trial(0, State.COMPLETE, 0.2, attempts=(ended(1, "Disruption", 0.5), ended(2, hours=2))),
        trial(1, State.PRUNED, attempts=(ended(1, "OutOfMemory", 0.25), ended(2, hours=1))),
        trial(2, State.FAIL, attempts=(ended(1, "Transient", 0.1), ended(2, "Disruption", 3))),
        trial(3, State.RUNNING, attempts=(ended(1, "Disruption", 4),)),
        prepare_attempts=(ended(1, hours=0.125),),
        final=FinalTraining(0, (ended(1, "Transient", 8), ended(2, hours=16))),
    )
    spent = hours(found)
    assert not spent.gpu
    assert {kind: seconds / 3600 for kind, seconds in spent.seconds.items()} == {
        Outcome.USEFUL: 2.5 + 16.125,
        Outcome.PRUNED: 1,
        Outcome.LOST: pytest.approx(0.25 + 0.1 + 3 + 8),
        Outcome.OPEN: 4,
    }


def test_gpu_hours_are_counted_where_any_attempt_had_a_gpu() -> None:
    spent = hours(
        study(
            trial(0, State.COMPLETE, 0.2, attempts=(ended(1, gpu_seconds=7200),)),
            prepare_attempts=(ended(1),),
        )
    )
    assert spent.gpu
    assert spent.total == 7200


def test_causes_say_what_was_tried_again_and_what_was_given_up() -> None:
    found = causes(
        study(
            trial(0, State.COMPLETE, 0.2, attempts=(ended(1, "Transient", message="old"), ended(2))),
            trial(
                1,
                State.FAIL,
                attempts=(ended(1, "Transient"), ended(2, "Transient", message="new", hours=0.5)),
            ),
            trial(2, State.RUNNING, attempts=(ended(1, "Disruption"),)),
        )
    )
    assert [(c.name, c.attempts, c.retried, c.gave_up, c.lost_seconds, c.message) for c in found] == [
        ("Transient", 3, 2, 1, 2.5 * 3600, "new"),
        ("Disruption", 1, 0, 0, 0, ""),
    ]


# Importance.


def sampled(count: int, high: float = 1.0) -> list[FrozenTrial]:
    distributions = {"rate": FloatDistribution(0, high), "idle": FloatDistribution(0, high)}
    return [
        optuna.trial.create_trial(
            state=TrialState.COMPLETE,
            params={"rate": high * i / count, "idle": high * (i * 7 % count) / count},
            distributions=distributions,
            value=i / count,
        )
        for i in range(count)
    ]


def test_the_parameter_that_decides_is_the_most_important_one() -> None:
    found = importance(sampled(60), [StudyDirection.MINIMIZE])
    assert list(found.shares) == ["rate", "idle"]
    assert found.shares["rate"] > 0.8
    assert sum(found.shares.values()) == pytest.approx(1)
    assert (found.trials, found.best) == (60, 0.1)


def test_few_trials_are_said_in_words() -> None:
    found = importance(sampled(FEWEST - 1), [StudyDirection.MINIMIZE])
    assert found.shares == {}
    assert found.reason == "7 complete trials say nothing yet; it takes 8 at least."


def test_a_space_of_one_point_has_no_important_parameter() -> None:
    found = importance(sampled(20, high=0.0), [StudyDirection.MINIMIZE])
    assert found.shares == {}
    assert "No parameter" in found.reason


# Figures.

SPACE = (Parameter("rate", log=True), Parameter("kind", choices=(1, True, "a<b")), Parameter("kernel"))


def some(count: int = 3) -> Study:
    trials = [
        trial(
            i,
            State.COMPLETE,
            0.5 - i / 10,
            parameters={"rate": 10.0 ** -(i + 1), "kind": (1, True, "a<b")[i % 3]}
            | ({"kernel": 15} if i else {}),
        )
        for i in range(count)
    ]
    return study(
        *trials, trial(count, State.PRUNED, last=(100, 0.9)), trial(count + 1, State.FAIL), parameters=SPACE
    )


def traces(plot: figures.Plot | None) -> list[Any]:
    assert plot is not None
    return [item if isinstance(item, dict) else item.to_plotly_json() for item in plot.figure["data"]]


def test_the_history_has_values_pruned_trials_and_the_best_so_far() -> None:
    found = some()
    plot = figures.history(found)
    complete, pruned, best = traces(plot)
    assert (list(complete["x"]), list(complete["y"])) == ([0, 1, 2], [0.5, 0.4, 0.3])
    assert (list(pruned["x"]), list(pruned["y"])) == ([3], [0.9])
    assert list(best["y"]) == [0.5, 0.4, 0.3]
    assert plot is not None
    assert "1 trial that failed left no value" in plot.caption
    assert "from 0.5 to 0.3" in plot.alternative
    assert figures.history(study()) is None


def test_parallel_coordinates_have_a_place_for_what_a_trial_does_not_have() -> None:
    (lines,) = traces(figures.parallel(some()))
    rate, kind, kernel, score = lines["dimensions"]
    # The worst first: the best lies on top.
    assert list(rate["values"]) == [-1, -2, -3]
    assert rate["ticktext"][0] == "0.001"
    assert list(kind["values"]) == [0, 1, 2]
    assert list(kind["ticktext"]) == ["1", "yes", "a&lt;b"]
    assert kernel["values"][0] < kernel["values"][1]
    assert kernel["ticktext"][0] == figures.NOT_SET
    assert list(score["values"]) == [0.5, 0.4, 0.3]
    assert figures.parallel(some(1)) is None


def test_the_front_is_drawn_with_several_objectives_only() -> None:
    assert figures.front(some()) is None
    found = study(
        trial(0, State.COMPLETE, 0.1, 0.9), trial(1, State.COMPLETE, 0.2, 0.95), objectives=(SCORE, LOSS)
    )
    beaten, best = traces(figures.front(found))
    assert (list(beaten["x"]), list(best["x"])) == ([0.2], [0.1])


def test_the_hours_are_one_bar_cut_by_outcome() -> None:
    spent = hours(
        study(
            trial(0, State.COMPLETE, 0.2, attempts=(ended(1, hours=3),)),
            trial(1, State.PRUNED, attempts=(ended(1, hours=1),)),
        )
    )
    plot = figures.hours_by_outcome(spent)
    assert [list(bar["x"]) for bar in traces(plot)] == [[3], [1]]
    assert plot is not None
    assert plot.caption == "4.0 h in all: useful 75%, pruned 25%."
    assert figures.hours_by_outcome(hours(study())) is None


# Tables.


def test_every_trial_has_its_row_the_best_first() -> None:
    table = tables.all_trials(some())
    assert table is not None
    assert [row[:3] for row in table.rows] == [
        ("2", "Complete", "0.3"),
        ("1", "Complete", "0.4"),
        ("0", "Complete", "0.5"),
        ("4", "Fail", "–"),
        ("3", "Pruned", "(0.9)"),
    ]
    assert {len(row) for row in table.rows} == {len(table.columns)}


def test_more_trials_than_a_page_holds_are_counted() -> None:
    many = study(*(trial(i, State.COMPLETE, float(i)) for i in range(tables.MOST_ROWS + 3)))
    table = tables.all_trials(many)
    assert table is not None
    assert len(table.rows) == tables.MOST_ROWS
    assert table.note == "3 more are not shown."


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.000123456, "0.0001235"), (True, "yes"), (4, "4"), (None, "–"), ("dca", "dca")],
)
def test_numbers_are_short(value: Any, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(12, "12 s"), (240, "4 min"), (3900, "1 h 05 min"), (183_600, "2 d 3 h")]
)
def test_times_are_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text


# What others have written.


def test_attempts_of_other_hands_are_left_out() -> None:
    assert parse_attempts("no list") == ()
    odd = parse_attempts([None, {"number": "x", "cause": 7, "gpu_seconds": float("nan"), "ended_at": "soon"}])
    assert odd == (Attempt(0, "Unknown"),)


def test_a_study_whose_attributes_cannot_be_read_says_so() -> None:
    found = study_of(
        Rows((StudyDirection.MAXIMIZE,), (), {}, (UNREAD,)),
        "voices.a.01234567",
        NOW,
        parse_manifest({"spec": {}}, "-"),
    )
    assert found.notes == (UNREAD,)
    assert found.objectives == (Objective("tts_score", minimize=False),)
    assert "preparation and final training are missing on this page" in page(found)


def test_a_manifest_gives_names_and_settings() -> None:
    found = parse_manifest(
        {
            "metadata": {"name": "ruslan"},
            "spec": {
                "objectives": [{"metric": "val_loss"}, {"metric": "mcd"}],
                "sampler": {"name": "tpe", "seed": 4},
                "fixedParameters": {"epochs": 9},
                "maxTrials": 40,
            },
        },
        "study.json",
    )
    assert (found.name, found.metrics) == ("ruslan", ("val_loss", "mcd"))
    assert found.settings == {"sampler": "tpe", "seed": 4, "most trials": 40, "epochs": 9}


@pytest.mark.parametrize("document", [[], {}, {"spec": 1}])
def test_what_is_no_manifest_is_refused(document: object) -> None:
    with pytest.raises(ConfigError, match=r"study.json: not a TTSStudy"):
        parse_manifest(document, "study.json")


# The page.


def page(found: Study, shares: Importance | None = None) -> str:
    return render(found, shares or Importance(reason="Too few."), Voices(None, {}))


def test_an_empty_study_has_a_page_without_plots() -> None:
    text = page(study())
    assert "No trial has begun" in text
    assert "plotly.js" not in text
    assert len(text) < 50_000


def test_nothing_of_a_study_becomes_markup() -> None:
    evil = "</script><script>alert(1)</script>"
    found = replace(
        some(),
        name=evil,
        objectives=(Objective(evil, minimize=True),),
        parameters=(*SPACE, Parameter(evil, choices=(evil, "b"))),
    )
    found = replace(
        found,
        trials=tuple(
            replace(
                t,
                message=evil,
                parameters={**t.parameters, evil: evil},
                attempts=(ended(1, evil, message=evil),),
            )
            for t in found.trials
        ),
    )
    text = page(found, Importance({evil: 1.0}, 60))
    assert "<script>alert" not in text
    assert "<title>&lt;/script&gt;" in text
    start = text.index('id="figures">') + len('id="figures">')
    assert json.loads(text[start : text.index("</script>", start)]).keys() == {
        "history-0",
        "importance",
        "parallel",
        "hours",
    }


def test_the_library_is_in_the_page_once() -> None:
    text = page(some())
    assert text.count("* plotly.js v") == 1
    assert 4_000_000 < len(text) < 6_000_000
