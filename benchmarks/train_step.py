"""Training speed beside NVIDIA/tacotron2: one step of the base preset, in the same run, in turns.

    python benchmarks/train_step.py --nvidia PATH/TO/tacotron2

Batch 16, texts of 100 symbols, 200-400 mel frames, float32, two threads; a step is forward, backward, clipping and the optimizer,
with dropout drawn. Both networks have the same sizes, dropouts and batch. Speed counts valid mel frames: padding is no work done.
Each side lives in a process of its own, so that its memory can be told apart; only one computes at a time.
"""

import argparse
import importlib
import json
import multiprocessing
import statistics
import sys
import time
import types
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import Tensor

SYMBOLS = 148
HOW_TO_GET_IT = "git clone https://github.com/NVIDIA/tacotron2"


def make_batch(
    batch_size: int, symbols: int, shortest: int, longest: int, seed: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Random text and frames; frames are zero at padding."""
    generator = torch.Generator().manual_seed(seed)
    mel_lengths_B = torch.randint(shortest, longest + 1, (batch_size,), generator=generator)
    frames = int(mel_lengths_B.max())
    text_BS = torch.randint(1, SYMBOLS, (batch_size, symbols), generator=generator)
    mel_BTM = torch.randn(batch_size, frames, 80, generator=generator)
    mel_BTM *= (torch.arange(frames) < mel_lengths_B.unsqueeze(1)).unsqueeze(2)
    return text_BS, torch.full((batch_size,), symbols), mel_BTM, mel_lengths_B


def build_tacotrain(arguments: argparse.Namespace) -> tuple[int, Callable[[], float]]:
    """The base preset; guided attention, which the other side lacks, is off."""
    from tacotrain.batch import Batch  # noqa: PLC0415 - only this side loads it
    from tacotrain.config import TrainConfig  # noqa: PLC0415 - only this side loads it
    from tacotrain.losses import compute_loss  # noqa: PLC0415 - only this side loads it
    from tacotrain.model import Tacotron2  # noqa: PLC0415 - only this side loads it

    text_BS, text_lengths_B, mel_BTM, mel_lengths_B = make_batch(*sizes(arguments))
    batch = Batch(tuple(range(len(text_BS))), text_BS, text_lengths_B, mel_BTM, mel_lengths_B)
    config = TrainConfig.resolve("base", {"guided_attention_weight": 0})
    model = Tacotron2(config, SYMBOLS)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-6, fused=True)
    generator = torch.Generator().manual_seed(arguments.seed)

    def step() -> float:
        optimizer.zero_grad()
        loss = compute_loss(model(batch, model.draw_masks(batch, generator)), batch, config, 0).total
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return float(loss.detach())

    return count(model), step


def build_nvidia(arguments: argparse.Namespace) -> tuple[int, Callable[[], float]]:
    """Their model, loss, optimizer and batch order, from their own files."""
    model_module, loss_module, hparams = import_nvidia(arguments.nvidia)
    text_BS, text_lengths_B, mel_BTM, mel_lengths_B = make_batch(*sizes(arguments))
    mel_BMT = mel_BTM.transpose(1, 2).contiguous()
    frames = torch.arange(mel_BMT.shape[2])
    gate_BT = (frames >= mel_lengths_B.unsqueeze(1) - 1).float()
    model, criterion = model_module.Tacotron2(hparams), loss_module.Tacotron2Loss()
    optimizer = torch.optim.Adam(
        model.parameters(), lr=hparams.learning_rate, weight_decay=hparams.weight_decay
    )
    model.train()

    def step() -> float:
        model.zero_grad()
        x, y = model.parse_batch((text_BS, text_lengths_B, mel_BMT, gate_BT, mel_lengths_B))
        loss = criterion(model(x), y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), hparams.grad_clip_thresh)
        optimizer.step()
        return float(loss.detach())

    return count(model), step


def import_nvidia(checkout: Path) -> tuple[Any, Any, Any]:
    """Import from a checkout; what it needs of TensorFlow, librosa and CUDA besides the model is stood in for."""
    training = types.SimpleNamespace(HParams=types.SimpleNamespace)
    stand_ins: dict[str, dict[str, Any]] = {
        "tensorflow": {"contrib": types.SimpleNamespace(training=training)},
        "text": {"symbols": range(SYMBOLS)},
        "librosa": {},
        "librosa.filters": {"mel": None},
        "audio_processing": {"dynamic_range_compression": None, "dynamic_range_decompression": None},
        "stft": {"STFT": None},
    }
    for name, attributes in stand_ins.items():
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name]).update(attributes)
    sys.path.insert(0, str(checkout))
    model, loss_function, hparams = (
        importlib.import_module(name) for name in ("model", "loss_function", "hparams")
    )
    for name in stand_ins:
        del sys.modules[name]

    def mask_from_lengths(lengths: Tensor) -> Tensor:
        # Theirs allocates a torch.cuda.LongTensor.
        return torch.arange(int(lengths.max())) < lengths.unsqueeze(1)

    vars(model)["get_mask_from_lengths"] = mask_from_lengths
    return model, loss_function, hparams.create_hparams()


BUILDERS = {"tacotrain": build_tacotrain, "nvidia": build_nvidia}


def sizes(arguments: argparse.Namespace) -> tuple[int, int, int, int, int]:
    return arguments.batch_size, arguments.symbols, arguments.shortest, arguments.longest, arguments.seed


def count(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def serve(side: str, arguments: argparse.Namespace, pipe: Connection) -> None:
    """Build one side, then make a step whenever asked, until the pipe closes."""
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    parameters, step = BUILDERS[side](arguments)
    pipe.send(parameters)
    while pipe.recv():
        start, cpu_start = time.perf_counter(), time.process_time()
        loss = step()
        seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
        rss = psutil.Process().memory_info().rss
        pipe.send({"seconds": seconds, "cpuSeconds": cpu_seconds, "loss": loss, "rss": rss})


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Warm both sides up, then take turns."""
    context = multiprocessing.get_context("spawn")
    names = ["tacotrain"] if arguments.nvidia is None else list(BUILDERS)
    pipes: dict[str, Connection] = {}
    steps: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    parameters: dict[str, int] = {}
    processes = []
    for name in names:
        pipes[name], theirs = context.Pipe()
        process = context.Process(target=serve, args=(name, arguments, theirs), daemon=True)
        process.start()
        theirs.close()  # A side that dies closes the pipe, and the next recv says so.
        processes.append(process)
        parameters[name] = pipes[name].recv()
    for turn in range(arguments.steps + 1):
        for name in names:
            pipes[name].send(True)
            taken = pipes[name].recv()
            print(
                f"{'warm-up' if turn == 0 else turn}: {name} {taken['seconds']:.2f} s",
                file=sys.stderr,
                flush=True,
            )
            if turn:
                steps[name].append(taken)
    for name, process in zip(names, processes, strict=True):
        pipes[name].send(False)
        process.join()
    frames = int(make_batch(*sizes(arguments))[3].sum())
    result: dict[str, Any] = {
        "batchSize": arguments.batch_size,
        "symbols": arguments.symbols,
        "validFrames": frames,
        "threads": arguments.threads,
        "torch": torch.__version__,
    }
    for name in names:
        median = statistics.median(taken["seconds"] for taken in steps[name])
        result[name] = {
            "parameters": parameters[name],
            "secondsPerStep": round(median, 3),
            "cpuSecondsPerStep": round(statistics.median(taken["cpuSeconds"] for taken in steps[name]), 3),
            "framesPerSecond": round(frames / median, 1),
            "residentBytes": max(taken["rss"] for taken in steps[name]),
            "loss": [round(taken["loss"], 4) for taken in steps[name]],
        }
    if "nvidia" in result:
        pairs = zip(steps["nvidia"], steps["tacotrain"], strict=True)
        result["ratio"] = round(
            statistics.median(theirs["seconds"] / ours["seconds"] for theirs, ours in pairs), 2
        )
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nvidia", type=Path, help=f"a checkout of NVIDIA/tacotron2 ({HOW_TO_GET_IT})")
    parser.add_argument("--alone", action="store_true", help="measure tacotrain only")
    parser.add_argument(
        "--steps", type=int, default=3, help="measured steps of each side, after one to warm up"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--symbols", type=int, default=100)
    parser.add_argument("--shortest", type=int, default=200, help="mel frames")
    parser.add_argument("--longest", type=int, default=400, help="mel frames")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    arguments = parser.parse_args()
    if arguments.alone:
        arguments.nvidia = None
    elif arguments.nvidia is None or not (arguments.nvidia / "model.py").is_file():
        parser.error(
            f"--nvidia needs a checkout of NVIDIA/tacotron2; get one by: {HOW_TO_GET_IT} (or measure --alone)"
        )
    result = measure(arguments)
    if arguments.json:
        print(json.dumps(result, indent=2))
        return
    print(
        f"{result['validFrames']} valid frames a step, {arguments.threads} threads, torch {result['torch']}"
    )
    for name in BUILDERS:
        if name in result:
            side = result[name]
            gigabytes = side["residentBytes"] / 1e9
            print(
                f"{name:10} {side['framesPerSecond']:7.1f} frames/s  {side['secondsPerStep']:6.2f} s/step  {gigabytes:.2f} GB"
            )
    if "ratio" in result:
        print(f"tacotrain is {result['ratio']} times as fast")


if __name__ == "__main__":
    main()
