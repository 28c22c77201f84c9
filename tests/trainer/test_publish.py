"""`tacotrain publish`: the best voice is complete in itself, whole or not there, and every byte is accounted for."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.bot_api import TOKEN, Answer, bot_api
from tacotrain import staging
from tacotrain.cli import main
from tacotune.api.trial_contract import Published

CHECKPOINT = "checkpoints/step-00000250"


@pytest.fixture(autouse=True)
def termination_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "termination-log"
    monkeypatch.setenv("TACOTUNE_TERMINATION_LOG", str(path))
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make_trial(tmp_path / "study/trials/0007")
    return tmp_path / "study"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def make_trial(directory: Path, weights: bytes = b"weights", **result: Any) -> None:
    checkpoint = directory / CHECKPOINT
    checkpoint.mkdir(parents=True)
    (checkpoint / "model.pt").write_bytes(weights)
    metadata = {
        "format": 1,
        "step": 250,
        "files": {"model.pt": {"sha256": sha256(weights), "bytes": len(weights)}},
    }
    (checkpoint / "metadata.json").write_text(json.dumps(metadata))
    for path in ("samples/s/0.wav", "samples/s/1.wav", "alignments/s/0.png"):
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(path.encode())
    document = {
        "contract": "tacotune.dev/result/v1",
        "study": "voice",
        "trial": 7,
        "attempt": 1,
        "specHash": "sha256:1",
        "state": "complete",
        "message": "trained",
        "values": [0.25, None],
        "metrics": {"tts_score": 0.25},
        "bestStep": 250,
        "steps": 250,
        "epochs": 1.0,
        "seconds": 1.0,
        "frames": 1,
        "checkpoint": CHECKPOINT,
        "samples": ["samples/s/0.wav", "samples/s/1.wav"],
        "alignments": ["alignments/s/0.png"],
        "gateThreshold": 0.5,
        "peakMemoryBytes": 0,
    }
    (directory / "result.json").write_text(json.dumps(document | result))


def document(**fields: Any) -> dict[str, Any]:
    return {
        "source": f"trial/7/{CHECKPOINT}",
        "purpose": "trial",
        "trial": 7,
        "checkpoint": CHECKPOINT,
        "parameters": {"learning_rate": 0.001},
        "preset": "base",
        **fields,
    }


def publish(root: Path, **fields: Any) -> int:
    return main(["publish", "--root", str(root), "--document", json.dumps(document(**fields))])


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_a_published_voice_is_complete_in_itself(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert publish(root) == 0
    assert capsys.readouterr().out == f"trial/7/{CHECKPOINT} published in {root}/best\n"
    found = tree(root / "best")
    assert json.loads(found.pop("best.json")) == {
        "source": f"trial/7/{CHECKPOINT}",
        "purpose": "trial",
        "trial": 7,
        "value": 0.25,
        "parameters": {"learning_rate": 0.001},
        "preset": "base",
        "metrics": {"tts_score": 0.25},
        "gateThreshold": 0.5,
        "checkpoint": "checkpoint",
        "samples": ["samples/0.wav", "samples/1.wav"],
        "alignments": ["alignments/0.png"],
        "files": {path: {"sha256": sha256(content)} for path, content in found.items()},
    }
    assert sorted(found) == [
        "alignments/0.png",
        "checkpoint/metadata.json",
        "checkpoint/model.pt",
        "samples/0.wav",
        "samples/1.wav",
    ]


def test_publishing_again_changes_nothing(root: Path) -> None:
    assert publish(root) == 0
    before = tree(root)
    assert publish(root) == 0
    assert tree(root) == before


def test_another_voice_takes_the_place_as_a_whole(root: Path) -> None:
    make_trial(root / "final", weights=b"better", samples=["samples/s/1.wav"], alignments=[])
    assert publish(root) == 0
    assert publish(root, purpose="final", source="final/7/x") == 0
    assert sorted(tree(root / "best")) == [
        "best.json",
        "checkpoint/metadata.json",
        "checkpoint/model.pt",
        "samples/1.wav",
    ]
    assert (root / "best/checkpoint/model.pt").read_bytes() == b"better"
    assert sorted(path.name for path in root.iterdir()) == ["best", "final", "trials"]


def test_what_a_killed_publication_left_is_cleared_away(root: Path) -> None:
    for folder in (".best.partial", ".best.old"):
        (root / folder / "checkpoint").mkdir(parents=True)
    assert publish(root) == 0
    assert sorted(path.name for path in root.iterdir()) == ["best", "trials"]


def test_until_the_new_voice_is_whole_the_old_one_stays(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert publish(root) == 0
    before = tree(root / "best")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(staging, "_replace", fail)
    assert publish(root, preset="tiny") == 74
    assert tree(root / "best") == before


def test_a_trial_that_was_to_leave_no_samples_is_published_without(root: Path) -> None:
    make_trial(root / "final", samples=[])
    assert publish(root, purpose="final", parameters={"sample_utterances": 0}) == 0
    assert json.loads((root / "best/best.json").read_text())["samples"] == []


def test_without_parameters_those_are_shown_that_the_checkpoint_was_trained_with(root: Path) -> None:
    path = root / "trials/0007" / CHECKPOINT / "metadata.json"
    trained = {"preset": "tiny", "identity": {"parameters": {"learning_rate": 0.02}}}
    path.write_text(json.dumps(json.loads(path.read_text()) | trained))
    given = {key: value for key, value in document().items() if key not in {"parameters", "preset"}}
    assert main(["publish", "--root", str(root), "--document", json.dumps(given)]) == 0
    shown = json.loads((root / "best/best.json").read_text())
    assert (shown["preset"], shown["parameters"]) == ("tiny", {"learning_rate": 0.02})


def damage(root: Path) -> None:
    (root / "trials/0007" / CHECKPOINT / "model.pt").write_bytes(b"wrights")


def lose_weights(root: Path) -> None:
    (root / "trials/0007" / CHECKPOINT / "model.pt").unlink()


def lose_sample(root: Path) -> None:
    (root / "trials/0007/samples/s/1.wav").unlink()


def lose_result(root: Path) -> None:
    (root / "trials/0007/result.json").unlink()


def silence(root: Path) -> None:
    path = root / "trials/0007/result.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"samples": []}))


def lead_out(root: Path) -> None:
    path = root / "trials/0007/result.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"samples": ["../../../etc/passwd"]}))


@pytest.mark.parametrize(
    ("harm", "fields", "code", "message"),
    [
        (damage, {}, 65, "model.pt: does not match its sha256"),
        (silence, {}, 65, "names no sample"),
        (lead_out, {}, 65, "leads out of"),
        (lose_weights, {}, 66, "model.pt: no such file"),
        (lose_sample, {}, 66, "1.wav: no such file"),
        (lose_result, {}, 66, "result.json: no such file"),
        (None, {"trial": 8}, 66, "0008/result.json: no such file"),
        (None, {"checkpoint": "checkpoints/step-1"}, 66, "no checkpoint there"),
        (None, {"checkpoint": "../0007/checkpoints"}, 66, "no checkpoint there"),
        (None, {"checkpoint": "../../x"}, 65, "leads out of"),
        (None, {"purpose": "prepare"}, 64, "--document: purpose: "),
        (None, {"presett": "base"}, 64, "--document: presett: unknown field"),
    ],
)
def test_what_cannot_be_published_leaves_no_voice_and_says_why(
    root: Path, termination_log: Path, harm: Any, fields: dict[str, Any], code: int, message: str
) -> None:
    if harm is not None:
        harm(root)
    assert publish(root, **fields) == code
    last = json.loads(termination_log.read_text())
    assert last["exitCode"] == code
    assert message in last["message"]
    assert [path.name for path in root.iterdir()] == ["trials"]


def test_a_document_that_is_no_json_is_a_wrong_argument(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["publish", "--root", str(root), "--document", "{"]) == 64
    assert "--document: not JSON" in capsys.readouterr().err


def test_a_chat_that_is_not_reached_is_the_last_word_and_no_failure(
    root: Path, termination_log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bot_api() as api:
        monkeypatch.setenv("TACOTUNE_ANNOUNCE", json.dumps({"title": "t", "chatId": "42", "url": api.url}))
        monkeypatch.setenv("TACOTUNE_TELEGRAM_TOKEN", TOKEN)
        assert publish(root) == 0
        assert not termination_log.exists()
        assert [sent.method for sent in api.delivered] == ["sendPhoto", "sendDocument"]
        api.always = Answer(403, "Forbidden: bot was blocked by the user")
        assert publish(root) == 0
    said = Published.model_validate_json(termination_log.read_text())
    assert said.unannounced == "sendPhoto: 403 Forbidden: bot was blocked by the user"


def test_publishing_does_not_load_torch() -> None:
    code = "import sys, tacotrain.cli_publish; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_page_that_cannot_be_made_is_a_line_and_the_voice_is_published(
    root: Path, termination_log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TACOTUNE_PAGE_OF", "voices.voice.01234567")
    monkeypatch.delenv("TACOTUNE_READER_STORAGE_URL", raising=False)
    assert publish(root) == 0
    published, page = capsys.readouterr().out.splitlines()
    assert published.endswith(f"published in {root / 'best'}")
    assert page.startswith("no study page: TACOTUNE_READER_STORAGE_URL: not set")
    assert not (root / "best/report.html").exists()
    assert not termination_log.exists()
    monkeypatch.setattr("tacotrain.cli_publish.PAGE_SECONDS", 0.01)
    assert publish(root) == 0
    assert "timed out after" in capsys.readouterr().out
