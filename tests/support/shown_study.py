"""A study for pages to show: trials that write to Optuna's database, and files as the trainer leaves them."""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import optuna
from optuna.storages import RDBStorage
from sqlalchemy.pool import NullPool

from tacotrain.audio.wav import write_wav
from tacotrain.loggers import TensorBoard
from tacotrain.pictures import alignment_png, mel_png

REPORTS = 8
SENTENCE = "the red cat sees a dog"


def storage_on(url: str) -> RDBStorage:
    """The database as its owner, without connections that stay."""
    return RDBStorage(url, engine_kwargs={"poolclass": NullPool})


def write_files(
    root: Path, number: int, *, step: int = 400, finished: bool = True, seconds: float = 1.0
) -> None:
    """Leave a sample, its spectrogram, its alignment and the result of a trial."""
    trial = root / "trials" / f"{number:04d}"
    sounds, alignments = trial / f"samples/step-{step:08d}", trial / f"alignments/step-{step:08d}"
    sounds.mkdir(parents=True, exist_ok=True)
    alignments.mkdir(parents=True, exist_ok=True)
    time = np.arange(int(22050 * seconds)) / 22050
    write_wav(
        sounds / "0.wav", (0.4 * np.sin(2 * np.pi * (220 + 20 * number) * time)).astype(np.float32), 22050
    )
    at, symbol = np.meshgrid(np.linspace(0, 1, 60), np.linspace(0, 1, len(SENTENCE)), indexing="ij")
    alignment = np.exp(-((at - symbol) ** 2) / 0.002)
    title = f"trial {number}, step {step}: {SENTENCE}"
    (alignments / "0.png").write_bytes(
        alignment_png(alignment, title=title, seconds_per_step=0.03, symbols=list(SENTENCE))
    )
    mel = np.sin(np.outer(np.linspace(0, 9, 80), np.linspace(1, 3, 80))) - 4
    (sounds / "0.png").write_bytes(mel_png({"spoken": mel}, title=title, seconds_per_frame=0.0116))
    if finished:
        result = {
            "state": "complete",
            "samples": [f"samples/step-{step:08d}/0.wav"],
            "alignments": [f"alignments/step-{step:08d}/0.png"],
        }
        (trial / "result.json").write_text(json.dumps(result))


def write_events(
    root: Path, number: int, scalars: Mapping[int, Mapping[str, float]], *, pictures: Sequence[int] = (400,)
) -> None:
    """Leave event files as the trainer does: numbers by step, the alignment of `write_files` at some steps, and its sample."""
    trial = root / "trials" / f"{number:04d}"
    events = TensorBoard(trial / "tensorboard", resume_step=None)
    for step, values in scalars.items():
        events.scalars(step, values)
    for step in pictures:
        events.picture(step, "alignment/0", trial / "alignments/step-00000400/0.png")
    events.sound(400, "sample/0", trial / "samples/step-00000400/0.wav")
    events.close("complete")


def run_trial(study: optuna.Study, root: Path | None, pause: threading.Event | None = None) -> int:
    """One trial from asking to telling, reporting on the way as the trainer does; its number."""
    trial = study.ask()
    rate = trial.suggest_float("learning_rate", 5e-5, 2e-3, log=True)
    dropout = trial.suggest_float("prenet_dropout", 0.0, 0.5)
    trial.suggest_categorical("attention", ["location", "dca"])
    value = 1.0
    for report in range(1, REPORTS + 1):
        value = 0.2 + abs(np.log10(rate) + 3) / 4 + dropout / 5 + 0.6 / report
        trial.report(value, 50 * report)
        study._storage.set_trial_user_attr(trial._trial_id, "tacotune:progress", {"step": 50 * report})
        if pause is not None:
            pause.wait(0.05)
    if root is not None:
        write_files(root, trial.number)
    study.tell(trial, value)
    return trial.number


@contextmanager
def writers(url: str, name: str, root: Path | None, count: int = 4) -> Iterator[list[int]]:
    """Trials one after the other in each of some threads, for the length of the block; the numbers of those that ended.

    An error of any of them is raised in the end.
    """
    stop, ended, errors = threading.Event(), [], []

    def work(seed: int) -> None:
        try:
            storage = storage_on(url)
            study = optuna.load_study(
                study_name=name, storage=storage, sampler=optuna.samplers.RandomSampler(seed=seed)
            )
            while not stop.is_set():
                ended.append(run_trial(study, root, stop))
            storage.remove_session()
        except Exception as error:  # noqa: BLE001  told by the test
            errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield ended
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not errors, errors
