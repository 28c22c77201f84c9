"""Bad manifests, one mistake each: where it is said to be, and what is said."""

import pytest

from support.manifests import SPACE, manifest
from tacotune.api.manifest import read_manifests

LR = "{name: learning_rate, float: {low: 1.0e-4, high: 1.0e-2}}"


def space(*items: str) -> str:
    return manifest(space="".join(f"  - {item}\n" for item in items))


def spec(*lines: str) -> str:
    return manifest(*lines)


SEVERAL = "objectives: [{metric: val_loss}, {metric: mcd_dtw}]"

CASES = {
    "an unknown field, near a known one": (spec("maxTrails: 4"), "spec.maxTrails", "did you mean maxTrials?"),
    "snake case is not the wire's case": (
        spec("max_trials: 4"),
        "spec.max_trials",
        "did you mean maxTrials?",
    ),
    "an unknown field, near none": (spec("xyzzy: 4"), "spec.xyzzy", "known here: objective, "),
    "Katib's name of a field": (spec("parallelTrialCount: 4"), "spec.parallelTrialCount", "parallelism"),
    "Optuna's name of a field": (spec("n_trials: 4"), "spec.n_trials", "maxTrials"),
    "Katib's parameters": (spec("algorithm: {}"), "spec.algorithm", "sampler"),
    "a trainer's parameter in the spec": (spec("epochs: 4"), "spec.epochs", "fixedParameters or searchSpace"),
    "a field of the spec at the top": ("maxTrials: 3\n" + spec(), "maxTrials", "belongs below spec"),
    "a word for a number": (spec("maxTrials: many"), "spec.maxTrials", "must be a whole number, not 'many'"),
    "a quoted number": (spec('maxTrials: "40"'), "spec.maxTrials", "without quotes"),
    "half a trial": (spec("maxTrials: 1.5"), "spec.maxTrials", "must be a whole number, not 1.5"),
    "nothing for a number": (spec("maxTrials:"), "spec.maxTrials", "must be a whole number, not empty"),
    "true for a number": (spec("maxTrials: true"), "spec.maxTrials", "must be a whole number, not true"),
    "too few trials": (spec("maxTrials: 0"), "spec.maxTrials", "must be at least 1, not 0"),
    "too many trials at once": (spec("parallelism: 1001"), "spec.parallelism", "must be at most 1000"),
    "more at once than in all": (
        spec("parallelism: 30"),
        "spec.parallelism",
        "parallelism 30 is greater than maxTrials 20",
    ),
    "a number for a switch": (spec("suspend: 1"), "spec.suspend", "must be true or false, not 1"),
    "a dataset outside its volume": (
        manifest(dataset="  dataset: {persistentVolumeClaim: {claimName: x, subPath: ../y}}\n"),
        "spec.dataset.persistentVolumeClaim.subPath",
        "leads out of the volume",
    ),
    "a volume for one pod and two pods": (
        spec("parallelism: 2", "checkpoints: {volume: {accessModes: [ReadWriteOncePod]}}"),
        "spec.checkpoints.volume.accessModes",
        "lets one pod at a time run, not 2 (choose ReadWriteMany)",
    ),
    "a volume for one pod and for many": (
        spec("checkpoints: {volume: {accessModes: [ReadWriteOncePod, ReadWriteMany]}}"),
        "spec.checkpoints.volume.accessModes",
        "cannot be combined with others",
    ),
    "resources that a pod cannot have": (
        spec("trainer: {resources: {limits: {nvidia.com/gpu: 0.5}}}"),
        "spec.trainer.resources.limits.nvidia.com/gpu",
        "no whole number",
    ),
    "an infinite goal": (spec("goal: .inf"), "spec.goal", "must be a finite number"),
    "no GPU hours": (spec("gpuHours: 0"), "spec.gpuHours", "must be greater than 0"),
    "a list for a mapping": (spec("sampler: [tpe]"), "spec.sampler", "must be a mapping, not a list"),
    "a mapping for a list": (
        spec("initialTrials: {a: 1}"),
        "spec.initialTrials",
        "must be a list, not a mapping",
    ),
    "a list for a value": (
        spec("fixedParameters: {epochs: [1]}"),
        "spec.fixedParameters.epochs",
        "must be a number, a text or true/false, not a list",
    ),
    "a parameter's name in capitals": (
        spec("fixedParameters: {Epochs: 1}"),
        "spec.fixedParameters.Epochs",
        "'Epochs' is no parameter's name",
    ),
    "no search space": (manifest(space=""), "spec.searchSpace", "is required"),
    "an empty search space": (
        manifest("searchSpace: []", space=""),
        "spec.searchSpace",
        "at least 1 entries",
    ),
    "a range turned round": (
        space("{name: learning_rate, float: {low: 1, high: 0.1}}"),
        "spec.searchSpace[0].float",
        "low 1 is greater than high 0.1",
    ),
    "a logarithm of nothing": (
        space("{name: weight_decay, float: {low: 0, high: 0.1, log: true}}"),
        "spec.searchSpace[0].float",
        "log needs low > 0, low is 0",
    ),
    "logarithm and step": (
        space("{name: weight_decay, float: {low: 0.1, high: 0.5, log: true, step: 0.1}}"),
        "spec.searchSpace[0].float",
        "log and step exclude each other",
    ),
    "a range without an end": (
        space("{name: learning_rate, float: {low: 1.0e-4}}"),
        "spec.searchSpace[0].float.high",
        "is required",
    ),
    "two kinds of space": (
        space("{name: batch_size, int: {low: 1, high: 2}, categorical: {choices: [1]}}"),
        "spec.searchSpace[0]",
        "exactly one of float, int, categorical is needed, found 2",
    ),
    "no kind of space": (
        space("{name: batch_size}"),
        "spec.searchSpace[0]",
        "exactly one of float, int, categorical is needed, found 0",
    ),
    "a choice twice": (
        space("{name: batch_size, categorical: {choices: [16, 32, 16]}}"),
        "spec.searchSpace[0].categorical",
        "choice 16 stands twice",
    ),
    "two choices that are one to Optuna": (
        space("{name: batch_size, categorical: {choices: [16, 16.0]}}"),
        "spec.searchSpace[0].categorical",
        "choices 16 and 16.0 are one to Optuna",
    ),
    "a parameter twice": (space(LR, LR), "spec.searchSpace[1].name", "parameter learning_rate stands twice"),
    "fixed and searched": (
        spec("fixedParameters: {learning_rate: 0.001}"),
        "spec.fixedParameters.learning_rate",
        "learning_rate is in searchSpace too",
    ),
    "a condition on nothing": (
        space(LR, "{name: batch_size, int: {low: 1, high: 8}, when: {parameter: learning_rat, in: [1]}}"),
        "spec.searchSpace[1].when.parameter",
        "did you mean learning_rate?",
    ),
    "a condition on a later parameter": (
        space(
            "{name: batch_size, int: {low: 1, high: 8}, when: {parameter: mel_loss, in: [l1]}}",
            "{name: mel_loss, categorical: {choices: [l1, mse]}}",
        ),
        "spec.searchSpace[0].when.parameter",
        "mel_loss is not an earlier parameter",
    ),
    "a condition that never holds": (
        space(
            "{name: mel_loss, categorical: {choices: [l1, mse]}}",
            "{name: batch_size, int: {low: 1, high: 8}, when: {parameter: mel_loss, in: [l1, l2]}}",
        ),
        "spec.searchSpace[1].when.in[1]",
        "'l2' is not a value of mel_loss",
    ),
    "a parameter the trainer does not know": (
        space("{name: learning_rat, float: {low: 1.0e-4, high: 1.0e-2}}"),
        "spec.searchSpace[0].name",
        "the trainer has no parameter learning_rat (did you mean learning_rate?)",
    ),
    "a fixed parameter the trainer does not know": (
        spec("fixedParameters: {prenet_droput: 0.1}"),
        "spec.fixedParameters.prenet_droput",
        "did you mean prenet_dropout?",
    ),
    "a parameter like no other": (
        spec("fixedParameters: {zzzzzz: 0.1}"),
        "spec.fixedParameters.zzzzzz",
        "`tacotrain config schema` lists all",
    ),
    "beyond the trainer's bounds": (
        space("{name: prenet_dropout, float: {low: 0.1, high: 0.95}}"),
        "spec.searchSpace[0].float.high",
        "0.95 is outside the trainer's 0 to 0.9",
    ),
    "a fixed value beyond them": (
        spec("fixedParameters: {reduction_factor: 11}"),
        "spec.fixedParameters.reduction_factor",
        "11 is outside the trainer's 1 to 10",
    ),
    "a real range for a whole number": (
        space("{name: batch_size, float: {low: 8, high: 64}}"),
        "spec.searchSpace[0].float",
        "write int instead of float",
    ),
    "a range for a choice": (
        space("{name: mel_loss, float: {low: 0, high: 1}}"),
        "spec.searchSpace[0].float",
        "write categorical: {choices: [mse, l1]}",
    ),
    "a choice the trainer does not have": (
        space("{name: mel_loss, categorical: {choices: [mse, huber]}}"),
        "spec.searchSpace[0].categorical.choices[1]",
        "'huber' is not one of mse, l1",
    ),
    "an even kernel among choices": (
        space("{name: location_kernel, categorical: {choices: [15, 16]}}"),
        "spec.searchSpace[0].categorical.choices[1]",
        "16 is not one of 1, 3, 5",
    ),
    "a range that meets even kernels": (
        space("{name: location_kernel, int: {low: 15, high: 31}}"),
        "spec.searchSpace[0].int",
        "give step: 2",
    ),
    "text for a number of the final training": (
        spec('finalTraining: {parameters: {learning_rate: "0.1"}}'),
        "spec.finalTraining.parameters.learning_rate",
        "must be a number, not '0.1'",
    ),
    "yes, which is true, for a choice": (
        space("{name: mel_loss, categorical: {choices: [mse, yes]}}"),
        "spec.searchSpace[0].categorical.choices[1]",
        "True is not one of mse, l1",
    ),
    "a metric the trainer does not report": (
        spec("objective: {metric: tts_scor}"),
        "spec.objective.metric",
        "did you mean tts_score?",
    ),
    "the wrong way of a metric": (
        spec("objective: {metric: alignment}"),
        "spec.objective.direction",
        "write direction: Maximize",
    ),
    "an unknown sampler": (spec("sampler: {name: tpee}"), "spec.sampler.name", "did you mean tpe?"),
    "an unknown pruner": (
        spec("pruner: {name: asha}"),
        "spec.pruner.name",
        "must be one of median, percentile",
    ),
    "hyperband without an end": (
        spec("pruner: {name: hyperband}"),
        "spec.pruner",
        "hyperband needs maxResource",
    ),
    "hyperband turned round": (
        spec("pruner: {name: hyperband, minResource: 9, maxResource: 3}"),
        "spec.pruner",
        "minResource 9 is greater than maxResource 3",
    ),
    "a threshold of nothing": (
        spec("pruner: {name: threshold}"),
        "spec.pruner",
        "threshold needs lower or upper",
    ),
    "objective and objectives": (spec("objective: {}", SEVERAL), "spec.objective", "exclude each other"),
    "pruning on several objectives": (
        spec(SEVERAL, "pruner: {name: median}"),
        "spec.pruner",
        "Optuna prunes only with one objective",
    ),
    "a goal of several objectives": (spec(SEVERAL, "goal: 1"), "spec.goal", "a goal needs one objective"),
    "a final training after several objectives": (
        spec(SEVERAL, "finalTraining: {enabled: true}"),
        "spec.finalTraining",
        "a Pareto front has no single best trial",
    ),
    "a metric twice": (
        spec("objectives: [{metric: val_loss}, {metric: val_loss}]"),
        "spec.objectives[1].metric",
        "val_loss stands twice",
    ),
    "cmaes on several objectives": (
        spec(SEVERAL, "sampler: {name: cmaes}"),
        "spec.sampler.name",
        "cmaes knows only one objective",
    ),
    "cmaes with choices": (
        manifest(
            "sampler: {name: cmaes}",
            space=SPACE + "  - {name: mel_loss, categorical: {choices: [mse, l1]}}\n",
        ),
        "spec.searchSpace[1].categorical",
        "cmaes cannot search categorical mel_loss",
    ),
    "a grid without a step": (
        manifest("sampler: {name: grid}"),
        "spec.searchSpace[0].float",
        "grid needs a step for learning_rate",
    ),
    "a grid too large": (
        manifest(
            "sampler: {name: grid}",
            space="  - {name: batch_size, int: {low: 1, high: 4000}}\n  - {name: epochs, int: {low: 1, high: 4000}}\n",
        ),
        "spec.searchSpace",
        "a grid of 16000000 cells is too large",
    ),
    "an initial trial outside": (
        spec("initialTrials: [{learning_rate: 0.5}]"),
        "spec.initialTrials[0].learning_rate",
        "0.5 is outside the feasible space of learning_rate",
    ),
    "an initial trial off the grid": (
        manifest(
            "initialTrials: [{prenet_dropout: 0.25}]",
            space="  - {name: prenet_dropout, float: {low: 0.1, high: 0.5, step: 0.1}}\n",
        ),
        "spec.initialTrials[0].prenet_dropout",
        "0.25 is outside the feasible space",
    ),
    "an initial trial of something else": (
        spec("initialTrials: [{}, {learning_rte: 0.001}]"),
        "spec.initialTrials[1].learning_rte",
        "did you mean learning_rate?",
    ),
    "no dataset": (manifest(dataset=""), "spec.dataset", "is required"),
    "an empty dataset": (manifest(dataset="  dataset: {}\n"), "spec.dataset", "exactly one of"),
    "two datasets": (
        manifest(dataset="  dataset: {speech: {}, path: x}\n"),
        "spec.dataset",
        "found path, speech",
    ),
    "an unknown language": (
        manifest(dataset="  dataset: {speech: {}, language: ua}\n"),
        "spec.dataset.language",
        "must be one of en, ru, not 'ua'",
    ),
    "phases out of order": (
        spec("earlyStopping: {phases: [{until: 0.5, patience: 1}, {until: 0.4, patience: 1}]}"),
        "spec.earlyStopping",
        "phases must end one after the other",
    ),
    "phases that end too early": (
        spec("earlyStopping: {phases: [{until: 0.5, patience: 1}]}"),
        "spec.earlyStopping",
        "the last phase must end at 1.0",
    ),
    "a shared port": (
        spec("dashboards: {mlflow: {port: 5001}}"),
        "spec.dashboards",
        "two dashboards share a port",
    ),
    "a weight of no term": (
        spec("weights: {alignmen: 1}"),
        "spec.weights.alignmen",
        "did you mean alignment?",
    ),
    "weights of zero": (
        spec("weights: {alignment: 0, text_use: 0, failures: 0, stop: 0, mcd: 0}"),
        "spec.weights",
        "give one a positive weight",
    ),
    "a name with capitals": (manifest(name="Demo"), "metadata.name", "must consist of lower-case letters"),
    "a name too long": (manifest(name="a" * 53), "metadata.name", "must have at most 52 characters"),
    "no name": (manifest().replace("{name: demo}", "{}"), "metadata.name", "is required"),
    "another version": (
        manifest().replace("v1alpha1", "v1"),
        "apiVersion",
        "must be tacotune.dev/v1alpha1, not 'tacotune.dev/v1'",
    ),
    "a kind in other letters": (
        manifest().replace("TTSStudy", "TtsStudy"),
        "kind",
        "must be TTSStudy, not 'TtsStudy'",
    ),
}


@pytest.mark.parametrize(("text", "path", "said"), CASES.values(), ids=CASES.keys())
def test_a_mistake_is_named_with_its_place_and_what_to_do(text: str, path: str, said: str) -> None:
    problems = read_manifests(text).problems
    assert [problem.path for problem in problems] == [path]
    assert said in str(problems[0])
    assert problems[0].line is not None


def test_the_smallest_manifest_is_valid() -> None:
    file = read_manifests(manifest())
    assert file.problems == ()
    assert [m.study.metadata.name for m in file.manifests if m.study] == ["demo"]
