"""Which earlier voice the trials of a study begin with on a cluster, and how their pods get at it."""

from typing import Any

import pytest

from support.study_objects import UID
from tacotune.adapters.kube_warm_start import Candidate, best_of, candidate
from tacotune.api.study_key import StudyKey
from tacotune.manifests.warm_start import EarlierVoice, warm_start_checkpoint, warm_start_volumes
from tacotune.ports import InvalidStudy

EARLIER = "0b2f3c4d-0000-4000-8000-000000000002"
STUDY = StudyKey("voices", "second", UID)


def claim(promoted: str = "0b2f3c4d/trial/7/checkpoints/step-00000250", **fields: Any) -> dict[str, Any]:
    annotations = {"tacotune.dev/promoted": promoted} if promoted else {}
    mode = fields.pop("mode", "ReadWriteMany")
    return {
        "metadata": {"name": "first-checkpoints", "annotations": annotations, **fields},
        "spec": {"accessModes": [mode]},
    }


def earlier(value: float | None = 0.3, uid: str = EARLIER) -> dict[str, Any]:
    status = {} if value is None else {"best": {"trial": 7, "value": value}}
    return {"metadata": {"name": "first", "uid": uid}, "status": status}


def seen(found: dict[str, Any] | None, study: dict[str, Any] | None, *, pods: int = 2) -> Candidate:
    return candidate("first", found, study, own_uid=UID, pods=pods)


def test_a_published_voice_is_found_in_its_studys_folder() -> None:
    assert seen(claim(), earlier()) == Candidate("first", "0b2f3c4d", 0.3)
    after_a_reset = claim("0b2f3c4d-11223344/final/7/checkpoints/step-1")
    assert seen(after_a_reset, earlier()) == Candidate("first", "0b2f3c4d-11223344", 0.3)


def test_a_voice_outlives_its_study_without_a_value_to_compare_it_by() -> None:
    assert seen(claim(), None) == Candidate("first", "0b2f3c4d")
    # The one of that name is another study, which has published nothing.
    assert seen(claim(), earlier(0.1, uid="ffffffff-0000")) == Candidate("first", "0b2f3c4d")
    assert seen(claim(), earlier(None)) == Candidate("first", "0b2f3c4d")


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        (None, "there is no volume first-checkpoints"),
        (claim(deletionTimestamp="2030-01-01T12:00:00Z"), "there is no volume first-checkpoints"),
        (claim(""), "first has published no voice yet"),
        (claim(f"{UID[:8]}/trial/0/checkpoints/step-1"), "first has published no voice yet"),
        (
            claim(mode="ReadWriteOncePod"),
            "volume first-checkpoints is ReadWriteOncePod, which lets one pod mount it, not 2",
        ),
    ],
    ids=[
        "no volume",
        "a volume that goes",
        "nothing published",
        "the study's own voice",
        "one pod at a time",
    ],
)
def test_what_has_no_voice_to_begin_with_says_why(found: dict[str, Any] | None, problem: str) -> None:
    assert seen(found, earlier()) == Candidate("first", problem=problem)


def test_one_pod_may_mount_what_one_pod_may_mount() -> None:
    assert seen(claim(mode="ReadWriteOncePod"), earlier(), pods=1).folder == "0b2f3c4d"


@pytest.mark.parametrize(("direction", "chosen"), [("Minimize", "b"), ("Maximize", "c")])
def test_the_best_value_wins_and_the_unknown_come_last(direction: str, chosen: str) -> None:
    candidates = [
        Candidate("a", "1"),
        Candidate("b", "2", 0.1),
        Candidate("c", "3", 0.4),
        Candidate("d", problem="none"),
    ]
    assert best_of(candidates, direction, "voices").study == chosen
    assert best_of(candidates[:1], direction, "voices") == EarlierVoice("a", "1")


def test_without_any_voice_the_study_is_invalid_and_each_reason_is_told() -> None:
    with pytest.raises(InvalidStudy) as raised:
        best_of([Candidate("a", problem="one"), Candidate("b", problem="two")], "Minimize", "voices")
    assert str(raised.value).startswith("spec.warmStart.weights: best, but namespace voices has no voice")
    assert "one; two. Let these studies publish one, or set weights to none" in str(raised.value)


def test_another_studys_voice_is_mounted_alone_and_its_own_volumes_one_is_there_already() -> None:
    voice = EarlierVoice("first", "0b2f3c4d")
    assert str(warm_start_checkpoint(STUDY, voice)) == "/warm-start/checkpoint"
    ((volume, mount),) = warm_start_volumes(STUDY, voice)
    assert volume["persistentVolumeClaim"] == {"claimName": "first-checkpoints", "readOnly": True}
    assert (mount["subPath"], mount["readOnly"]) == ("0b2f3c4d/best", True)
    before = EarlierVoice("second", "0b2f3c4d")
    assert str(warm_start_checkpoint(STUDY, before)) == "/study/0b2f3c4d/best/checkpoint"
    assert warm_start_volumes(STUDY, before) == warm_start_volumes(STUDY, None) == []
