"""What `kubectl tacotune` decides by itself: whose namespace, which pod, which way to the database, what is a whole voice."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url
from typer.testing import CliRunner

from support.manifests import manifest
from tacotune.adapters.database_route import Service, service_of, through
from tacotune.adapters.kube_user import User, namespace_of
from tacotune.adapters.kubectl import KubeFlags
from tacotune.adapters.stored_study import StoredStudy
from tacotune.adapters.study_pods import StudyPod, Wanted, await_start, choose, read_log
from tacotune.adapters.voice_copy import platform_of, published_folder, put_in_place, verify
from tacotune.api import names
from tacotune.api.manifest import read_manifest
from tacotune.api.status import BestTrial
from tacotune.api.study import TTSStudy
from tacotune.api.study_key import StudyKey
from tacotune.api.trial_contract import TrialResult
from tacotune.cli.kubectl.app import app
from tacotune.cli.kubectl.best import voice
from tacotune.cli.kubectl.candidates import directive
from tacotune.engine.observed import ObservedTrial, Purpose, TrialState
from tacotune.manifests.common import Platform
from tacotune.manifests.reader_pod import reader_pod
from tacotune.ports import ClusterUnavailable, InvalidStudy, Missing, PermanentError, StudyRecord

COMMANDS = ("trials", "best", "logs", "plan", "suspend", "resume", "export", "report", "completion")
UID = "3f2b8a1e-0000-4000-8000-000000000001"


def study(*lines: str, annotations: dict[str, str] | None = None) -> TTSStudy:
    found = read_manifest(manifest(*lines))
    metadata = found.metadata.model_copy(
        update={"namespace": "voices", "uid": UID, "annotations": annotations or {}}
    )
    return found.model_copy(update={"metadata": metadata})


# The program as a whole.


def call(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments), prog_name="kubectl tacotune")


def test_help_says_kubectl_tacotune_and_names_every_command() -> None:
    said = call("--help").stdout
    assert said.startswith("Usage: kubectl tacotune ")
    assert [name for name in COMMANDS if f"  {name} " not in said] == []
    assert "Exit codes:" in said


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(command: str) -> None:
    said = call(command, "--help").stdout
    assert "Examples:\n" in said
    assert f"kubectl tacotune {command}" in said


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, tacotune.cli.kubectl.app;"
        "print(*sorted({'pydantic', 'optuna', 'sqlalchemy', 'kubernetes', 'kopf', 'ruamel'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_call_the_program_back(shell: str) -> None:
    said = call("completion", shell)
    assert said.exit_code == 0
    assert f"_KUBECTL_TACOTUNE_COMPLETE=complete_{shell}" in said.stdout
    assert "kubectl-tacotune" in said.stdout


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["trials", ""], 4),
        (["trials", "x", "-o", ""], 4),
        (["export", "x", "-o", ""], 0),
        (["export", "x", "--output", "vo"], 0),
        (["best", "--kubeconfig", ""], 0),
        ([""], 4),
    ],
)
def test_files_are_completed_only_where_one_is_meant(words: list[str], answer: int) -> None:
    assert directive(words) == answer


# Whose namespace.

CONTEXTS = [
    {"name": "home", "context": {"cluster": "a", "namespace": "voices"}},
    {"name": "away", "context": {"cluster": "b"}},
    {"name": "lab", "context": {"cluster": "b", "namespace": "lab"}},
]


@pytest.mark.parametrize(
    ("flags", "namespace"),
    [
        (KubeFlags(), "voices"),
        (KubeFlags(namespace="other"), "other"),
        (KubeFlags(context="lab"), "lab"),
        (KubeFlags(context="away"), "default"),
        (KubeFlags(context="lab", namespace="other"), "other"),
    ],
)
def test_the_namespace_is_kubectls(flags: KubeFlags, namespace: str) -> None:
    assert namespace_of(flags, CONTEXTS, CONTEXTS[0]) == namespace


def test_a_kubeconfig_without_a_context_means_default() -> None:
    assert namespace_of(KubeFlags(), [], None) == "default"


# The way to the database.


@pytest.mark.parametrize(
    ("host", "service"),
    [
        ("tacotune-postgresql.tacotune.svc", Service("tacotune", "tacotune-postgresql", 5432)),
        ("pg-rw.data.svc.cluster.local", Service("data", "pg-rw", 5432)),
        ("pg", Service("voices", "pg", 5432)),
        ("pg.example.com", None),
        ("10.0.0.7", None),
        ("localhost", None),
        ("[::1]", None),
    ],
)
def test_services_are_told_from_hosts(host: str, service: Service | None) -> None:
    assert service_of(f"postgresql://reader:x@{host}:5432/optuna", "voices") == service


def test_the_port_is_the_urls_or_postgres_own() -> None:
    found = service_of("postgresql://reader:x@pg.data.svc/optuna", "voices")
    assert found == Service("data", "pg", 5432)
    found = service_of("postgresql://reader:x@pg.data.svc:6432/optuna", "voices")
    assert found == Service("data", "pg", 6432)


def test_through_a_forwarded_port_the_hosts_name_stays_for_its_certificate() -> None:
    url = make_url(through("postgresql://reader:p%40ss@pg.data.svc:5432/optuna?sslmode=verify-full", 40001))
    assert (url.host, url.port, url.password) == ("pg.data.svc", 40001, "p@ss")
    assert dict(url.query) == {"sslmode": "verify-full", "hostaddr": "127.0.0.1"}


# Which pod.


def pod(purpose: str, trial: int, attempt: int, phase: str = "Running", **more: Any) -> StudyPod:
    fields: dict[str, Any] = {"worker": 0, "created": f"2026-01-01T00:00:{attempt:02d}Z"} | more
    name = f"{purpose}-{trial}-{attempt}-{fields['worker']}"
    return StudyPod(name, Purpose(purpose), trial, attempt, phase=phase, **fields)


PODS = [
    pod("prepare", -1, 1, "Succeeded"),
    pod("trial", 0, 1, "Failed"),
    pod("trial", 0, 2, "Failed"),
    pod("trial", 0, 3, "Pending"),
    pod("trial", 1, 1),
    pod("trial", 1, 1, worker=1),
]


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        (Wanted(), "trial-1-1-0"),
        (Wanted(Purpose.PREPARE), "prepare--1-1-0"),
        (Wanted(Purpose.TRIAL, 0), "trial-0-3-0"),
        (Wanted(Purpose.TRIAL, 0, before=True), "trial-0-2-0"),
        (Wanted(Purpose.TRIAL, 0, 1), "trial-0-1-0"),
        (Wanted(Purpose.TRIAL, 1, worker=1), "trial-1-1-1"),
    ],
)
def test_the_pod_that_is_meant(wanted: Wanted, name: str) -> None:
    assert choose(PODS, wanted).name == name


def test_of_one_attempt_the_newest_pod_counts() -> None:
    earlier = pod("trial", 0, 1, "Failed", created="2026-01-01T00:00:00Z")
    later = pod("trial", 0, 1, "Failed", created="2026-01-01T00:05:00Z")
    assert choose([later, earlier], Wanted(Purpose.TRIAL, 0)) is later


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (
            Wanted(Purpose.TRIAL, 7),
            "no pod of trial 7 is there; there are: prepare, attempt 1; trial 0, attempt 1;",
        ),
        (Wanted(Purpose.FINAL), "no pod of final is there"),
        (Wanted(Purpose.TRIAL, 1, before=True), "left from an attempt before its newest"),
        (Wanted(Purpose.TRIAL, 0, 9), "no pod of trial 0, attempt 9 is there"),
    ],
)
def test_a_pod_that_is_gone_is_missed_in_words(wanted: Wanted, words: str) -> None:
    with pytest.raises(Missing, match=words.replace("(", r"\(")):
        choose(PODS, wanted)


class Slow:
    """An API server whose pod starts at the third look."""

    def __init__(self, *found: dict[str, Any] | None) -> None:
        self.found = list(found)

    def get(self, path: str) -> dict[str, Any] | None:
        return self.found.pop(0) if len(self.found) > 1 else self.found[0]


def waiting(reason: str) -> dict[str, Any]:
    container = {"name": "trainer", "state": {"waiting": {"reason": reason, "message": "later"}}}
    return {"metadata": {"name": "x"}, "status": {"phase": "Pending", "containerStatuses": [container]}}


def test_what_a_pod_waits_for_is_told_once() -> None:
    server = Slow(waiting("ErrImagePull"), waiting("ErrImagePull"), {"status": {"phase": "Running"}})
    told: list[str] = []
    slept: list[float] = []
    await_start(server, "voices", "x", tell=told.append, seconds=60, sleep=slept.append, clock=lambda: 0.0)  # type: ignore[arg-type]
    assert told == ["pod x waits: ErrImagePull: later"]
    assert len(slept) == 2


def test_a_pod_that_does_not_start_in_time_or_is_gone_is_an_error() -> None:
    times = iter([0.0, 1.0, 5.0])
    with pytest.raises(ClusterUnavailable, match="pod x has not started: ErrImagePull: later"):
        await_start(
            Slow(waiting("ErrImagePull")),  # type: ignore[arg-type]
            *("voices", "x"),
            tell=lambda _: None,
            seconds=3,
            sleep=lambda _: None,
            clock=lambda: next(times),
        )
    with pytest.raises(Missing, match="pod x is gone"):
        await_start(Slow(None), "voices", "x", tell=lambda _: None, seconds=3)  # type: ignore[arg-type]


class Speaking:
    """An API server with one running pod that says something, or has nothing to say yet."""

    def __init__(self, *, refused: bool = False) -> None:
        self.refused = refused
        self.asked: dict[str, str] = {}

    def get(self, path: str) -> dict[str, Any]:
        return {"status": {"phase": "Running"}}

    def stream(self, path: str, **query: str) -> Iterator[bytes]:
        if self.refused:
            raise InvalidStudy("container is waiting to start")
        self.asked = {"path": path, **query}
        yield b"step 1/2\n"


def test_a_log_is_the_trainers_and_as_long_as_is_asked_for() -> None:
    server = Speaking()
    user = User(server, "voices", KubeFlags())  # type: ignore[arg-type]
    said = read_log(user, "x", follow=True, tail=20, timestamps=False, tell=lambda _: None)
    assert list(said) == [b"step 1/2\n"]
    assert server.asked == {
        "path": "/api/v1/namespaces/voices/pods/x/log",
        "container": "trainer",
        "follow": "true",
        "timestamps": "false",
        "tailLines": "20",
    }
    user = User(Speaking(refused=True), "voices", KubeFlags())  # type: ignore[arg-type]
    with pytest.raises(ClusterUnavailable, match="waiting to start"):
        list(read_log(user, "x", follow=False, tail=None, timestamps=False, tell=lambda _: None))


# The best voice, shown.

BEST = BestTrial(trial=1, value=0.25, parameters={"learning_rate": 0.001})
ROW = ObservedTrial(
    1, TrialState.COMPLETE, {"learning_rate": 0.001}, (0.25,), metrics={"tts_score": 0.25, "alignment": 0.9}
)


def test_without_rows_the_best_voice_is_what_the_status_knows() -> None:
    document = voice(study("fixedParameters: {epochs: 3}"), BEST, None, folder="", source="")
    assert (document["trial"], document["value"], document["metrics"]) == (1, 0.25, {})
    assert document["parameters"] == {"epochs": 3, "learning_rate": 0.001}
    assert document["checkpoint"] == ""


def test_a_published_final_training_is_the_best_voice() -> None:
    result = TrialResult.model_validate(
        {"state": "complete", "values": [0.125], "metrics": {"tts_score": 0.125, "mcd_dtw": None}}
    )
    stored = StoredStudy(StudyRecord(final_trial=1, final_result=result), [ROW])
    found = study("fixedParameters: {epochs: 3}", "finalTraining: {enabled: true, epochs: 9}")
    document = voice(found, BEST, stored, folder="3f2b8a1e/best", source="final/1/checkpoints/step-00000100")
    assert (document["purpose"], document["trial"], document["value"]) == ("final", 1, 0.125)
    assert document["metrics"] == {"tts_score": 0.125}
    assert document["parameters"] == {"epochs": 9, "learning_rate": 0.001}
    assert document["checkpoint"] == "claim demo-checkpoints, 3f2b8a1e/best/checkpoint"


# The best voice, copied.


def promoted(folder: str) -> dict[str, str]:
    return {names.ANNOTATION_PROMOTED: f"{folder}/trial/1/checkpoints/step-00000250"}


def test_the_voice_is_this_studys_and_from_after_its_reset() -> None:
    source = "trial/1/checkpoints/step-00000250"
    assert published_folder(promoted("3f2b8a1e"), study()) == ("3f2b8a1e/best", source)
    for annotations in (None, {}, promoted("00000000")):
        with pytest.raises(Missing, match="no best voice yet"):
            published_folder(annotations, study())
    again = study(annotations={names.ANNOTATION_RESET: "2"})
    after = names.study_directory(UID, "2")
    assert published_folder(promoted(after), again)[0] == f"{after}/best"
    with pytest.raises(Missing, match="no best voice yet"):
        published_folder(promoted("3f2b8a1e"), again)
    # The annotation may have been taken away since.
    assert published_folder(promoted(after), study())[0] == f"{after}/best"


def test_it_is_read_with_the_image_that_is_named_or_that_published_it_or_the_studys() -> None:
    note = {"image": "a", "imagePullPolicy": "Never", "imagePullSecrets": ["registry"]}
    noted = {names.ANNOTATION_IMAGE: json.dumps(note)}
    own = study("trainer: {image: b}")
    assert platform_of(noted, own, "") == Platform("a", "Never", ("registry",))
    assert platform_of(noted, own, "c").trainer_image == "c"
    assert platform_of({}, own, "") == Platform("b")
    with pytest.raises(Missing, match="give --image"):
        platform_of({}, study(), "")
    for broken in ("no json", "[]", '{"imagePullSecrets": 1}'):
        with pytest.raises(PermanentError, match="give --image"):
            platform_of({names.ANNOTATION_IMAGE: broken}, study(), "")


def test_the_pod_that_reads_is_no_attempt_changes_nothing_and_ends_by_itself() -> None:
    placed = (
        "trainer: {podTemplate: {metadata: {annotations: {sidecar: 'no'}}, spec: {nodeSelector: {pool: gpu}, "
        "tolerations: [{key: gpu, operator: Exists}], volumes: [{name: big, emptyDir: {}}], "
        "containers: [{name: trainer, env: [{name: TOKEN, value: x}]}]}}}"
    )
    reference = StudyKey("voices", "demo", UID)
    body = reader_pod(
        reference, Platform("a", "Never", ("registry",)), study(placed).spec, name="demo-export-1"
    )
    labels = body["metadata"]["labels"]
    assert labels[names.LABEL_MANAGED_BY] != "tacotune", "the operator counts what that one manages"
    assert names.LABEL_STUDY_UID not in labels
    assert body["metadata"]["annotations"] == {"sidecar": "no"}
    (owner,) = body["metadata"]["ownerReferences"]
    assert (owner["uid"], owner.get("controller")) == (UID, None)
    spec = body["spec"]
    assert spec["nodeSelector"] == {"pool": "gpu"}
    assert spec["tolerations"] == [{"key": "gpu", "operator": "Exists"}]
    assert spec["imagePullSecrets"] == [{"name": "registry"}]
    assert [volume["name"] for volume in spec["volumes"]] == ["study", "tmp"]
    assert spec["activeDeadlineSeconds"] > 0
    assert spec["automountServiceAccountToken"] is False
    (container,) = spec["containers"]
    assert "args" not in container
    assert [entry["name"] for entry in container["env"]] == ["HOME"]
    assert {m["name"]: m.get("readOnly", False) for m in container["volumeMounts"]} == {
        "study": True,
        "tmp": False,
    }
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


def a_voice(folder: Path) -> Path:
    files = {"checkpoint/weights.pt": b"weights", "samples/0.wav": b"RIFF"}
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    digests = {path: {"sha256": hashlib.sha256(content).hexdigest()} for path, content in files.items()}
    (folder / "best.json").write_text(json.dumps({"files": digests}))
    return folder


def test_a_voice_is_whole_when_every_file_has_its_hash(tmp_path: Path) -> None:
    verify(a_voice(tmp_path))
    (tmp_path / "samples/0.wav").write_bytes(b"RIFX")
    with pytest.raises(PermanentError, match=r"samples/0\.wav does not match its sha256"):
        verify(tmp_path)
    (tmp_path / "samples/0.wav").unlink()
    with pytest.raises(PermanentError, match=r"samples/0\.wav does not match"):
        verify(tmp_path)
    (tmp_path / "best.json").write_text("{}")
    with pytest.raises(PermanentError, match=r"best\.json of the voice cannot be read"):
        verify(tmp_path)


def test_an_earlier_voice_is_replaced_as_a_whole_and_nothing_else(tmp_path: Path) -> None:
    target = a_voice(tmp_path / "voice")
    (target / "alignments").mkdir()
    (target / "samples/old.wav").touch()
    (target / "mine.txt").write_text("mine")
    put_in_place(a_voice(tmp_path / "fresh"), target)
    found = sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file())
    assert found == ["best.json", "checkpoint/weights.pt", "mine.txt", "samples/0.wav"]
    assert not (target / "alignments").exists()
