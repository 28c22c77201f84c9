"""`tacotrain evaluate`: every metric of a checkpoint on a dataset."""

import argparse
import sys
from pathlib import Path

from tacotrain.errors import ConfigError

EPILOG = """\
examples:
  tacotrain evaluate --checkpoint runs/demo --data prepared/demo
  tacotrain evaluate --checkpoint runs/demo/checkpoints/step-00000250 --data prepared/demo --json > metrics.json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `tacotrain evaluate`."""
    parser.epilog = EPILOG
    parser.add_argument(
        "--checkpoint",
        required=True,
        type=Path,
        metavar="DIR",
        help="checkpoint, or a trial directory: its best one",
    )
    parser.add_argument(
        "--data", required=True, type=Path, metavar="DIR", help="folder made by `tacotrain prepare`"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--samples", type=Path, metavar="DIR", help="also write sounds and pictures there")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
    parser.add_argument("--threads", type=int, help="CPU threads (default: what the container may use)")


def run(args: argparse.Namespace) -> int:
    """Run `tacotrain evaluate`."""
    import torch  # noqa: PLC0415 - seconds to load

    from tacotrain.data.shard import PreparedDataset  # noqa: PLC0415
    from tacotrain.device import available_threads, choose_device  # noqa: PLC0415
    from tacotrain.evaluate import evaluate  # noqa: PLC0415
    from tacotrain.loop import EVALUATION_SEED  # noqa: PLC0415
    from tacotrain.samples import write_samples  # noqa: PLC0415
    from tacotrain.voice import load_voice  # noqa: PLC0415

    torch.set_num_threads(args.threads or available_threads())
    device = choose_device(args.device)
    voice = load_voice(args.checkpoint, device)
    dataset = PreparedDataset.open(args.data)
    if voice.symbols.symbols != dataset.symbols.symbols or voice.statistics != dataset.statistics:
        raise ConfigError(
            f"--data: {args.data} is not the dataset that {voice.path} was trained on: symbols or mel statistics differ"
        )
    evaluation = evaluate(voice.model, dataset, voice.config, device=device, seed=EVALUATION_SEED)
    if args.samples is not None:
        write_samples(
            evaluation,
            dataset,
            voice.config,
            sounds=args.samples / "sounds",
            alignments=args.samples / "alignments",
            title=voice.path.name,
        )
    _print(evaluation.metrics, voice.path, as_json=args.json)
    return 0


def _print(metrics: dict[str, float], checkpoint: Path, *, as_json: bool) -> None:
    from tacotrain.files import encode_json  # noqa: PLC0415
    from tacotrain.metrics.score import METRICS, REFERENCES  # noqa: PLC0415

    if as_json:
        # What broke stays visible: null, not absent.
        sys.stdout.write(encode_json(metrics, indent=2) + "\n")
        return
    print(checkpoint)  # noqa: T201 - the command's output
    for name, value in metrics.items():
        if name in METRICS:
            better = "lower is better" if METRICS[name].direction == "Minimize" else "higher is better"
            meaning = f"{METRICS[name].description} ({better})"
        else:
            meaning = REFERENCES.get(name, "")
        print(f"  {name:24} {value:9.4f}  {meaning}")  # noqa: T201
