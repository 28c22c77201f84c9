"""A study's folder with voices that were really trained, if only for some steps: seconds on one core."""

import json
import shutil
from pathlib import Path

from support.prepared import make_dataset, trial_document
from tacotrain.cli import main


def train(root: Path, data: Path, number: int, *, learning_rate: float) -> None:
    """Run a trial in its folder."""
    parameters = {"learning_rate": learning_rate, "sample_utterances": 1}
    document = trial_document(root / f"trials/{number:04d}", data, trial=number, parameters=parameters)
    path = root.parent / f"trial-{number}.json"
    path.write_text(json.dumps(document))
    assert main(["train", "--trial", str(path)]) == 0


def publish(root: Path, number: int) -> None:
    """Make a trial's voice the best one."""
    checkpoint = json.loads((root / f"trials/{number:04d}/result.json").read_text())["checkpoint"]
    document = {
        "source": f"trial/{number}/{checkpoint}",
        "purpose": "trial",
        "trial": number,
        "checkpoint": checkpoint,
        "parameters": {"learning_rate": 0.01 * (number + 1)},
        "preset": "tiny",
    }
    assert main(["publish", "--root", str(root), "--document", json.dumps(document)]) == 0


def make_study(folder: Path) -> Path:
    """A study of two trials, none of them published yet."""
    data, root = make_dataset(folder / "prepared"), folder / "study"  # The former makes the folder.
    for number in (0, 1):
        train(root, data, number, learning_rate=0.01 * (number + 1))
    return root


def copy(root: Path, to: Path) -> Path:
    """The same study elsewhere, for a test that changes it."""
    return Path(shutil.copytree(root, to))


def tree(root: Path) -> dict[str, tuple[int, int]]:
    """Size and time of everything below a folder: what changes when somebody writes there."""
    found = {}
    for path in [root, *root.rglob("*")]:
        state = path.stat()
        found[path.relative_to(root).as_posix()] = (state.st_size, state.st_mtime_ns)
    return found
