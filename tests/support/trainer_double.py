"""A trainer that obeys the trial contract and trains nothing: what it does is written in the trial's parameters.

Run as a program by ProcessCluster tests: `trainer_double.py train --trial trial.json`. `behavior` is one of complete, nan,
crash, usage, wait (until SIGTERM, then exit 75), stubborn (ignores SIGTERM), oom. Publishing is the real
trainer's.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path


def main() -> int:
    arguments = sys.argv[1:]
    if arguments[0] == "prepare":
        out = Path(arguments[arguments.index("--out") + 1])
        out.mkdir(parents=True, exist_ok=True)
        (out / "dataset.json").write_text("{}")
        return 0
    if arguments[0] == "publish":
        from tacotrain.cli import main as tacotrain  # noqa: PLC0415  the only part that is not a double's business

        return tacotrain(arguments)
    document = json.loads(Path(arguments[2]).read_text())
    directory = Path(document["directory"])
    behavior = document["parameters"].get("behavior", "complete")
    progress = {
        "step": 1,
        "totalSteps": 2,
        "attempt": document["attempt"],
        "state": "training",
        "updatedAt": time.time(),
    }
    (directory / "progress.json").write_text(json.dumps(progress))
    print("training", behavior, flush=True)
    if behavior == "crash":
        print("boom: the reason of the crash", file=sys.stderr)
        return 1
    if behavior == "usage":
        Path(os.environ["TACOTUNE_TERMINATION_LOG"]).write_text(
            json.dumps({"state": "failed", "exitCode": 64, "message": "unknown parameter learning_rat"})
        )
        return 64
    if behavior == "oom":
        os.kill(os.getpid(), signal.SIGKILL)
    if behavior in {"wait", "stubborn"}:
        stopped: list[int] = []
        signal.signal(
            signal.SIGTERM, lambda number, _: stopped.append(number) if behavior == "wait" else None
        )
        (directory / "ready").touch()
        while not stopped:
            signal.pause()
        return 75
    value = float("nan") if behavior == "nan" else 0.25
    checkpoint = directory / "checkpoints" / "step-00000002"
    checkpoint.mkdir(parents=True, exist_ok=True)
    (checkpoint / "metadata.json").write_text("{}")
    (directory / "samples" / "s").mkdir(parents=True, exist_ok=True)
    (directory / "samples" / "s" / "0.wav").write_bytes(b"RIFF")
    result = {
        "contract": "tacotune.dev/result/v1",
        "study": document["study"]["name"],
        "trial": document["trial"],
        "attempt": document["attempt"],
        "state": "complete",
        "specHash": document["specHash"],
        "message": "trained",
        "values": [value],
        "metrics": {"tts_score": value},
        "bestStep": 2,
        "steps": 2,
        "epochs": 1.0,
        "seconds": 1.0,
        "frames": 2,
        "peakMemoryBytes": 0,
        "checkpoint": "checkpoints/step-00000002",
        "samples": ["samples/s/0.wav"],
    }
    (directory / "result.json").write_text(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
