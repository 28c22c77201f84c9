"""Checkpoints under crashes, full disks, torn files and wrong hands."""

import hashlib
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest
import torch

from tacotrain import checkpoint_files
from tacotrain.checkpoint import Best, CheckpointStore, locate, require_same
from tacotrain.checkpoint_files import Damaged, Saved, verify
from tacotrain.errors import CannotCreate, ConfigError, DataError, InputMissing, WriteError


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    made = CheckpointStore(tmp_path / "checkpoints", keep=2)
    with made.held():
        return made


def save(store: CheckpointStore, step: int, **metadata: Any) -> Path:
    return store.save(step, {"weights.pt": {"w": torch.full((4,), float(step))}}, metadata)


def names(store: CheckpointStore) -> list[str]:
    return sorted(entry.name for entry in store.directory.iterdir())


def newest(store: CheckpointStore) -> Saved:
    saved, _ = store.newest()
    assert saved is not None
    return saved


def test_what_was_saved_is_read_back(store: CheckpointStore) -> None:
    path = save(store, 250, epoch=1.5)
    saved = newest(store)
    assert (saved.path, saved.step, saved.metadata["epoch"]) == (path, 250, 1.5)
    assert torch.equal(saved.load("weights.pt")["w"], torch.full((4,), 250.0))
    assert saved.load("average.pt") is None


def test_no_checkpoint_is_a_clean_start(store: CheckpointStore) -> None:
    assert store.newest() == (None, ())


def truncate(path: Path) -> None:
    file = path / "weights.pt"
    file.write_bytes(file.read_bytes()[:100])


def flip_a_bit(path: Path) -> None:
    content = bytearray((path / "weights.pt").read_bytes())
    content[len(content) // 2] ^= 1
    (path / "weights.pt").write_bytes(content)


def lose_a_file(path: Path) -> None:
    (path / "weights.pt").unlink()


def lose_the_metadata(path: Path) -> None:
    (path / "metadata.json").unlink()


def tear_the_metadata(path: Path) -> None:
    file = path / "metadata.json"
    file.write_text(file.read_text()[:20])


def empty_the_metadata(path: Path) -> None:
    (path / "metadata.json").write_text("{}")


def list_in_the_metadata(path: Path) -> None:
    (path / "metadata.json").write_text("[]")


@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        flip_a_bit,
        lose_a_file,
        lose_the_metadata,
        tear_the_metadata,
        empty_the_metadata,
        list_in_the_metadata,
    ],
)
def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(
    store: CheckpointStore, damage: Callable[[Path], None]
) -> None:
    save(store, 5)
    damage(save(store, 10))
    saved, damaged = store.newest()
    assert saved is not None
    assert saved.step == 5
    assert [broken.path.name for broken in damaged] == ["step-00000010"]


def test_when_all_are_damaged_training_starts_clean(store: CheckpointStore) -> None:
    for step in (5, 10):
        truncate(save(store, step))
    saved, damaged = store.newest()
    assert saved is None
    assert len(damaged) == 2


def test_another_format_is_not_read(store: CheckpointStore) -> None:
    path = save(store, 5)
    document = json.loads((path / "metadata.json").read_text())
    (path / "metadata.json").write_text(json.dumps(document | {"format": 99}))
    assert verify(path) == Damaged(path, "format 99 instead of 1")


def test_a_file_that_would_run_code_is_refused_even_with_the_right_hash(
    store: CheckpointStore, tmp_path: Path
) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "exploded"),)

    path = save(store, 5)
    torch.save(Bomb(), path / "weights.pt", pickle_module=pickle)
    document = json.loads((path / "metadata.json").read_text())
    document["files"]["weights.pt"]["sha256"] = hashlib.sha256((path / "weights.pt").read_bytes()).hexdigest()
    (path / "metadata.json").write_text(json.dumps(document))
    with pytest.raises(DataError, match="holds more than tensors"):
        newest(store).load("weights.pt")
    assert not (tmp_path / "exploded").exists()


def test_the_newest_stay_and_the_best_besides(store: CheckpointStore) -> None:
    save(store, 5)
    store.write_best(Best(step=5, value=0.3, metrics={}))
    for step in (10, 15, 20):
        save(store, step)
    assert [path.name for path in store.paths()] == ["step-00000005", "step-00000015", "step-00000020"]
    store.write_best(Best(step=20, value=0.2, metrics={}))
    save(store, 25)
    assert names(store) == ["best.json", "step-00000020", "step-00000025"]


