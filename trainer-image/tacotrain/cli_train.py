"""`tacotrain train`: from `trial.json`, or from a preset and a dataset for people without an operator."""

import argparse
import json
import logging
import os
from pathlib import Path
from typing import Any, Final

from tacotrain.contract import RESULT_FILE, TRIAL, Result, Trial, finished_result, parse_trial, read_trial
from tacotrain.errors import ConfigError
from tacotrain.files import content_hash
from tacotrain.interruption import listening
from tacotrain.logs import about
from tacotrain.place import Place
from tacotrain.presets import PRESETS
from tacotrain.settings import parse_settings
from tacotrain.termination import write_termination_message

EPILOG = """\
examples:
  tacotrain train --preset tiny --data prepared/demo --out runs/demo
  tacotrain train --preset tiny --data prepared/demo --out runs/fast --set learning_rate=0.01 --set max_steps=250
  tacotrain train --trial trial.json

The same command again goes on from the newest checkpoint, or shows the result when training has finished.
Ctrl-C (or SIGTERM) finishes the step, writes a checkpoint and exits with 75; a second one exits at once.
To train on several GPUs at once, see: tacotrain launch --help

environment:
  TACOTRAIN_METRICS_PORT=9090   answer Prometheus there: loss, speed, memory
  TACOTRAIN_LOG_FORMAT=json     one JSON object a line instead of text
"""

# Batches differ in shape, so oneDNN would keep a thousand compiled kernels that hardly one batch uses again: 100 MB, no time won.
_SMALL_KERNEL_CACHE: Final = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")

log = logging.getLogger("tacotrain")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `tacotrain train`."""
    parser.epilog = EPILOG
    parser.add_argument(
        "--trial", type=Path, metavar="FILE", help="trial document of an operator; excludes the others"
    )
    alone = parser.add_argument_group("without a trial document")
    alone.add_argument("--data", type=Path, metavar="DIR", help="folder made by `tacotrain prepare`")
    alone.add_argument(
        "--out", type=Path, metavar="DIR", help="folder for checkpoints, samples and the result"
    )
    alone.add_argument("--preset", choices=tuple(PRESETS), help="recipe to begin with (default: tiny)")
    alone.add_argument("--set", action="append", metavar="NAME=VALUE", help="change a parameter; repeatable")
    alone.add_argument("--seed", type=int, help="of all random numbers (default: 0)")
    alone.add_argument(
        "--objective", metavar="METRIC", help="decides which checkpoint is the best (default: tts_score)"
    )
    alone.add_argument(
        "--checkpoint-steps", type=int, metavar="N", help="steps between checkpoints (default: 500)"
    )
    alone.add_argument(
        "--keep", type=int, metavar="N", help="newest checkpoints to keep beside the best (default: 2)"
    )
    alone.add_argument("--early-stopping", action="store_true", help="stop when it no longer improves")
    alone.add_argument(
        "--warm-start", type=Path, metavar="DIR", help="begin with the weights of this checkpoint"
    )
    alone.add_argument("--device", help="auto, cpu, cuda or cuda:N (default: auto)")
    alone.add_argument("--threads", type=int, help="CPU threads (default: what the container may use)")


def run(args: argparse.Namespace) -> int:
    """Run `tacotrain train`."""
    trial = _read_document(args) if args.trial is not None else _trial_from(args)
    study = trial.study
    about(namespace=study.namespace, study=study.name, trial=trial.trial, attempt=trial.attempt)
    place = Place.of(os.environ)
    if not place.leads:
        # Each line once: from the leader.
        logging.getLogger().setLevel(logging.WARNING)
    result = finished_result(trial.directory, trial.spec_hash) if place.alone else None
    if result is None:
        # Signals count from here on: loading torch takes seconds.
        with listening() as interruption:
            os.environ.setdefault(*_SMALL_KERNEL_CACHE)
            from tacotrain.train import train  # noqa: PLC0415 - seconds to load, and a finished trial does not need it

            result = train(trial, interruption, place)
    _tell(result, trial)
    write_termination_message(json.loads(result.to_json()))
    return 0


def _read_document(args: argparse.Namespace) -> Trial:
    others = sorted(name for name, value in vars(args).items() if value and name not in {"trial", "run"})
    if others:
        raise ConfigError(f"--trial excludes --{others[0].replace('_', '-')}; write it into the document")
    return read_trial(args.trial)


def _trial_from(args: argparse.Namespace) -> Trial:
    if args.data is None or args.out is None:
        raise ConfigError(
            "give either --trial FILE, or --data DIR and --out DIR; see: tacotrain train --help"
        )
    metric = args.objective or "tts_score"
    document: dict[str, Any] = {
        "contract": TRIAL,
        "study": {"name": args.out.resolve().name or "training", "namespace": "", "uid": ""},
        "trial": 0,
        "attempt": 1,
        "preset": args.preset or "tiny",
        "parameters": parse_settings(args.set or ()),
        "seed": args.seed or 0,
        "dataset": {"path": str(args.data)},
        "objectives": [{"metric": metric, "direction": _direction(metric)}],
        "earlyStopping": _early_stopping() if args.early_stopping else None,
        "checkpoints": {
            "everySteps": 500 if args.checkpoint_steps is None else args.checkpoint_steps,
            "keep": 2 if args.keep is None else args.keep,
        },
        "directory": str(args.out),
        "warmStart": None if args.warm_start is None else {"checkpoint": str(args.warm_start)},
        "device": args.device or "auto",
        "threads": args.threads,
    }
    # Where and on what it runs does not make it another training.
    described = {
        key: value
        for key, value in document.items()
        if key not in {"directory", "device", "threads", "attempt"}
    }
    return parse_trial(document | {"specHash": content_hash(described)}, source="arguments")


def _direction(metric: str) -> str:
    from tacotrain.metrics.score import METRICS, value_of  # noqa: PLC0415

    value_of({}, metric)
    return METRICS[metric].direction


def _early_stopping() -> dict[str, Any]:
    from dataclasses import asdict  # noqa: PLC0415

    from pydantic.alias_generators import to_camel  # noqa: PLC0415

    from tacotrain.early_stopping import default_phases  # noqa: PLC0415

    phases = [{to_camel(name): value for name, value in asdict(phase).items()} for phase in default_phases()]
    return {"referenceEpochs": 1000, "phases": phases}


def _tell(result: Result, trial: Trial) -> None:
    values = ", ".join(
        f"{objective.metric} {'none' if value is None else format(value, '.4f')}"
        for objective, value in zip(trial.objectives, result.values, strict=True)
    )
    log.info("%s: %s; %s at step %s", result.state, result.message, values, result.best_step)
    log.info("result: %s", trial.directory / RESULT_FILE)
    if result.checkpoint is not None:
        log.info("best checkpoint: %s", trial.directory / result.checkpoint)
    for sample in result.samples:
        log.info("sample: %s", trial.directory / sample)
