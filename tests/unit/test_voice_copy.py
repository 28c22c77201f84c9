"""Copying the best voice and forwarding a port, with a `kubectl` that works on this machine instead of in a pod."""

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.manifests import manifest
from tacotune.adapters import kubectl as kubectl_module
from tacotune.adapters.kube_api import Forbidden
from tacotune.adapters.kube_user import User
from tacotune.adapters.kubectl import KubeFlags, kubectl, port_forward, study_names
from tacotune.adapters.page_copy import copy_page
from tacotune.adapters.voice_copy import copy_voice
from tacotune.api.manifest import read_manifest
from tacotune.manifests.common import Platform
from tacotune.ports import ClusterUnavailable, Missing, PermanentError

FLAGS = KubeFlags(context="lab", namespace="voices")


class Pods:
    """An API server that has one pod, which runs at once."""

    def __init__(self, phase: str = "Running", *, refused: bool = False) -> None:
        self.phase = phase
        self.refused = refused
        self.made: list[str] = []
        self.deleted: list[str] = []

    def create(self, path: str, body: dict[str, Any]) -> None:
        if self.refused:
            raise Forbidden("pods is forbidden")
        self.made.append(f"{path}/{body['metadata']['name']}")

    def get(self, path: str) -> dict[str, Any]:
        return {"status": {"phase": self.phase}}

    def delete(self, path: str) -> None:
        self.deleted.append(path)


