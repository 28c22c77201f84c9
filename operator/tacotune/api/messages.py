"""pydantic's errors in plain words, with what to do: the wrong field's nearest name, the values that are allowed.

Called by `manifest`, and by whoever tells a user of a ValidationError.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType, UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tacotune.api.findings import CROSS_FIELD, Finding, Loc, did_you_mean
from tacotune.api.parameters import trainer_parameters
from tacotune.api.study import TTSStudy, TTSStudySpec

ELSEWHERE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "algorithm": "sampler",
        "direction": "objective.direction",
        "maxFailedTrialCount": "maxFailedTrials",
        "maxTrialCount": "maxTrials",
        "metric": "objective.metric",
        "n_jobs": "parallelism",
        "n_trials": "maxTrials",
        "objectiveMetricName": "metric",
        "objectiveName": "objective",
        "parallelTrialCount": "parallelism",
        "parameters": "searchSpace",
        "paused": "suspend",
        "seed": "sampler.seed",
        "timeout": "activeDeadlineSeconds",
    }
)
"""What Katib, Optuna and others call it, and where it is here."""

_MEMBERS: Final = frozenset(["bool", "int", "float", "str", "constrained-str", "[key]"])
"""Tails that pydantic puts behind a place for the members of a union, and for keys."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """A finding, and what has to be taken out so that the rest can be looked at."""

    finding: Finding
    broken: Loc = ()
    whole: bool = False
    """It judges a mapping as a whole, so it is an echo when a part of it was taken out."""


def complaints(error: ValidationError, data: Any) -> Iterator[Complaint]:
    """Everything that a ValidationError of a TTSStudy says, one complaint a place."""
    seen: set[Loc] = set()
    for details in error.errors(include_url=False):
        if details["type"] == CROSS_FIELD:
            for finding in details["ctx"]["findings"]:
                yield Complaint(finding.below("spec"))
            continue
        loc = _place(details, data)
        if loc not in seen:  # The members of a union complain one by one.
            seen.add(loc)
            yield _complaint(details, loc)


def contradictory_spec(error: ValidationError) -> TTSStudySpec | None:
    """The spec whose fields are all right by themselves but contradict each other, if that is the error."""
    for details in error.errors(include_url=False):
        if details["type"] == CROSS_FIELD:
            spec = details["ctx"]["spec"]
            assert isinstance(spec, TTSStudySpec)
            return spec
    return None


def _place(details: ErrorDetails, data: Any) -> Loc:
    loc = tuple(details["loc"])
    while loc and loc[-1] in _MEMBERS and not _exists(data, loc):
        loc = loc[:-1]
    return loc


def _exists(data: Any, loc: Loc) -> bool:
    try:
        for part in loc:
            data = data[part]
    except (KeyError, IndexError, TypeError):
        return False
    return True


def _complaint(details: ErrorDetails, loc: Loc) -> Complaint:
    kind = details["type"]
    if kind == "missing":
        model = _model_at(loc[:-1])
        known = _fields(model).get(str(loc[-1])) if model else None
        hint = (known or "").split(". ")[0].rstrip(".")
        # Nothing can be taken out but what lacks it.
        return Complaint(Finding(loc, "is required", hint), broken=loc[:-1], whole=True)
    if kind == "extra_forbidden":
        return Complaint(Finding(loc, "unknown field", _where_instead(loc)), broken=loc)
    if kind == "value_error":
        message = str(details["ctx"]["error"])
        return Complaint(Finding(loc, message), broken=loc, whole=True)
    message, hint = _words(details, _is_union(details))
    return Complaint(Finding(loc, message, hint), broken=loc, whole=kind in {"too_short", "too_long"})


def _where_instead(loc: Loc) -> str:
    name = str(loc[-1])
    model = _model_at(loc[:-1])
    known = [*_fields(model)] if model is not None else []
    if near := did_you_mean(name, known):
        return near
    top = loc[:-1] == ("spec",)
    if name in ELSEWHERE and (top or ELSEWHERE[name] in known):
        return f"here it is called {ELSEWHERE[name]}"
    if top and name in trainer_parameters():
        return "a parameter of the trainer: put it into fixedParameters or searchSpace"
    if loc[:-1] == () and name in _fields(_model_at(("spec",))):
        return "it belongs below spec"
    return f"known here: {', '.join(known)}" if known else ""


def _is_union(details: ErrorDetails) -> bool:
    return bool(details["loc"]) and details["loc"][-1] in {"bool", "int", "float", "constrained-str"}


def _words(details: ErrorDetails, union: bool) -> tuple[str, str]:
    given, ctx = details["input"], details.get("ctx", {})
    kind = details["type"]
    if union and kind.endswith("_type"):
        return f"must be a number, a text or true/false, not {shown(given)}", ""
    if kind == "literal_error":
        choices = [c.strip(" '") for c in ctx["expected"].replace(" or ", ", ").split(",")]
        wanted = f"must be {'one of ' if len(choices) > 1 else ''}{', '.join(choices)}, not {shown(given)}"
        return wanted, did_you_mean(given, choices) if isinstance(given, str) else ""
    if details["loc"] and details["loc"][-1] == "[key]":
        return f"{shown(given)} is no parameter's name", "lower-case letters, digits and _"
    if words := _WORDS.get(kind):
        return f"{words(ctx)}, not {shown(given)}", _quoted_number(kind, given)
    return details["msg"], ""


def _quoted_number(kind: str, given: object) -> str:
    if isinstance(given, str) and kind in {"int_type", "float_type", "bool_type"}:
        try:
            float(given)
        except ValueError:
            return ""
        return "without quotes"
    return ""


def shown(value: object) -> str:
    """A value as a message names it."""
    match value:
        case None:
            return "empty"
        case bool():
            return "true" if value else "false"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case str() if len(value) > 60:
            return repr(f"{value[:57]}…")
        case _:
            return repr(value)


_WORDS: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = MappingProxyType(
    {
        "bool_type": lambda _: "must be true or false",
        "int_type": lambda _: "must be a whole number",
        "int_from_float": lambda _: "must be a whole number",
        "float_type": lambda _: "must be a number",
        "finite_number": lambda _: "must be a finite number",
        "string_type": lambda _: "must be a text",
        "list_type": lambda _: "must be a list",
        "dict_type": lambda _: "must be a mapping",
        "model_type": lambda _: "must be a mapping",
        "model_attributes_type": lambda _: "must be a mapping",
        "string_pattern_mismatch": lambda ctx: f"must match {ctx['pattern']}",
        "string_too_long": lambda ctx: f"must have at most {ctx['max_length']} characters",
        "too_short": lambda ctx: f"must have at least {ctx['min_length']} entries",
        "too_long": lambda ctx: f"must have at most {ctx['max_length']} entries",
        "greater_than": lambda ctx: f"must be greater than {ctx['gt']:g}",
        "greater_than_equal": lambda ctx: f"must be at least {ctx['ge']:g}",
        "less_than": lambda ctx: f"must be less than {ctx['lt']:g}",
        "less_than_equal": lambda ctx: f"must be at most {ctx['le']:g}",
    }
)


def _model_at(loc: Loc) -> type[BaseModel] | None:
    """The model that stands at a place of a manifest."""
    annotation: Any = TTSStudy
    for part in loc:
        annotation = _step(annotation, part)
    return next(_models(annotation), None)


def _step(annotation: Any, part: str | int) -> Any:
    for model in _models(annotation):
        for name, info in model.model_fields.items():
            if part in {info.alias, name}:
                return info.annotation
    for option in _options(annotation):
        arguments = get_args(option)
        if get_origin(option) in {list, dict} and arguments:
            return arguments[-1]
    return None


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    for option in _options(annotation):
        if isinstance(option, type) and issubclass(option, BaseModel):
            yield option


def _options(annotation: Any) -> Iterator[Any]:
    """An annotation without Annotated and unions around it."""
    if get_origin(annotation) is Annotated:
        yield from _options(get_args(annotation)[0])
    elif get_origin(annotation) in {Union, UnionType}:
        for member in get_args(annotation):
            yield from _options(member)
    else:
        yield annotation


def _fields(model: type[BaseModel] | None) -> dict[str, str]:
    """Names on the wire, with their descriptions."""
    if model is None:
        return {}
    return {info.alias or name: info.description or "" for name, info in model.model_fields.items()}
