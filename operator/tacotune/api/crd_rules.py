"""What crosses fields, in CEL, for the API server: it refuses at once what pydantic would refuse in the operator.

`self` is the part that the rule stands at. Rules with `oldSelf` hold for updates only. Where a part is optional a rule that
compares it with its old value must stand above it, or taking the part out would get around it. Comprehensions with an index
need Kubernetes 1.33.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of `x-kubernetes-validations`."""

    rule: str
    message: str
    field_path: str = ""
    """The field at fault, from the part on."""

    def as_schema(self) -> dict[str, object]:
        """As the CRD has it."""
        written: dict[str, object] = {"rule": self.rule, "message": self.message}
        if self.field_path:
            written["fieldPath"] = self.field_path
        return written


def _fixed(field: str) -> Rule:
    """An optional field that cannot be changed, added or taken out."""
    return Rule(
        f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})",
        f"{field} cannot be changed: finished trials would no longer be comparable; make another study",
        f".{field}",
    )


_RANGE: Final = (
    Rule("self.low <= self.high", "low is greater than high", ".low"),
    Rule("!self.log || self.low > 0", "log needs low > 0", ".low"),
)

_SPEC: Final = (
    Rule(
        "!has(self.objective) || !has(self.objectives)",
        "objective and objectives exclude each other",
        ".objective",
    ),
    Rule("self.parallelism <= self.maxTrials", "parallelism is greater than maxTrials", ".parallelism"),
    Rule(
        "!has(self.objectives) || self.pruner.name == 'none'",
        "Optuna prunes only with one objective: set pruner.name to none",
        ".pruner",
    ),
    Rule(
        "!has(self.objectives) || self.objectives.all(o, self.objectives.exists_one(p, p.metric == o.metric))",
        "a metric stands twice",
        ".objectives",
    ),
    Rule("!has(self.objectives) || !has(self.goal)", "a goal needs one objective", ".goal"),
    Rule(
        "!has(self.objectives) || !self.finalTraining.enabled",
        "finalTraining needs one objective, a Pareto front has no single best trial",
        ".finalTraining",
    ),
    Rule(
        "!has(self.objectives) || self.sampler.name != 'cmaes'",
        "cmaes knows only one objective",
        ".sampler.name",
    ),
    Rule(
        "self.sampler.name != 'cmaes' || self.searchSpace.all(p, !has(p.categorical))",
        "cmaes cannot search categorical parameters",
        ".searchSpace",
    ),
    Rule(
        "!(self.sampler.name in ['cmaes', 'gp', 'grid']) || self.searchSpace.all(p, !has(p.when))",
        "cmaes, gp and grid cannot search conditional parameters",
        ".searchSpace",
    ),
    Rule(
        "self.sampler.name != 'grid' || self.searchSpace.all(p, "
        "!has(p.float) || has(p.float.step) || p.float.low == p.float.high)",
        "grid needs a step for each float parameter",
        ".searchSpace",
    ),
    Rule(
        "self.searchSpace.all(i, p, !has(p.when) || "
        "self.searchSpace.exists(j, q, j < i && q.name == p.when.parameter))",
        "when must name an earlier parameter",
        ".searchSpace",
    ),
    _fixed("objective"),
    _fixed("objectives"),
    _fixed("storage"),
    Rule(
        # Lists that are maps are equal in any order, and parameters are asked for in theirs.
        "self.searchSpace == oldSelf.searchSpace && "
        "self.searchSpace.map(p, p.name) == oldSelf.searchSpace.map(p, p.name)",
        "searchSpace cannot be changed: finished trials would no longer be comparable; make another study",
        ".searchSpace",
    ),
    Rule(
        "self.sampler.name == oldSelf.sampler.name",
        "sampler.name cannot be changed; make another study, with warmStart from this one",
        ".sampler.name",
    ),
)

_ONE_SPACE: Final = "[has(self.float), has(self.int), has(self.categorical)].filter(given, given).size() == 1"
_ONE_SOURCE: Final = (
    "[has(self.persistentVolumeClaim), has(self.path), has(self.speech)].filter(given, given).size() == 1"
)

_PORTS: Final = " + ".join(
    f"(has(self.{name}) && self.{name}.enabled ? [self.{name}.port] : [])"
    for name in ("mlflow", "tensorboard", "optuna", "demo")
)

RULES: Final[Mapping[str, tuple[Rule, ...]]] = MappingProxyType(
    {
        "TTSStudySpec": _SPEC,
        "Parameter": (Rule(_ONE_SPACE, "exactly one of float, int, categorical is needed"),),
        "FloatRange": (
            *_RANGE,
            Rule("!self.log || !has(self.step)", "log and step exclude each other", ".step"),
        ),
        "IntRange": (
            *_RANGE,
            Rule(
                "!self.log || !has(self.step) || self.step == 1", "log and step exclude each other", ".step"
            ),
        ),
        "DatasetSpec": (Rule(_ONE_SOURCE, "exactly one of persistentVolumeClaim, path, speech is needed"),),
        "Pruner": (
            Rule(
                "self.name != 'hyperband' || has(self.maxResource)",
                "hyperband needs maxResource, the steps of a full trial",
            ),
            Rule(
                "self.name != 'hyperband' || !has(self.maxResource) || self.minResource <= self.maxResource",
                "minResource is greater than maxResource",
                ".minResource",
            ),
            Rule(
                "self.name != 'threshold' || has(self.lower) || has(self.upper)",
                "threshold needs lower or upper",
            ),
            Rule(
                "!has(self.lower) || !has(self.upper) || self.lower <= self.upper",
                "lower is greater than upper",
                ".lower",
            ),
        ),
        # A default of `{}` is checked before its own parts are filled in, so these ask whether the parts are there.
        "EarlyStopping": (
            Rule(
                "!has(self.phases) || self.phases[self.phases.size() - 1].until == 1.0",
                "the last phase must end at 1.0",
                ".phases",
            ),
            Rule(
                "!has(self.phases) || self.phases.all(a, self.phases.exists_one(b, b.until == a.until)) && "
                "self.phases.map(phase, phase.until).isSorted()",
                "phases must end one after the other",
                ".phases",
            ),
        ),
        "DashboardsSpec": (
            Rule(
                f"({_PORTS}).all(p, ({_PORTS}).filter(q, q == p).size() == 1)", "two dashboards share a port"
            ),
        ),
    }
)
"""By the name of the pydantic model."""
