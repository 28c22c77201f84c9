"""The plots: facts in, Plotly figures out.

Colors are names of CSS variables, which the page's script looks up: it knows whether the reader's screen is light or dark. Words that come from elsewhere (names, choices) are escaped: Plotly reads a little HTML.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import log10
from typing import Any, Final

import plotly.graph_objects as go

from tacotrain.study_page.accounting import Hours, Outcome
from tacotrain.study_page.facts import Objective, Parameter, State, Study, Trial, Value, pareto_front, ranked
from tacotrain.study_page.importance import STEADY, Importance
from tacotrain.study_page.wording import count, hours, number

NOT_SET: Final = "not set"
_LONGEST: Final = 28
"""Characters of a name beside a plot."""
_INK, _FAINT, _GRID = "var(--ink)", "var(--faint)", "var(--line)"
_COLORS: Final[Mapping[Outcome, str]] = {
    Outcome.USEFUL: "var(--useful)",
    Outcome.PRUNED: "var(--pruned)",
    Outcome.LOST: "var(--lost)",
    Outcome.OPEN: "var(--open)",
}
_SCALE: Final[list[tuple[float, str]]] = [(0.0, "var(--best)"), (0.5, "var(--middle)"), (1.0, "var(--worst)")]
"""From the best value to the worst."""


@dataclass(frozen=True, slots=True)
class Plot:
    """A figure of the page."""

    key: str
    figure: Mapping[str, Any]
    alternative: str
    """What it shows, for those who do not see it."""
    caption: str
    width: int = 0
    """Pixels below which it is scrolled rather than squeezed."""
    height: int = 360


def history(study: Study, index: int = 0) -> Plot | None:
    """Values of an objective by trial, with the best so far; None before a trial is complete."""
    goal = study.objectives[index]
    complete = [trial for trial in study.of(State.COMPLETE) if len(trial.values) > index]
    if not complete:
        return None
    pruned = [trial for trial in study.of(State.PRUNED) if trial.last is not None] if index == 0 else []
    traces = [
        _points("complete", complete, [trial.values[index] for trial in complete], "var(--useful)", "circle")
    ]
    if pruned:
        lasts = [trial.last[1] for trial in pruned if trial.last is not None]
        traces.append(_points("pruned, at its last value", pruned, lasts, "var(--pruned)", "circle-open"))
    best: list[float] = []
    for trial in complete:
        value = trial.values[index]
        best.append((min if goal.minimize else max)(value, best[-1] if best else value))
    line = {"color": _INK, "width": 2, "shape": "hv"}
    numbers = [trial.number for trial in complete]
    traces.append(
        go.Scatter(x=numbers, y=best, mode="lines", name="best so far", line=line, hoverinfo="skip")
    )
    shown = [*(trial.values[index] for trial in complete), *(trial.last[1] for trial in pruned if trial.last)]
    layout = _layout("trial", _short(goal.name))
    layout["yaxis"]["type"] = _axis_type(shown)
    if max(numbers) < 12:
        # There is no trial 0.5.
        layout["xaxis"]["dtick"] = 1
    failed = len(study.of(State.FAIL))
    words = f"{escape(goal.name)}: {goal.direction}."
    if failed:
        words += f" {count(failed, 'trial')} that failed left no value."
    return Plot(
        key=f"history-{index}",
        figure=_figure(traces, layout),
        alternative=f"Values of {count(len(complete), 'complete trial')}; the best so far falls from {number(best[0])} to {number(best[-1])}."
        if goal.minimize
        else f"Values of {count(len(complete), 'complete trial')}; the best so far rises from {number(best[0])} to {number(best[-1])}.",
        caption=words,
    )


def front(study: Study) -> Plot | None:
    """The first two objectives against each other, with the Pareto front; None with one objective or without a value."""
    if len(study.objectives) < 2:
        return None
    best = pareto_front(study)
    others = [trial for trial in ranked(study) if trial not in best]
    if not best:
        return None
    names = [_short(goal.name) for goal in study.objectives]
    traces = [
        go.Scatter(
            x=[trial.values[0] for trial in group],
            y=[trial.values[1] for trial in group],
            mode="markers",
            name=label,
            marker={"color": color, "size": size},
            hovertext=[_hover(trial, study.objectives) for trial in group],
            hoverinfo="text",
        )
        for group, label, color, size in (
            (others, "beaten by another", "var(--faint)", 7),
            (best, "Pareto front", "var(--useful)", 11),
        )
        if group
    ]
    more = f" The other {len(names) - 2} stand in the table." if len(names) > 2 else ""
    return Plot(
        key="front",
        figure=_figure(traces, _layout(names[0], names[1])),
        alternative=f"{count(len(best), 'trial')} on the Pareto front, {count(len(others), 'other')} behind it.",
        caption=f"No trial is better than one of the front in every objective.{more}",
    )


def importances(found: Importance) -> Plot | None:
    """A bar for each parameter; None where nothing can be said."""
    if not found.shares:
        return None
    names = [_short(name) for name in found.shares]
    shares = list(found.shares.values())
    bar = go.Bar(
        x=shares[::-1],
        y=names[::-1],
        orientation="h",
        marker={"color": "var(--useful)"},
        text=[f"{share:.0%}" for share in shares[::-1]],
        textposition="outside",
        cliponaxis=False,
        hoverinfo="skip",
    )
    layout = _layout("share of the importance", "")
    layout["xaxis"] |= {"tickformat": ".0%", "range": [0, max(shares) * 1.15]}
    layout["yaxis"]["automargin"] = True
    layout["showlegend"] = False
    steady = "" if found.trials >= STEADY else f" From {count(found.trials, 'trial')} it is a hint, no more."
    return Plot(
        key="importance",
        figure=_figure([bar], layout),
        alternative="Most important first: "
        + ", ".join(f"{name} {share:.0%}" for name, share in found.shares.items())
        + ".",
        caption=f"What sets the best {found.best:.0%} of {count(found.trials, 'complete trial')} apart (PED-ANOVA).{steady}",
        height=110 + 34 * len(names),
    )


def parallel(study: Study) -> Plot | None:
    """Every complete trial as a line through its parameters to its values; None with fewer than two."""
    trials = [trial for trial in study.of(State.COMPLETE) if len(trial.values) == len(study.objectives)]
    used = [p for p in study.parameters if any(p.name in trial.parameters for trial in trials)]
    if len(trials) < 2 or not used:
        return None
    # The best lines last: they lie above the others.
    goal = study.objectives[0]
    trials = sorted(trials, key=lambda trial: trial.values[0], reverse=goal.minimize)
    values = [trial.values[0] for trial in trials]
    dimensions = [_dimension(parameter, trials) for parameter in used]
    for index, objective in enumerate(study.objectives):
        dimensions.append(_numbers(objective.name, [trial.values[index] for trial in trials], log=False))
    scale = _SCALE if goal.minimize else [(1 - at, color) for at, color in reversed(_SCALE)]
    lines = go.Parcoords(
        dimensions=dimensions,
        line={"color": values, "colorscale": scale, "showscale": False},
        labelfont={"color": _INK, "size": 12},
        tickfont={"color": _FAINT, "size": 11},
        rangefont={"color": "rgba(0,0,0,0)", "size": 1},
        unselected={"line": {"color": _GRID, "opacity": 0.25}},
    )
    layout = _layout("", "")
    layout["margin"] = {"l": 70, "r": 60, "t": 56, "b": 24}
    return Plot(
        key="parallel",
        figure=_figure([lines], layout),
        alternative=f"{count(len(trials), 'complete trial')} as lines through {count(len(used), 'parameter')}.",
        caption=f"The strongest lines have the best {escape(goal.name)}. Drag along an axis to choose lines; a click takes the choice back.",
        width=110 * len(dimensions),
        height=420,
    )


def hours_by_outcome(found: Hours) -> Plot | None:
    """One bar, cut by what became of the time; None before any attempt has ended."""
    if found.total <= 0:
        return None
    unit, seconds_each = ("hours", 3600.0) if found.total >= 3600 else ("minutes", 60.0)
    bars = [
        go.Bar(
            x=[seconds / seconds_each],
            y=[""],
            orientation="h",
            name=f"{kind.value} {hours(seconds)}",
            marker={"color": _COLORS[kind]},
            hovertext=f"{kind.value}: {hours(seconds)}, {seconds / found.total:.0%}",
            hoverinfo="text",
        )
        for kind, seconds in found.seconds.items()
        if seconds > 0
    ]
    layout = _layout(f"GPU {unit}" if found.gpu else f"{unit} of attempts", "")
    layout |= {"barmode": "stack", "bargap": 0.3}
    layout["yaxis"] |= {"showticklabels": False, "showgrid": False}
    shares = ", ".join(
        f"{kind.value} {seconds / found.total:.0%}" for kind, seconds in found.seconds.items() if seconds > 0
    )
    return Plot(
        key="hours",
        figure=_figure(bars, layout),
        alternative=f"{hours(found.total)} in all: {shares}.",
        caption=f"{hours(found.total)} in all: {shares}.",
        height=190,
    )


def _points(
    name: str, trials: Sequence[Trial], values: Sequence[float], color: str, symbol: str
) -> go.Scatter:
    return go.Scatter(
        x=[trial.number for trial in trials],
        y=list(values),
        mode="markers",
        name=name,
        marker={"color": color, "size": 9, "symbol": symbol, "line": {"width": 2, "color": color}},
        hovertext=[
            f"trial {trial.number}: {number(value)}<br>{_parameters(trial)}"
            for trial, value in zip(trials, values, strict=True)
        ],
        hoverinfo="text",
    )


def _hover(trial: Trial, objectives: Sequence[Objective]) -> str:
    values = [f"{_short(g.name)} {number(v)}" for g, v in zip(objectives, trial.values, strict=True)]
    return "<br>".join([f"trial {trial.number}", *values, _parameters(trial)])


def _parameters(trial: Trial) -> str:
    return "<br>".join(f"{_short(name)} {_short(number(value))}" for name, value in trial.parameters.items())


def _dimension(parameter: Parameter, trials: Sequence[Trial]) -> dict[str, Any]:
    values = [trial.parameters.get(parameter.name) for trial in trials]
    if not parameter.choices:
        return _numbers(
            parameter.name, [v if isinstance(v, int | float) else None for v in values], log=parameter.log
        )
    # A category's place is its index: 1, 1.0 and True are different choices.
    places = [_place(parameter.choices, value) for value in values]
    marks = list(range(len(parameter.choices)))
    words = [_short(number(choice)) for choice in parameter.choices]
    return _axis(parameter.name, places, marks, words)


def _place(choices: Sequence[Value], value: Value) -> int | None:
    return next((i for i, c in enumerate(choices) if c == value and type(c) is type(value)), None)


def _numbers(name: str, values: Sequence[float | None], *, log: bool) -> dict[str, Any]:
    there = [value for value in values if value is not None]
    logarithmic = log and all(value > 0 for value in there)
    places = [log10(v) if logarithmic and v is not None else v for v in values]
    low, high = (min(p for p in places if p is not None), max(p for p in places if p is not None))
    marks = [low + (high - low) * step / 4 for step in range(5)] if high > low else [low]
    if not logarithmic and all(isinstance(value, int) for value in there):
        marks = sorted({float(round(mark)) for mark in marks})
    words = [f"{10**mark if logarithmic else mark:.3g}" for mark in marks]
    return _axis(name, places, marks, words)


def _axis(
    name: str, places: Sequence[float | None], marks: Sequence[float], words: Sequence[str]
) -> dict[str, Any]:
    """An axis; where a trial has no such parameter, a place of its own below all others."""
    low, high = min(marks), max(marks)
    room = (high - low) or 1.0
    if any(place is None for place in places):
        nowhere = low - 0.15 * room
        places = [nowhere if place is None else place for place in places]
        marks, words = [nowhere, *marks], [NOT_SET, *words]
        low = nowhere
    if high == low:
        low, high = low - 0.5, high + 0.5
    return {
        "label": _short(name),
        "values": list(places),
        "tickvals": list(marks),
        "ticktext": list(words),
        "range": [low, high],
    }


def _axis_type(values: Sequence[float]) -> str:
    return "log" if min(values) > 0 and max(values) / min(values) > 50 else "linear"


def _layout(across: str, up: str) -> dict[str, Any]:
    axis = {"gridcolor": _GRID, "linecolor": _GRID, "zeroline": False, "tickfont": {"color": _FAINT}}
    return {
        # Plotly's own template would repeat its colors in each figure.
        "template": go.layout.Template(),
        "font": {"color": _INK, "family": "system-ui, sans-serif", "size": 13},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 60, "r": 20, "t": 36, "b": 48},
        "xaxis": {**axis, "title": {"text": across}},
        "yaxis": {**axis, "title": {"text": up}},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "traceorder": "normal"},
        "hoverlabel": {"bgcolor": "var(--card)", "bordercolor": _GRID, "font": {"color": _INK}},
        "showlegend": True,
    }


def _figure(traces: Sequence[Any], layout: Mapping[str, Any]) -> Mapping[str, Any]:
    document: dict[str, Any] = go.Figure(data=list(traces), layout=dict(layout)).to_plotly_json()
    return document


def _short(text: str) -> str:
    return escape(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…")
