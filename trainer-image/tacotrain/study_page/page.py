"""Facts, figures and tables become one HTML document. `make` is the only caller.

Everything is in it: Plotly's library once, figures as JSON, sounds and pictures as `data:` URIs. A policy in its head forbids
the browser to load anything from elsewhere.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from tacotrain.study_page import figures, tables
from tacotrain.study_page.accounting import causes, hours
from tacotrain.study_page.facts import TOP, Study, Trial, Value, pareto_front, ranked
from tacotrain.study_page.figures import Plot
from tacotrain.study_page.importance import Importance
from tacotrain.study_page.media import Gallery
from tacotrain.study_page.wording import moment, number

TEMPLATE: Final = "page.html.j2"


@dataclass(frozen=True, slots=True)
class Voice:
    """The published voice, as `best/best.json` describes it."""

    trial: int
    final: bool
    """It was trained fully, with that trial's parameters."""
    parameters: Mapping[str, Value]
    metrics: Mapping[str, Value]
    gallery: Gallery


@dataclass(frozen=True, slots=True)
class Voices:
    """What there is to hear and see."""

    published: Voice | None
    galleries: Mapping[int, Gallery]
    """Of the top trials."""


def top(study: Study) -> tuple[Trial, ...]:
    """The trials that are heard and seen."""
    return ranked(study)[:TOP]


def render(study: Study, found: Importance, voices: Voices) -> str:
    """The whole page."""
    spent = hours(study)
    plots = {
        "front": figures.front(study),
        "importance": figures.importances(found),
        "parallel": figures.parallel(study),
        "hours": figures.hours_by_outcome(spent),
    }
    histories = [plot for index in range(len(study.objectives)) if (plot := figures.history(study, index))]
    drawn = [*histories, *(plot for plot in plots.values() if plot)]
    return (
        _environment()
        .get_template(TEMPLATE)
        .render(
            study=study,
            taken=moment(study.taken),
            headline=tables.headline(study),
            tiles=tables.tiles(study, spent),
            settings=tables.pairs("Settings", study.settings) if study.settings else None,
            best=_best(study, voices),
            final=_final(study, voices.published),
            histories=histories,
            plots=plots,
            importance=found,
            top=[_card(study, trial, voices) for trial in top(study)],
            front={trial.number for trial in pareto_front(study)},
            failures=tables.failures(causes(study)),
            failed=tables.failed_trials(study),
            spent=spent,
            trials=tables.all_trials(study),
            figures=_json({plot.key: _drawing(plot) for plot in drawn}),
            plotly=Markup(get_plotlyjs()) if drawn else Markup(""),  # noqa: S704  the library's own text
            style=_text("page.css"),
            script=_text("page.js"),
        )
    )


def _best(study: Study, voices: Voices) -> Mapping[str, Any] | None:
    """The best trial, with all that is known of it; none where there are several objectives."""
    order = top(study)
    if not order or len(study.objectives) > 1:
        return None
    trial, published = order[0], voices.published
    parameters: Mapping[str, Value] = trial.parameters
    if published is not None and not published.final and published.trial == trial.number:
        # It also names those that were fixed.
        parameters = {**published.parameters, **trial.parameters}
    shown = (*_parameter_tables(study, parameters), *_metrics(trial.metrics))
    return {**_head(study, trial), "gallery": _gallery(voices, trial), "tables": shown}


def _final(study: Study, voice: Voice | None) -> Mapping[str, Any] | None:
    """The final training, where the published voice is its."""
    if voice is None or not voice.final:
        return None
    shown = (*_parameter_tables(study, voice.parameters), *_metrics(voice.metrics))
    values = () if study.final is None else study.final.values
    return {
        "number": voice.trial,
        "values": _values(study, values),
        "gallery": voice.gallery,
        "tables": shown,
    }


def _card(study: Study, trial: Trial, voices: Voices) -> Mapping[str, Any]:
    """One of the top trials; the best is heard above, not twice."""
    above = len(study.objectives) == 1 and trial == top(study)[0]
    gallery = Gallery() if above else _gallery(voices, trial)
    shown = (tables.pairs("Parameters", trial.parameters),)
    return {**_head(study, trial), "gallery": gallery, "tables": shown, "above": above}


def _gallery(voices: Voices, trial: Trial) -> Gallery:
    return voices.galleries.get(trial.number, Gallery())


def _head(study: Study, trial: Trial) -> Mapping[str, Any]:
    return {
        "number": trial.number,
        "values": _values(study, trial.values),
        "ended": tables.finish_of(trial),
    }


def _values(study: Study, values: Sequence[float]) -> list[str]:
    """`tts_score 0.21`; fewer than objectives where some were no numbers."""
    return [f"{goal.name} {number(value)}" for goal, value in zip(study.objectives, values, strict=False)]


def _parameter_tables(study: Study, parameters: Mapping[str, Value]) -> tuple[tables.Table, ...]:
    searched = {parameter.name for parameter in study.parameters}
    parts = (
        ("Searched parameters", {k: v for k, v in parameters.items() if k in searched}),
        ("Fixed parameters", {k: v for k, v in parameters.items() if k not in searched}),
    )
    return tuple(tables.pairs(title, values) for title, values in parts if values)


def _metrics(metrics: Mapping[str, Value]) -> tuple[tables.Table, ...]:
    return (tables.pairs("Metrics", metrics),) if metrics else ()


def _drawing(plot: Plot) -> Mapping[str, Any]:
    return {"data": plot.figure["data"], "layout": plot.figure["layout"]}


def _json(document: object) -> Markup:
    """JSON inside a script element: no letter of it may end that element."""
    text = json.dumps(document, ensure_ascii=True, allow_nan=False, separators=(",", ":"), default=_plain)
    return Markup(text.replace("<", "\\u003c").replace("&", "\\u0026"))  # noqa: S704  escaped in this line


def _plain(value: Any) -> Any:
    """Plotly's own objects, and numpy's."""
    convert = getattr(value, "to_plotly_json", None) or getattr(value, "tolist", None)
    if convert is None:
        raise TypeError(f"{type(value).__name__} is no JSON")
    return convert()


def _text(name: str) -> Markup:
    return Markup((files(__package__) / "templates" / name).read_text("utf-8"))  # noqa: S704  our own files


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("tacotrain.study_page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