def test_saving_a_step_again_replaces_its_checkpoint(store: CheckpointStore) -> None:
    truncate(save(store, 5))
    save(store, 5)
    assert newest(store).step == 5
    assert names(store) == ["step-00000005"]


def full_disk_after(files: int) -> Callable[[Path], IO[bytes]]:
    """Opens so many files, then only the kernel's full device."""
    opened = []

    def open_new(path: Path) -> IO[bytes]:
        opened.append(path)
        return path.open("wb") if len(opened) <= files else Path("/dev/full").open("wb")

    return open_new


@pytest.mark.parametrize("files", [0, 1])
def test_a_full_disk_leaves_nothing_half_written_and_says_how_much_is_needed(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch, files: int
) -> None:
    save(store, 5)
    monkeypatch.setattr(checkpoint_files, "open_new", full_disk_after(files))
    with pytest.raises(WriteError, match=r"the disk is full; 4.0 MB are needed") as caught:
        store.save(10, {"weights.pt": {"w": torch.zeros(10**6)}}, {})
    assert caught.value.exit_code == 74
    assert names(store) == ["step-00000005"]
    assert newest(store).step == 5


def test_what_a_kill_left_half_written_is_cleared_away(store: CheckpointStore) -> None:
    save(store, 5)
    for debris in (".new-step-00000010", ".trash-step-00000001"):
        (store.directory / debris).mkdir()
    with store.held():
        pass
    assert names(store) == ["step-00000005"]


def test_a_kill_between_the_two_renames_of_a_replacement_loses_nothing(store: CheckpointStore) -> None:
    path = save(store, 5)
    path.rename(store.directory / ".old-step-00000005")
    with store.held():
        pass
    assert newest(store).step == 5


def test_two_processes_never_train_in_one_directory(store: CheckpointStore) -> None:
    other = CheckpointStore(store.directory, keep=1)
    with store.held(), pytest.raises(CannotCreate, match="another process trains here"):
        other.held().__enter__()
    with other.held():
        pass


def test_a_file_in_the_place_of_the_directory_is_told(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").write_text("")
    with pytest.raises(CannotCreate, match="cannot make this directory"):
        CheckpointStore(tmp_path / "checkpoints", keep=1).held().__enter__()


def test_going_back_ignores_checkpoints_taken_among_bad_steps(store: CheckpointStore) -> None:
    save(store, 5, good=True)
    save(store, 10, good=False)
    good = store.newest_good()
    assert good is not None
    assert good.step == 5
    store.discard_after(5)
    assert names(store) == ["step-00000005"]


IDENTITY = {"parameters": {"learning_rate": 0.01, "batch_size": 16}, "dataset": "abc", "seed": 1}


def test_a_checkpoint_of_the_same_training_is_accepted(store: CheckpointStore) -> None:
    save(store, 5, identity=IDENTITY)
    require_same(newest(store), IDENTITY)


def test_a_checkpoint_of_another_training_is_refused_with_every_difference(store: CheckpointStore) -> None:
    save(store, 5, identity=IDENTITY)
    other = {"parameters": {"learning_rate": 0.02, "batch_size": 8}, "dataset": "xyz", "seed": 1}
    with pytest.raises(ConfigError) as caught:
        require_same(newest(store), other, ignore=frozenset({"parameters.batch_size"}))
    assert "parameters.learning_rate: 0.01 there, 0.02 here; dataset: abc there, xyz here" in str(
        caught.value
    )
    assert "batch_size" not in str(caught.value)
    assert names(store) == ["step-00000005"]


def test_a_parameter_that_one_side_does_not_know_is_a_difference(store: CheckpointStore) -> None:
    save(store, 5, identity={"parameters": {}})
    with pytest.raises(ConfigError, match=r"parameters\.ema_decay: nothing there, 0\.9 here"):
        require_same(newest(store), {"parameters": {"ema_decay": 0.9}})


def test_a_user_may_name_a_checkpoint_or_a_trial_directory(store: CheckpointStore) -> None:
    first, second = save(store, 5), save(store, 10)
    trial = store.directory.parent
    assert locate(first) == first
    assert locate(trial) == locate(store.directory) == second
    store.write_best(Best(step=5, value=0.3, metrics={}))
    assert locate(trial) == first


def test_a_directory_without_checkpoints_is_missing_input(tmp_path: Path) -> None:
    with pytest.raises(InputMissing, match="no checkpoint here"):
        locate(tmp_path)
    with pytest.raises(InputMissing, match="no checkpoint here"):
        locate(tmp_path / "gone")
