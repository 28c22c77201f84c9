"""Studies whose fields are right one by one and contradict each other: the API server says so by its CEL rules."""

from typing import Any, Final

from support.bad_study import Bad
from support.objects import LEARNING_RATE

SPACE: Final = "spec.searchSpace"
FLOAT: Final = f"{SPACE}[0].float"
BATCH: Final = {"name": "batch_size", "int": {"low": 1, "high": 8}}
LOSS: Final = {"name": "mel_loss", "categorical": {"choices": ["l1", "mse"]}}
SEVERAL: Final = {"spec.objectives": [{"metric": "val_loss"}, {"metric": "mcd_dtw"}]}


def space(*parameters: dict[str, Any]) -> dict[str, Any]:
    """The change that makes these the search space."""
    return {SPACE: list(parameters)}


CONTRADICTORY: Final = {
    "a range turned round": Bad({FLOAT: {"low": 1, "high": 0.1}}, f"{FLOAT}.low", "low is greater than high"),
    "a whole range turned round": Bad(
        space({"name": "batch_size", "int": {"low": 8, "high": 1}}),
        f"{SPACE}[0].int.low",
        "low is greater than high",
    ),
    "a logarithm of nothing": Bad({f"{FLOAT}.low": 0}, f"{FLOAT}.low", "log needs low > 0"),
    "logarithm and step": Bad({f"{FLOAT}.step": 0.1}, f"{FLOAT}.step", "log and step exclude each other"),
    "two kinds of space": Bad(
        space({**BATCH, "categorical": {"choices": [1]}}),
        f"{SPACE}[0]",
        "exactly one of float, int, categorical",
    ),
    "no kind of space": Bad(
        space({"name": "batch_size"}), f"{SPACE}[0]", "exactly one of float, int, categorical"
    ),
    "a parameter twice": Bad(space(LEARNING_RATE, BATCH, LEARNING_RATE), f"{SPACE}[2]", "Duplicate value"),
    "a condition on nothing": Bad(
        space(LEARNING_RATE, {**BATCH, "when": {"parameter": "learning_rat", "in": [1]}}),
        SPACE,
        "when must name an earlier parameter",
        f"{SPACE}[1].when.parameter",
    ),
    "a condition on a later parameter": Bad(
        space({**BATCH, "when": {"parameter": "mel_loss", "in": ["l1"]}}, LOSS),
        SPACE,
        "when must name an earlier parameter",
        f"{SPACE}[0].when.parameter",
    ),
    "more trials at once than in all": Bad(
        {"spec.parallelism": 30}, "spec.parallelism", "parallelism is greater than maxTrials"
    ),
    "hyperband without an end": Bad(
        {"spec.pruner": {"name": "hyperband"}}, "spec.pruner", "hyperband needs maxResource"
    ),
    "hyperband turned round": Bad(
        {"spec.pruner": {"name": "hyperband", "minResource": 9, "maxResource": 3}},
        "spec.pruner.minResource",
        "minResource is greater than maxResource",
    ),
    "a threshold of nothing": Bad(
        {"spec.pruner": {"name": "threshold"}}, "spec.pruner", "threshold needs lower or upper"
    ),
    "a threshold turned round": Bad(
        {"spec.pruner": {"name": "threshold", "lower": 2, "upper": 1}},
        "spec.pruner.lower",
        "lower is greater than upper",
    ),
    "objective and objectives": Bad(
        {"spec.objective": {}, **SEVERAL}, "spec.objective", "objective and objectives exclude each other"
    ),
    "a metric twice": Bad(
        {"spec.objectives": [{"metric": "val_loss"}, {"metric": "val_loss"}]},
        "spec.objectives",
        "stands twice",
        "spec.objectives[1].metric",
    ),
    "pruning on several objectives": Bad(
        {**SEVERAL, "spec.pruner": {"name": "median"}}, "spec.pruner", "Optuna prunes only with one objective"
    ),
    "a goal of several objectives": Bad(
        {**SEVERAL, "spec.goal": 1}, "spec.goal", "a goal needs one objective"
    ),
    "a final training after several objectives": Bad(
        {**SEVERAL, "spec.finalTraining": {"enabled": True}},
        "spec.finalTraining",
        "a Pareto front has no single best trial",
    ),
    "cmaes on several objectives": Bad(
        {**SEVERAL, "spec.sampler": {"name": "cmaes"}}, "spec.sampler.name", "cmaes knows only one objective"
    ),
    "cmaes with choices": Bad(
        {**space(LEARNING_RATE, LOSS), "spec.sampler": {"name": "cmaes"}},
        SPACE,
        "cmaes cannot search categorical parameters",
        f"{SPACE}[1].categorical",
    ),
    "gp with conditions": Bad(
        {
            **space(LOSS, {**BATCH, "when": {"parameter": "mel_loss", "in": ["l1"]}}),
            "spec.sampler": {"name": "gp"},
        },
        SPACE,
        "gp and grid cannot search conditional parameters",
        f"{SPACE}[1].when",
    ),
    "a grid without a step": Bad(
        {"spec.sampler": {"name": "grid"}}, SPACE, "grid needs a step for each float parameter", FLOAT
    ),
    "an empty dataset": Bad(
        {"spec.dataset": {}}, "spec.dataset", "exactly one of persistentVolumeClaim, path, speech"
    ),
    "two datasets": Bad(
        {"spec.dataset": {"speech": {}, "path": "x"}},
        "spec.dataset",
        "exactly one of persistentVolumeClaim, path, speech",
    ),
    "phases out of order": Bad(
        {
            "spec.earlyStopping.phases": [
                {"until": 0.5, "patience": 1},
                {"until": 0.4, "patience": 1},
                {"until": 1, "patience": 1},
            ]
        },
        "spec.earlyStopping.phases",
        "phases must end one after the other",
    ),
    "phases that end too early": Bad(
        {"spec.earlyStopping.phases": [{"until": 0.5, "patience": 1}]},
        "spec.earlyStopping.phases",
        "the last phase must end at 1.0",
    ),
    "a shared port": Bad(
        {"spec.dashboards.mlflow.port": 5001}, "spec.dashboards", "two dashboards share a port"
    ),
}
