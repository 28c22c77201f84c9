"""TensorBoard about one study: the real server over real event files, and over nothing at all."""

import io
import socket
from pathlib import Path

import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from support.dashboard_process import answers, dashboard
from support.eventually import eventually
from support.shown_study import write_events, write_files
from tacotrain.dashboards import tensorboard as page
from tacotrain.dashboards.options import Options
from tacotrain.errors import ConfigError

NAME = "voices.ruslan.01234567"


def write_trial(root: Path, number: int) -> None:
    """As the trainer does: numbers, an alignment, a sample."""
    write_files(root, number)
    scalars = {step: {"loss/loss": 1 / step, "evaluation/alignment": step / 500} for step in (100, 200, 400)}
    write_events(root, number, scalars)


def test_a_study_without_a_folder_is_shown_and_its_first_trial_appears(tmp_path: Path) -> None:
    root = tmp_path / "study"
    with dashboard("tensorboard", root, NAME, tmp_path / "log.txt", environment={}) as running:
        answers(running, "/")
        assert running.get("/data/runs").json() == []
        assert not root.exists(), "a page writes nothing"
        write_trial(root, 7)
        (root / "prepared").mkdir()
        eventually(lambda: running.get("/data/runs").json() == ["trial 0007"], within=60)
        points = running.get("/data/plugin/scalars/scalars?run=trial+0007&tag=evaluation%2Falignment").json()
        assert [(step, round(value, 3)) for _, step, value in points] == [(100, 0.2), (200, 0.4), (400, 0.8)]
        for kind, tag in (("images", "alignment/0"), ("audio", "sample/0")):
            assert tag in running.get(f"/data/plugin/{kind}/tags").json()["trial 0007"]
        trial = root / "trials/0007"
        (sound,) = running.get("/data/plugin/audio/audio?run=trial+0007&tag=sample%2F0&sample=0").json()
        assert running.get(f"/data/plugin/audio/individualAudio?{sound['query']}").content.startswith(b"RIFF")
        (picture,) = running.get(
            "/data/plugin/images/images?run=trial+0007&tag=alignment%2F0&sample=0"
        ).json()
        drawn = running.get(f"/data/plugin/images/individualImage?{picture['query']}").content
        with (
            Image.open(io.BytesIO(drawn)) as shown,
            Image.open(trial / "alignments/step-00000400/0.png") as left,
        ):
            assert shown.size == left.size
        assert "Traceback" not in running.said()
    assert "tensorboard answers at http://127.0.0.1:" in (tmp_path / "log.txt").read_text()


def test_runs_are_named_for_people_and_links_follow_the_folder(tmp_path: Path) -> None:
    root, links = tmp_path / "study", tmp_path / "links"
    links.mkdir()
    for folder in ("trials/0003/tensorboard", "trials/0012/checkpoints", "final/tensorboard"):
        (root / folder).mkdir(parents=True)
    page.refresh(links, page.runs(root))
    assert sorted(path.name for path in links.iterdir()) == ["final training", "trial 0003"]
    (root / "final/tensorboard").rmdir()
    page.refresh(links, page.runs(root))
    assert [path.name for path in links.iterdir()] == ["trial 0003"]


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"--port: {port} .* taken"):
            page.serve(Options("127.0.0.1", port, tmp_path, NAME))


def test_the_sound_in_the_event_file_is_the_sample(tmp_path: Path) -> None:
    write_trial(tmp_path, 1)
    events = EventAccumulator(str(tmp_path / "trials/0001/tensorboard"))
    events.Reload()
    (sound,) = events.Audio("sample/0")
    assert (sound.sample_rate, sound.length_frames) == (22050, 22050)
    assert sound.encoded_audio_string.startswith(b"RIFF")
