"""A study with a past, written by the operator's own store: trials of all ends, attempts of all causes, a final training.

It is what the study page is tested with: the page's side reads what this side wrote.
"""

import json
import math
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.builders import attempt_of, spec_of
from support.shown_study import storage_on, write_files
from support.stores import TickingClock, engine_on
from tacotune.adapters.optuna_store import OptunaStore
from tacotune.api.study import TTSStudySpec
from tacotune.api.study_key import StudyKey
from tacotune.engine.observed import Attempt, Cause, ObservedTrial, Purpose, TrialState

KEY = StudyKey("voices", "ruslan", "0b2f3c4d-0000-4000-8000-000000000001")
SPACE = [
    {"name": "learning_rate", "float": {"low": 5e-5, "high": 2e-3, "log": True}},
    {"name": "prenet_dropout", "float": {"low": 0.0, "high": 0.5}},
    {"name": "reduction_factor", "int": {"low": 1, "high": 4}},
    {"name": "attention", "categorical": {"choices": ["location", "dca"]}},
    {
        "name": "location_kernel",
        "categorical": {"choices": [15, 31]},
        "when": {"parameter": "attention", "in": ["location"]},
    },
]
HOUR = 3600.0


def told_spec(**fields: Any) -> TTSStudySpec:
    """The spec of the study; fields by their YAML names."""
    given = {
        "searchSpace": SPACE,
        "sampler": {"name": "random", "seed": 7},
        "fixedParameters": {"epochs": 200},
        **fields,
    }
    return spec_of(**given)


def tell_study(
    dsn: str, trials: int, root: Path | None, *, gpus: int = 1, final: bool = False, **fields: Any
) -> TTSStudySpec:
    """Write the study; its spec.

    Args:
        dsn: Of a database, as its owner.
        trials: How many; of 14 one fails, one is pruned, and some were retried.
        root: The study's folder, where complete trials leave their files.
        gpus: Of each attempt.
        final: Whether the best was trained fully.
        **fields: Of the spec.
    """
    spec = told_spec(maxTrials=trials, **fields)
    chance = random.Random(7)
    with engine_on(dsn) as engine:
        store = OptunaStore(engine, KEY, TickingClock())
        store.open(spec)
        reports = storage_on(dsn)
        store.record_attempt(Purpose.PREPARE, -1, attempt_of(1, Cause.FINISHED, lasted=0.2 * HOUR))
        for number in range(trials):
            store.ask(number, "sha256:0")
            trial = store.trials()[number]
            value = value_of(trial) * chance.uniform(0.9, 1.1)
            reported = store.storage_trial_id(number)
            for step in range(1, 5):
                reports.set_trial_intermediate_value(reported, 100 * step, value + 1 / step)
            _tell(store, trial, value, gpus, len(spec.all_objectives))
            if root is not None and store.trials()[number].state is TrialState.COMPLETE:
                write_files(root, number, seconds=0.3)
        if final:
            best = min(
                (t for t in store.trials() if t.state is TrialState.COMPLETE), key=lambda t: t.values[0]
            )
            store.record_final(best.number)
            store.record_attempt(
                Purpose.FINAL,
                best.number,
                attempt_of(1, Cause.FINISHED, lasted=5 * HOUR, gpu_seconds=5 * HOUR * gpus, ended=400 * HOUR),
            )
            result = {"state": "complete", "values": [0.11], "metrics": {"tts_score": 0.11}}
            store.record_final(best.number, json.dumps(result))
            if root is not None:
                publish_final(root, best)
    return spec


def publish_final(root: Path, best: ObservedTrial) -> None:
    """Leave the voice of the final training, as `tacotrain publish` does."""
    shutil.copytree(root / f"trials/{best.number:04d}/samples/step-00000400", root / "best/samples")
    shutil.copytree(root / f"trials/{best.number:04d}/alignments/step-00000400", root / "best/alignments")
    document = {
        "source": f"final/{best.number}/checkpoints/step-00002000",
        "purpose": "final",
        "trial": best.number,
        "value": 0.11,
        "parameters": {**best.parameters, "epochs": 1500},
        "metrics": {"tts_score": 0.11, "val_loss": 0.4},
        "samples": ["samples/0.wav"],
        "alignments": ["alignments/0.png"],
    }
    (root / "best/best.json").write_text(json.dumps(document))


def value_of(trial: ObservedTrial) -> float:
    """What a trial is worth: the learning rate matters most, the kernel not at all."""
    rate = float(trial.parameters["learning_rate"] or 0)
    dropout = float(trial.parameters["prenet_dropout"] or 0)
    return (
        0.15
        + abs(math.log10(rate) + 3.4) / 2
        + dropout / 8
        + (0.05 if trial.parameters["attention"] == "dca" else 0)
    )


def _tell(store: OptunaStore, trial: ObservedTrial, value: float, gpus: int, objectives: int) -> None:
    number = trial.number
    began = number * 2 * HOUR

    def record(attempt: int, cause: Cause, hours: float, **fields: Any) -> None:
        ended = began + (attempt + 1) * HOUR
        made: Attempt = attempt_of(
            attempt, cause, ended=ended, lasted=hours * HOUR, gpu_seconds=hours * HOUR * gpus, **fields
        )
        store.record_attempt(Purpose.TRIAL, number, made)

    ends: dict[int, Callable[[], None]] = {
        4: lambda: record(1, Cause.DISRUPTION, 0.5, message="ended by the platform: Preempted", exit_code=75),
        6: lambda: record(
            1, Cause.OUT_OF_MEMORY, 0.1, message="GPU out of memory: <1 GiB left>", exit_code=70
        ),
        8: lambda: record(1, Cause.DISRUPTION, 0.3, message="stopped: Suspended", exit_code=75),
    }
    kind = number % 14
    if kind == 5:
        for attempt in (1, 2, 3):
            record(attempt, Cause.TRANSIENT, 0.2, message="crashed: Segmentation fault", exit_code=1)
        store.tell(
            number,
            TrialState.FAIL,
            [],
            message="all 3 attempts failed, the last: crashed: Segmentation fault",
        )
        return
    attempt = 1
    if kind in ends:
        ends[kind]()
        attempt = 2
    if kind in {3, 9, 11}:
        record(attempt, Cause.FINISHED, 0.3, outcome="pruned", message="pruned at step 400")
        store.tell(number, TrialState.PRUNED, [], message="pruned at step 400: median is better")
        return
    outcome = "early_stopped" if kind == 7 else "complete"
    record(attempt, Cause.FINISHED, 1.0, outcome=outcome)
    values = [value, *(1.5 - value + 0.1 * (number % 5) for _ in range(objectives - 1))]
    store.tell(
        number,
        TrialState.COMPLETE,
        values,
        metrics={"tts_score": value, "val_loss": 0.4 + value / 3, "alignment": 1 - value / 2},
        checkpoint="checkpoints/step-00000400",
        best_step=400,
    )
