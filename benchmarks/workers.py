"""What a second worker brings on CPUs: frames a second of one process with one thread, of two such workers, of one with two threads.

    python benchmarks/workers.py --preset small --steps 30

Each side is `tacotrain launch`, as a pod runs it, over the same random utterances of 200-400 frames; they take turns, and the median
of the rounds counts. The batch is the same, shared out, so all sides do the same work. Speed is frames over the seconds of
`result.json`: steps, waiting for each other, one small evaluation and the checkpoint at the end, but not loading torch.
On one machine this measures what the sharing costs; what it brings over several GPUs it does not. It needs two idle cores: workers
wait for the slowest at every step, so the load it prints belongs to the numbers.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from tacotrain.audio.config import AudioConfig
from tacotrain.data.writer import Utterance, write_dataset
from tacotrain.presets import PRESETS
from tacotrain.text.symbols import character_table

SIDES = {"1 worker, 1 thread": (1, 1), "2 workers, 1 thread each": (2, 1), "1 worker, 2 threads": (1, 2)}
"""Workers and threads of each."""


def make_dataset(directory: Path, utterances: int) -> None:
    """Random text and frames; what they are does not matter for the time."""
    rng = np.random.default_rng(0)
    symbols = character_table("en")
    texts = [
        "".join(rng.choice(list("abcdefgh "), size=rng.integers(40, 80))) + "." for _ in range(utterances)
    ]
    audio = AudioConfig()
    directory.mkdir()
    write_dataset(
        directory,
        utterances=[
            Utterance(name=f"u{number}", written=text, text=text, ids=tuple(symbols.encode(text)))
            for number, text in enumerate(texts)
        ],
        mels=[rng.normal(size=(rng.integers(200, 401), audio.n_mels)).astype(np.float32) for _ in texts],
        validation=range(2),
        language="en",
        phonemes=False,
        symbols=symbols,
        audio=audio,
        inputs="random",
    )


def frames_per_second(
    arguments: argparse.Namespace, data: Path, out: Path, workers: int, threads: int
) -> float:
    """Train once; how fast it was."""
    settings = {
        "batch_size": arguments.batch_size,
        "max_steps": arguments.steps,
        "epochs": 1_000_000,
        "evaluate_every_steps": 100_000_000,
        "evaluation_utterances": 1,
        "free_run_utterances": 0,
        "sample_utterances": 0,
    }
    train = ["train", "--data", str(data), "--out", str(out), "--preset", arguments.preset]
    train += ["--objective", "val_loss", "--device", "cpu", "--threads", str(threads)]
    train += [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    launch = [sys.executable, "-m", "tacotrain", "launch", "--nproc-per-node", str(workers), "--"]
    subprocess.run([*launch, *train], check=True, stdout=subprocess.DEVNULL)
    result = json.loads((out / "result.json").read_text())
    return float(result["frames"]) / float(result["seconds"])


def main() -> None:
    """Measure all sides in turns and print a table."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--preset", choices=tuple(PRESETS), default="small", help="recipe")
    parser.add_argument("--batch-size", type=int, default=16, help="utterances of all workers together")
    parser.add_argument("--steps", type=int, default=20, help="optimizer steps of a run")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each side")
    arguments = parser.parse_args()
    speeds: dict[str, list[float]] = {name: [] for name in SIDES}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "data")
        make_dataset(data, 66)
        for number in range(arguments.rounds):
            for name, (workers, threads) in SIDES.items():
                out = Path(folder, f"{number}-{workers}-{threads}")
                speeds[name].append(frames_per_second(arguments, data, out, workers, threads))
    load, cores = os.getloadavg()[2], len(os.sched_getaffinity(0))
    print(
        f"preset {arguments.preset}, batch {arguments.batch_size}, {cores} cores, load of 15 minutes {load:.1f}"
    )
    base = statistics.median(next(iter(speeds.values())))
    for name, measured in speeds.items():
        speed = statistics.median(measured)
        spread = f"{min(measured):.0f} .. {max(measured):.0f}"
        print(f"{name:26} {speed:8.0f} frames/s ({spread})   x {speed / base:.2f}")


if __name__ == "__main__":
    main()
