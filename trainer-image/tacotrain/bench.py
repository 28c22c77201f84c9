"""`tacotrain bench`: how fast this machine trains, and what the scans bring over the step-by-step decoder.

Both decoders take turns on the same random batch, so that a busy machine slows both. Speed counts valid mel frames.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

from tacotrain.batch import Batch
from tacotrain.config import TrainConfig
from tacotrain.errors import ConfigError
from tacotrain.kernels.packing import Packing
from tacotrain.losses import compute_loss
from tacotrain.model import Tacotron2
from tacotrain.model.decoder import Decoder
from tacotrain.model.reference import ReferenceDecoder
from tacotrain.presets import PRESETS
from tacotrain.settings import parse_settings

_VOCABULARY = 64
_DECODERS: Mapping[str, type[Decoder]] = {"fast": Decoder, "reference": ReferenceDecoder}

EPILOG = """\
examples:
  tacotrain bench
  tacotrain bench --preset base --symbols 100 --frames 200 400 --threads 2 --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `tacotrain bench`."""
    parser.epilog = EPILOG
    parser.add_argument("--preset", choices=tuple(PRESETS), default="tiny", help="recipe (default: tiny)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="change a parameter; repeatable"
    )
    parser.add_argument("--symbols", type=int, default=30, help="longest text (default: 30)")
    parser.add_argument(
        "--frames",
        type=int,
        nargs=2,
        default=(70, 130),
        metavar=("LOW", "HIGH"),
        help="mel frames (default: 70 130)",
    )
    parser.add_argument(
        "--steps", type=int, default=5, help="measured steps, after one to warm up (default: 5)"
    )
    parser.add_argument("--threads", type=int, help="CPU threads (default: what torch takes)")
    parser.add_argument("--seed", type=int, default=0, help="of weights, batch and dropout (default: 0)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Run `tacotrain bench`."""
    low, high = args.frames
    if not (1 <= low <= high and args.symbols >= 1 and args.steps >= 1 and (args.threads or 1) >= 1):
        raise ConfigError(
            "bench needs --frames LOW HIGH with 1 <= LOW <= HIGH, and --symbols, --steps and --threads of 1 or more"
        )
    if args.threads:
        torch.set_num_threads(args.threads)
    config = TrainConfig.resolve(args.preset, parse_settings(args.set))
    result = {"preset": args.preset} | measure(config, args.symbols, (low, high), args.steps, args.seed)
    if args.json:
        json.dump(result, sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        sys.stdout.write(_describe(result))
    return 0


def measure(
    config: TrainConfig, symbols: int, frames: tuple[int, int], steps: int, seed: int
) -> dict[str, Any]:
    """Time the decoder alone and whole training steps, fast and reference in turns; a JSON object."""
    batch = random_batch(config.batch_size, symbols, frames, seed)
    whole: dict[str, Callable[[], None]] = {}
    decoders: dict[str, Callable[[], None]] = {}
    for name, decoder in _DECODERS.items():
        torch.manual_seed(seed)
        model = Tacotron2(config, _VOCABULARY, decoder=decoder)
        whole[name] = _training_step(model, batch, seed)
        decoders[name] = _decoder_pass(model, batch, seed)
    return {
        "batchSize": config.batch_size,
        "validFrames": batch.frames,
        "threads": torch.get_num_threads(),
        "cpus": len(os.sched_getaffinity(0)),
        "torch": torch.__version__,
        "decoder": _take_turns(decoders, steps, batch.frames),
        "step": _take_turns(whole, steps, batch.frames),
    }


def random_batch(size: int, symbols: int, frames: tuple[int, int], seed: int) -> Batch:
    """Make utterances of random text and frames; texts have half to all of the given symbols."""
    generator = torch.Generator().manual_seed(seed)
    text_lengths_B = torch.randint((symbols + 1) // 2, symbols + 1, (size,), generator=generator)
    mel_lengths_B = torch.randint(frames[0], frames[1] + 1, (size,), generator=generator)
    text_BS = torch.randint(1, _VOCABULARY, (size, int(text_lengths_B.max())), generator=generator)
    text_BS *= torch.arange(text_BS.shape[1]) < text_lengths_B.unsqueeze(1)
    mel_BTM = torch.randn(size, int(mel_lengths_B.max()), 80, generator=generator)
    mel_BTM *= (torch.arange(mel_BTM.shape[1]) < mel_lengths_B.unsqueeze(1)).unsqueeze(2)
    return Batch(tuple(range(size)), text_BS, text_lengths_B, mel_BTM, mel_lengths_B)


def _training_step(model: Tacotron2, batch: Batch, seed: int) -> Callable[[], None]:
    """Everything of a step but the data: dropout, forward, loss, backward, clipping, AdamW."""
    config, generator = model.config, torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
    )

    def step() -> None:
        loss = compute_loss(model(batch, model.draw_masks(batch, generator)), batch, config, 0).total
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.gradient_clip)
        optimizer.step()

    return step


def _decoder_pass(model: Tacotron2, batch: Batch, seed: int) -> Callable[[], None]:
    """Forward and backward of the decoder with its prenet and projections."""
    generator = torch.Generator().manual_seed(seed)
    ratio = model.config.reduction_factor
    packing = Packing.of((batch.mel_lengths_B + ratio - 1) // ratio, model.device)
    masks = model.draw_masks(batch, generator)
    frames_NM = torch.randn(len(packing.step_N), model.mel_bands, generator=generator)
    memory_BSE, padding_BS = (x[packing.order_B] for x in model.encode(batch.text_BS, batch.text_lengths_B))
    memory_BSE = memory_BSE.detach().requires_grad_()

    def step() -> None:
        decoded = model.decoder(memory_BSE, padding_BS, frames_NM, packing, masks)
        loss = (
            decoded.mel_NRM.square().mean()
            + decoded.gate_NR.square().mean()
            + decoded.alignment_NS.square().mean()
        )
        loss.backward()

    return step


def _take_turns(sides: Mapping[str, Callable[[], None]], steps: int, frames: int) -> dict[str, Any]:
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(steps + 1):
        for name, side in sides.items():
            start = time.perf_counter()
            side()
            if turn:  # The first one warms up.
                seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(taken) for name, taken in seconds.items()}
    result: dict[str, Any] = {
        name: {"seconds": round(median, 5), "framesPerSecond": round(frames / median, 1)}
        for name, median in medians.items()
    }
    return result | {"ratio": round(medians["reference"] / medians["fast"], 2)}


def _describe(result: Mapping[str, Any]) -> str:
    title = "preset {preset}: {batchSize} utterances, {validFrames} valid frames a step, {threads} threads, torch {torch}"
    lines = [title.format(**result)]
    for part in ("decoder", "step"):
        fast, reference, ratio = (result[part][key] for key in ("fast", "reference", "ratio"))
        speed = f"{part:8} {fast['framesPerSecond']:10.1f} frames/s  {fast['seconds']:.3f} s"
        lines.append(f"{speed}   step by step {reference['framesPerSecond']:10.1f} frames/s   x {ratio}")
    return "\n".join(lines) + "\n"