@pytest.fixture
def kubectl_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make `kubectl` a program of these lines of Python."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def write(lines: str) -> None:
        program = folder / "kubectl"
        program.write_text(f"#!{sys.executable}\nimport os, subprocess, sys, time\n{lines}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(folder), prepend=":")

    return write


def exec_here(volume: Path, before: str = "") -> str:
    """`kubectl exec … -- python3 -c CODE /study/…` as it would be with the volume mounted."""
    return (
        f"words = sys.argv[sys.argv.index('--') + 1:]\n"
        f"words = [{sys.executable!r}, *words[1:-1], words[-1].replace('/study', {str(volume)!r})]\n"
        f"{before}\n"
        "sys.exit(subprocess.run(words).returncode)"
    )


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """A volume with a published voice."""
    best = tmp_path / "volume" / "3f2b8a1e" / "best"
    files = {"checkpoint/weights.pt": bytes(3 << 20), "samples/0.wav": b"RIFF"}
    for path, content in files.items():
        (best / path).parent.mkdir(parents=True, exist_ok=True)
        (best / path).write_bytes(content)
    digests = {path: {"sha256": hashlib.sha256(content).hexdigest()} for path, content in files.items()}
    (best / "best.json").write_text(json.dumps({"files": digests}))
    return tmp_path / "volume"


def copy(pods: Pods, target: Path) -> list[str]:
    found = read_manifest(manifest())
    metadata = found.metadata.model_copy(update={"namespace": "voices", "uid": "3f2b8a1e-0"})
    told: list[str] = []
    copy_voice(
        User(pods, "voices", FLAGS),  # type: ignore[arg-type]
        found.model_copy(update={"metadata": metadata}),
        Platform("trainer:1"),
        "3f2b8a1e/best",
        target,
        token="abc",
        seconds=1,
        tell=told.append,
    )
    return told


POD = "/api/v1/namespaces/voices/pods/demo-export-abc"


def test_a_voice_comes_whole_and_its_pod_goes(
    kubectl_is: Callable[[str], None], volume: Path, tmp_path: Path
) -> None:
    kubectl_is(exec_here(volume))
    pods = Pods()
    told = copy(pods, tmp_path / "here" / "voice")
    found = {
        str(path.relative_to(tmp_path / "here")) for path in (tmp_path / "here").rglob("*") if path.is_file()
    }
    assert found == {"voice/best.json", "voice/checkpoint/weights.pt", "voice/samples/0.wav"}
    assert (pods.made, pods.deleted) == ([POD], [POD])
    assert "checkpoint/weights.pt, 3.0 MiB" in told


@pytest.mark.parametrize(
    ("program", "error", "words"),
    [
        (
            "sys.exit('error: pods \"demo-export-abc\" is forbidden')",
            ClusterUnavailable,
            "is forbidden; run it again",
        ),
        ("sys.stdout.buffer.write(b'x' * 700)", ClusterUnavailable, "broke off"),
        ("", ClusterUnavailable, "broke off"),
    ],
)
def test_a_copy_that_breaks_off_keeps_nothing_and_its_pod_goes(
    kubectl_is: Callable[[str], None], tmp_path: Path, program: str, error: type[Exception], words: str
) -> None:
    kubectl_is(program)
    pods = Pods()
    with pytest.raises(error, match=words):
        copy(pods, tmp_path / "here" / "voice")
    assert list((tmp_path / "here").iterdir()) == []
    assert pods.deleted == [POD]


def test_a_copy_that_is_cut_in_the_middle_keeps_nothing(
    kubectl_is: Callable[[str], None], volume: Path, tmp_path: Path
) -> None:
    cut = "done = subprocess.run(words, capture_output=True)\nsys.stdout.buffer.write(done.stdout[: 1 << 20])\nsys.exit(137)"
    kubectl_is(exec_here(volume, before=cut))
    with pytest.raises(ClusterUnavailable, match="broke off"):
        copy(Pods(), tmp_path / "here" / "voice")
    assert list((tmp_path / "here").iterdir()) == []


def test_a_damaged_voice_does_not_replace_a_good_one(
    kubectl_is: Callable[[str], None], volume: Path, tmp_path: Path
) -> None:
    kubectl_is(exec_here(volume))
    target = tmp_path / "here" / "voice"
    copy(Pods(), target)
    (volume / "3f2b8a1e/best/checkpoint/weights.pt").write_bytes(b"damaged")
    pods = Pods()
    with pytest.raises(PermanentError, match=r"checkpoint/weights\.pt does not match its sha256"):
        copy(pods, target)
    assert (target / "checkpoint/weights.pt").stat().st_size == 3 << 20
    assert pods.deleted == [POD]
    assert [path.name for path in target.parent.iterdir()] == ["voice"]


def test_nothing_leads_out_of_the_folder(kubectl_is: Callable[[str], None], tmp_path: Path) -> None:
    kubectl_is(
        "import io, tarfile\n"
        "with tarfile.open(fileobj=sys.stdout.buffer, mode='w|') as tar:\n"
        "    entry = tarfile.TarInfo('../evil'); entry.size = 1\n"
        "    tar.addfile(entry, io.BytesIO(b'x'))"
    )
    with pytest.raises(ClusterUnavailable, match="broke off"):
        copy(Pods(), tmp_path / "here" / "voice")
    assert list((tmp_path / "here").iterdir()) == []


def test_a_pod_that_ends_or_cannot_be_made_is_an_error(
    kubectl_is: Callable[[str], None], tmp_path: Path
) -> None:
    kubectl_is("sys.exit('never called')")
    pods = Pods("Failed")
    with pytest.raises(ClusterUnavailable, match="ended before anything was read"):
        copy(pods, tmp_path / "voice")
    assert pods.deleted == [POD]
    pods = Pods(refused=True)
    with pytest.raises(Forbidden, match="cannot be made in namespace voices: pods is forbidden"):
        copy(pods, tmp_path / "voice")
    assert pods.deleted == []


# Forwarding a port, and lists for the shell.


def test_a_forwarded_port_is_the_one_that_kubectl_names(
    kubectl_is: Callable[[str], None], tmp_path: Path
) -> None:
    kubectl_is(
        f"open({str(tmp_path / 'words')!r}, 'w').write(' '.join(sys.argv[1:]))\n"
        "print('Forwarding from 127.0.0.1:40001 -> 5432', flush=True)\ntime.sleep(60)"
    )
    with port_forward(FLAGS, "pg", 5432) as port:
        assert port == 40001
    words = (tmp_path / "words").read_text()
    assert words.startswith("--context=lab --namespace=voices port-forward service/pg :5432")


def test_a_forward_that_fails_or_hangs_says_why(
    kubectl_is: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    kubectl_is("sys.exit('Error from server (NotFound): services \"pg\" not found')")
    with (
        pytest.raises(ClusterUnavailable, match=r'service pg in namespace voices: .*services "pg" not found'),
        port_forward(FLAGS, "pg", 5432),
    ):
        pass
    monkeypatch.setattr(kubectl_module, "FORWARD_SECONDS", 5.5)
    kubectl_is("time.sleep(60)")
    with pytest.raises(ClusterUnavailable, match="nothing heard of it"), port_forward(FLAGS, "pg", 5432):
        pass


def test_names_are_none_where_kubectl_fails_and_it_is_missed_where_it_is_needed(
    kubectl_is: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kubectl_is("print('ttsstudy.tacotune.dev/demo\\nttsstudy.tacotune.dev/ruslan')")
    assert study_names(FLAGS) == ["demo", "ruslan"]
    kubectl_is("sys.exit(1)")
    assert study_names(FLAGS) == []
    monkeypatch.setenv("PATH", str(tmp_path))
    assert study_names(FLAGS) == []
    with pytest.raises(PermanentError, match="kubectl is not on PATH"):
        kubectl(FLAGS, "get")


def copied_page(pods: Pods, target: Path) -> None:
    found = read_manifest(manifest())
    metadata = found.metadata.model_copy(update={"namespace": "voices", "uid": "3f2b8a1e-0"})
    copy_page(
        User(pods, "voices", FLAGS),  # type: ignore[arg-type]
        found.model_copy(update={"metadata": metadata}),
        Platform("trainer:1"),
        "3f2b8a1e/best",
        target,
        token="abc",
        seconds=1,
        tell=lambda _: None,
    )


def test_the_page_comes_alone_and_replaces_an_earlier_one(
    kubectl_is: Callable[[str], None], volume: Path, tmp_path: Path
) -> None:
    kubectl_is(exec_here(volume))
    (volume / "3f2b8a1e/best/report.html").write_text("<title>new</title>")
    target = tmp_path / "pages" / "ruslan.html"
    target.parent.mkdir()
    target.write_text("<title>old</title>")
    pods = Pods()
    copied_page(pods, target)
    assert target.read_text() == "<title>new</title>"
    assert list(target.parent.iterdir()) == [target]
    assert pods.deleted == [POD]


def test_a_page_that_was_not_made_says_where_the_reason_stands(
    kubectl_is: Callable[[str], None], volume: Path, tmp_path: Path
) -> None:
    kubectl_is(exec_here(volume))
    pods = Pods()
    with pytest.raises(Missing, match=r"study demo has no page .* kubectl logs -n voices -l .*study=demo"):
        copied_page(pods, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()
    assert pods.deleted == [POD]


def test_a_voice_brings_its_page(kubectl_is: Callable[[str], None], volume: Path, tmp_path: Path) -> None:
    kubectl_is(exec_here(volume))
    (volume / "3f2b8a1e/best/report.html").write_text("<title>new</title>")
    copy(Pods(), tmp_path / "voice")
    assert (tmp_path / "voice/report.html").read_text() == "<title>new</title>"
