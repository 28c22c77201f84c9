"""A bad study is refused at admission with path and reason, and the models and `tacotune validate` find the same place."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from support.api_server import ApiServer
from support.bad_studies import BAD_STUDIES, NOTATION
from support.bad_study import Bad
from support.commands import tacotune
from support.objects import study
from tacotune.api.study import TTSStudy

each = pytest.mark.parametrize("bad", BAD_STUDIES.values(), ids=BAD_STUDIES.keys())


@each
def test_the_api_server_refuses_it_with_path_and_reason(api: ApiServer, bad: Bad) -> None:
    answer = api.create(bad.manifest, dryRun="All")
    found = [reason for path, reason in answer.refusals if path == bad.path]
    assert found, answer
    assert bad.says in " ".join(found)


@pytest.mark.parametrize("bad", [bad for name, bad in BAD_STUDIES.items() if name not in NOTATION])
def test_the_models_refuse_it(bad: Bad) -> None:
    with pytest.raises(ValidationError):
        TTSStudy.from_manifest(bad.manifest)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Paths that `tacotune validate` complains of, by the name of the mistake."""
    folder = tmp_path_factory.mktemp("bad")
    for name, bad in BAD_STUDIES.items():
        (folder / f"{name}.yaml").write_text(json.dumps(bad.manifest, indent=1))
    files = [f"{name}.yaml" for name in BAD_STUDIES]
    code, output = tacotune(folder, "validate", "-o", "json", *files)
    assert code == 64, output
    problems: list[dict[str, Any]] = json.loads(output)
    paths: dict[str, list[str]] = defaultdict(list)
    for problem in problems:
        paths[Path(problem["file"]).stem].append(problem["path"])
    return paths


@pytest.mark.parametrize("name", BAD_STUDIES)
def test_validate_names_the_same_place_and_no_other(told: dict[str, list[str]], name: str) -> None:
    expected = BAD_STUDIES[name].models_path or BAD_STUDIES[name].path
    (path,) = told[name]
    assert within(path, expected) or within(expected, path)


def within(inner: str, outer: str) -> bool:
    return inner == outer or inner.startswith((f"{outer}.", f"{outer}["))


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("apiVersion", "tacotune.dev/v1", "does not match the expected API version"),
        ("kind", "Study", "must be TTSStudy"),
    ],
)
def test_another_version_or_kind_is_refused(api: ApiServer, field: str, value: str, says: str) -> None:
    path = api.collection(study())
    answer = api.request("POST", f"{path}?dryRun=All", {**study(), field: value})
    assert answer.code in {400, 422}
    assert says in answer.body["message"]


def test_several_mistakes_are_told_at_once(api: ApiServer) -> None:
    bad = study({"spec.maxTrials": 0, "spec.sampler.name": "tpee", "spec.gpuHours": 0})
    paths = {path for path, _ in api.create(bad, dryRun="All").refusals}
    assert paths >= {"spec.maxTrials", "spec.sampler.name", "spec.gpuHours"}
